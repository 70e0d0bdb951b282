"""Evolves a network for a column of a CSV file, and writes it as a Keras model. Shows `evonas.search`.

python scripts/evolve.py houses.csv price --time 10m --export best.keras
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
        result = evonas.search(
            arguments.data,
            arguments.target,
            space=arguments.space,
            generations=arguments.generations,
            time=arguments.time,
            population=arguments.population,
            seed=arguments.seed,
            out=arguments.out,
            on_generation=show,
        )
        print(f"\nBest of {len(result.evaluations)} networks: {result.settings.objective} {result.best_score:.6g}")
        print(f"Run directory: {result.run_dir}")
        if arguments.export:
            exported = result.export(arguments.export)
            scores = ", ".join(f"{name} {score:.6g}" for name, score in exported.test_scores.items())
            print(f"Model: {exported.path}\nTest scores: {scores}")
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except evonas.Interrupted as stop:
        print(f"Stopped; continue with: python scripts/resume.py {stop.run_dir}", file=sys.stderr)
        return stop.exit_code
    return 0


def show(generation: evonas.Generation) -> None:
    best = generation.best.evaluation.scores if generation.best else "none yet"
    print(f"generation {generation.number + 1}: {generation.trained} networks trained, best so far {best}", flush=True)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Evolve a network for a column of a CSV file.")
    parser.add_argument("data", type=Path, help="CSV file with a header line")
    parser.add_argument("target", help="name of the column to predict")
    parser.add_argument("--space", type=Path, metavar="FILE", help="search space as TOML")
    parser.add_argument("--generations", type=int, metavar="N", help="stop after N generations")
    parser.add_argument("--time", metavar="T", help="stop after this time, such as 10m")
    parser.add_argument("--population", type=int, default=20, metavar="N", help="networks in a generation (20)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (0)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="run directory (a new one in evonas-runs)")
    parser.add_argument("--export", type=Path, metavar="FILE", help="write the best network here, as .keras")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
