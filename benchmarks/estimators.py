"""scikit-learn estimators: time per fit, memory growth over 30 fits, and speedup of `cross_val_score` with `n_jobs=2`.

`python benchmarks/estimators.py [--fits 30] [--rounds 3]` prints one line of JSON. Runs with one and with two jobs take
turns, so that other load affects both; their times are wall-clock seconds, those of a fit processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import threading
import time
from typing import Any

import numpy as np
from sklearn.model_selection import cross_val_score

from evonas import EvolutionClassifier


def data(rows: int, columns: int) -> tuple[Any, Any]:
    """Learnable rows of two classes."""
    x = np.random.default_rng(0).normal(size=(rows, columns))
    return x, (x[:, 0] * x[:, 1] + x[:, 2] > 0).astype(int)


def resident_bytes() -> int:
    """Resident memory of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def many_fits(count: int) -> dict[str, Any]:
    """Processor time of small fits in this process, and their memory growth."""
    x, y = data(200, 5)
    bounds = {"population": 2, "evaluations": 2, "epochs": 4}
    EvolutionClassifier(**bounds).fit(x, y)
    before = resident_bytes(), threading.active_count(), len(os.listdir("/proc/self/fd"))
    seconds = []
    for seed in range(count):
        began = time.process_time()
        EvolutionClassifier(**bounds, random_state=seed).fit(x, y)
        seconds.append(time.process_time() - began)
    return {
        "fits": count,
        "median_cpu_seconds": round(statistics.median(seconds), 3),
        "most_cpu_seconds": round(max(seconds), 3),
        "more_bytes": resident_bytes() - before[0],
        "more_threads": threading.active_count() - before[1],
        "more_descriptors": len(os.listdir("/proc/self/fd")) - before[2],
    }


def side_by_side(rounds: int, rows: int, evaluations: int) -> dict[str, Any]:
    """Wall-clock seconds of cross-validation with one job and with two, in turns."""
    x, y = data(rows, 8)
    estimator = EvolutionClassifier(population=4, evaluations=evaluations, epochs=20)
    cross_val_score(estimator, x[:100], y[:100], cv=2, n_jobs=2)  # starts the processes and loads the kernels
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for jobs in seconds:
            began = time.perf_counter()
            cross_val_score(estimator, x, y, cv=4, n_jobs=jobs)
            seconds[jobs].append(time.perf_counter() - began)
    one, two = (statistics.median(seconds[jobs]) for jobs in (1, 2))
    return {"one_job_seconds": round(one, 2), "two_jobs_seconds": round(two, 2), "ratio": round(one / two, 2)}


def main() -> None:
    """Measures and prints the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--evaluations", type=int, default=12)
    options = parser.parse_args()
    fits = many_fits(options.fits)
    print(json.dumps({"fits": fits, "jobs": side_by_side(options.rounds, options.rows, options.evaluations)}))


if __name__ == "__main__":
    main()
