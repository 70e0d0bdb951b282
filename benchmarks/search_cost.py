"""What `evolution` itself costs: ask and tell, one candidate at a time, on a space of seven genes.

python benchmarks/search_cost.py [--evaluations 1000] [--strategy evolution] [--evaluation-seconds 5] [--json OUT]

Prints milliseconds of processor time a candidate, the evaluation left out: on average, and of the slowest hundred in a
row. What the first proposals import is measured by itself, in a short search before. An evaluation costs nothing here;
`--evaluation-seconds` says what it is taken to cost, of which 5% may be spent on its proposal.
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

#: Must not be exceeded: milliseconds a candidate on average where evaluations cost nothing, else a share of them.
LIMIT, SHARE = 5.0, 0.05
#: Candidates of the short search before.
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
    parser.add_argument("--evaluation-seconds", type=float, help="what an evaluation is taken to cost")
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
