"""Cost of `evolution` itself: ask and tell, one candidate at a time, on a space with seven genes.

python benchmarks/search_cost.py [--evaluations 1000] [--strategy evolution] [--evaluation-seconds 5] [--json OUT]

Prints milliseconds of processor time per candidate without its evaluation: on average, and for the slowest hundred in a
row. The imports of the first proposals are measured separately, in a short search before. Evaluations cost nothing
here; `--evaluation-seconds` is their assumed cost, of which 5% may be spent on a proposal.
"""

# ruff: noqa: E402 (threads are limited before numpy is loaded)

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse
import time
from typing import Any

import numpy as np
from problems import FUNCTIONS
from reports import report_path, write_report

import evonas

#: Limit of the average milliseconds per candidate if evaluations cost nothing, otherwise a share of their cost.
LIMIT, SHARE = 5.0, 0.05
#: Number of candidates in the preceding short search.
WARM_UP = 12


def seconds_of_candidates(strategy: Any, problem: Any, count: int) -> np.ndarray:
    """Processor seconds of ask and tell for each of `count` candidates, shape `(count,)`."""
    seconds = np.zeros(count)
    for k in range(count):
        began = time.process_time()
        candidates = strategy.ask(1)
        asked = time.process_time()
        losses = [problem.value(candidate.genome) for candidate in candidates]
        evaluated = time.process_time()
        strategy.tell(losses)
        seconds[k] = time.process_time() - evaluated + asked - began
    return seconds


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=1_000)
    parser.add_argument("--strategy", default="evolution")
    parser.add_argument("--evaluation-seconds", type=float, help="assumed cost of an evaluation")
    parser.add_argument("--json", type=report_path)
    options = parser.parse_args()
    problem = FUNCTIONS["training"]
    settings = {} if options.evaluation_seconds is None else {"evaluation_seconds": options.evaluation_seconds}

    def measured(count: int) -> np.ndarray:
        return seconds_of_candidates(
            evonas.strategy(options.strategy, problem.space, seed=0, **settings), problem, count
        )

    before = float(measured(min(WARM_UP, options.evaluations)).sum())
    seconds = measured(options.evaluations)
    count = min(100, options.evaluations)
    windows = np.convolve(seconds, np.ones(count) / count, "valid")
    found = {
        "strategy": options.strategy,
        "evaluations": options.evaluations,
        "mean_ms": 1e3 * float(seconds.mean()),
        "slowest_hundred_ms": 1e3 * float(windows.max()),
        "limit_ms": max(LIMIT, 1e3 * SHARE * (options.evaluation_seconds or 0.0)),
        "first_twelve_with_imports_ms": 1e3 * before,
    }
    print(
        ", ".join(
            f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in found.items()
        )
    )
    if options.json:
        write_report(options.json, found)


if __name__ == "__main__":
    main()
