"""Writes a network of a run as a Keras model and prints its scores. Shows `evonas.export`.

python scripts/export_best.py evonas-runs/20250101-120000 best.keras
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import evonas
from genomes import InputError


def main() -> int:
    arguments = read_arguments()
    try:
        exported = evonas.export(arguments.run_dir, arguments.path, arguments.rank, retrain=arguments.retrain)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    for split, scores in (("validation", exported.validation_scores), ("test", exported.test_scores)):
        for name, score in scores.items():
            print(f"{split} {name}: {score:.6g}")
    print(f"Model: {exported.path} ({exported.note})")
    return 0


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Write a network of a run as a Keras model.")
    parser.add_argument("run_dir", type=Path, help="run directory")
    parser.add_argument("path", type=Path, help="file to write, ending in .keras")
    parser.add_argument("--rank", type=int, default=1, metavar="N", help="1 for the best network, 2 for the next (1)")
    parser.add_argument("--retrain", action="store_true", help="retrain it on training and validation rows")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
