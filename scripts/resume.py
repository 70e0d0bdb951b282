"""Continues a run that was stopped or killed, or extends a finished one. Shows `evonas.resume`.

python scripts/resume.py evonas-runs/20250101-120000 --generations +10
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
        result = evonas.resume(
            arguments.run_dir, generations=arguments.generations, time=arguments.time, on_generation=show
        )
        print(f"\nBest of {len(result.evaluations)} networks: {result.settings.objective} {result.best_score:.6g}")
        print(result.history.to_string(index=False))
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
    parser = argparse.ArgumentParser(description="Continue or extend a run.")
    parser.add_argument("run_dir", type=Path, help="run directory")
    parser.add_argument("--generations", metavar="N|+N", help="total generations, or additional ones (+10)")
    parser.add_argument("--time", metavar="T|+T", help="total time, or additional time (+10m)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
