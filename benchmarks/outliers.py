"""Test errors of the known defaults with standardised numbers clipped to several bounds.

    python benchmarks/outliers.py [--table california] [--rows 1000] [--bounds 1e6,20,10,5] [--seeds 2]

Few training rows, so that a test row is far outside of them. Prints validation and test RMSE or log loss, means over
seeds, for each network and bound in standard deviations.
"""

from __future__ import annotations

import argparse

import numpy as np
from ablation import NAMES, Searched, error_of, rows_of, trained
from raw_table import TABLES

from evonas.api.resolve import fit_space, with_neighbours
from evonas.config import Settings
from evonas.data.encoding import fit
from evonas.data.prepare import prepare_table
from evonas.training.native import NativeTrainer
from evonas.training_tasks import TrainingSettings
from genomes.dense import DenseSpace
from genomes.dense.genome import NUMERIC_ENCODINGS

EPOCHS = 50


def errors(table: str, rows: int, bound: float, seeds: int) -> dict[str, float]:
    """Known default -> test error, with this bound."""
    train, test = rows_of(TABLES[table], rows, seed=0)
    fit.BOUND = bound  # type: ignore[attr-defined]
    data = prepare_table(train, TABLES[table].target, seed=0, test=test, numbers=NUMERIC_ENCODINGS)
    settings = Settings(seed=0, trainer="native", strategy="evolution")
    space, _ = with_neighbours(fit_space(DenseSpace(), data.problem), data, settings)
    assert isinstance(space, DenseSpace)
    found = Searched(data, space, (), TrainingSettings(patience=10), EPOCHS)
    trainer = NativeTrainer(data, found.settings, threads=1)
    means = {}
    for variants in space.known_defaults_of_few_rows(data.problem.task):
        name, genome = next(iter(variants.items()))
        scores = trained(found, trainer, genome, range(seeds))
        means[name] = float(np.mean([error_of(each) for each in scores]))
    return means


def main() -> None:
    """Prints a line for each bound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", default="california", choices=NAMES)
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--bounds", default="1e6,20,10,5")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    for bound in map(float, options.bounds.split(",")):
        found = errors(options.table, options.rows, bound, options.seeds)
        print(f"bound {bound:g}: " + ", ".join(f"{name} {error:.4f}" for name, error in found.items()), flush=True)


if __name__ == "__main__":
    main()
