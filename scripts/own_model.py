"""Searches the hyperparameters of a user-defined model: a small convolutional network for scikit-learn's digits.

python scripts/own_model.py --generations 3 --export digits.keras
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sklearn.datasets import load_digits

import evonas
from genomes import Gene, HyperparameterSpace, Range

SPACE = HyperparameterSpace(
    {
        "filters": Range(4, 32, log=True),
        "blocks": [1, 2],
        "growth": Gene([1, 2], when={"blocks": 2}),
        "dropout": Range(0.05, 0.5, zero=True),
        "learning_rate": Range(1e-3, 3e-2, log=True),
        "batch_size": [32, 64, 128],
    }
)


def build_model(genes: Any) -> Any:
    """Builds the network for the genes; evonas compiles it with their learning rate and uses their batch size."""
    from keras import Input, Sequential, layers

    stack = [Input((8, 8, 1)), layers.Rescaling(1 / 16)]
    for block in range(genes.blocks):
        filters = genes.filters * genes.get("growth", 1) ** block
        stack += [layers.Conv2D(filters, 3, padding="same", activation="relu"), layers.MaxPooling2D()]
    return Sequential([*stack, layers.Flatten(), layers.Dropout(genes.dropout), layers.Dense(10)])


def main() -> int:
    parser = argparse.ArgumentParser(description="Search a convolutional network for handwritten digits.")
    parser.add_argument("--generations", type=int, default=2, metavar="N", help="stop after N generations (2)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="run directory (a new one in evonas-runs)")
    parser.add_argument("--export", type=Path, metavar="FILE", help="write the best network here, as .keras")
    options = parser.parse_args()
    x, y = load_digits().images[..., None], load_digits().target
    bounds = {"generations": options.generations, "population": 6, "epochs": 10}
    result = evonas.search(x, y, build=build_model, space=SPACE, out=options.out, **bounds)
    print(f"{result.best_genome}\naccuracy {result.test_scores['accuracy']:.3f} on rows that the search never saw")
    if options.export:
        print(f"Model: {result.export(options.export).path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
