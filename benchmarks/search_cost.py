"""What `evolution` itself costs: ask and tell, one candidate at a time, on a space of seven genes.

python benchmarks/search_cost.py [--evaluations 1000] [--strategy evolution] [--json OUT]

Prints milliseconds of processor time a candidate, the evaluation left out: on average, and of the slowest hundred in a
row.
"""

# ruff: noqa: E402 (threads are limited before numpy is loaded)

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse
import time

import numpy as np
from problems import FUNCTIONS
from reports import report_path, write_report

import evonas

#: Must not be exceeded, in milliseconds: evaluations -> mean a candidate.
LIMITS = {1_000: 20.0, 10_000: 5.0}


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=1_000)
    parser.add_argument("--strategy", default="evolution")
    parser.add_argument("--json", type=report_path)
    options = parser.parse_args()
    problem = FUNCTIONS["training"]
    strategy = evonas.strategy(options.strategy, problem.space, seed=0)
    seconds = np.zeros(options.evaluations)
    for k in range(options.evaluations):
        began = time.process_time()
        candidates = strategy.ask(1)
        asked = time.process_time()
        losses = [problem.value(candidate.genome) for candidate in candidates]
        evaluated = time.process_time()
        strategy.tell(losses)
        seconds[k] = time.process_time() - evaluated + asked - began
    count = min(100, options.evaluations)
    windows = np.convolve(seconds, np.ones(count) / count, "valid")
    found = {
        "strategy": options.strategy,
        "evaluations": options.evaluations,
        "mean_ms": 1e3 * float(seconds.mean()),
        "slowest_hundred_ms": 1e3 * float(windows.max()),
        "limit_ms": LIMITS.get(options.evaluations),
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
