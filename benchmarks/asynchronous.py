"""Generational against asynchronous evolution: regret at equal evaluations, and utilisation of workers.

python benchmarks/asynchronous.py [--seeds 5] [--strategies evolution,aging] [--only kin8nm,branin] [--processes 1]

The problems are those of `search_quality.py`, including tables if available. A free worker takes the next candidate
while others are pending; durations are log-normal, as for networks of many sizes, and determine the order of arrival
and the utilisation of workers.
"""

# ruff: noqa: E402 (threads are limited before numpy is loaded)

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse
import heapq
import json
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from problems import FUNCTIONS
from reports import report_path, write_report
from searchers import Problem, at_random, with_evonas
from surrogates import table_functions

import evonas

EVALUATIONS, POINTS = 100, (25, 50, 100)
GENERATION = 20
#: Number of pending candidates, equal to the number of workers.
WORKERS = (1, 2, 4, 8)
#: Standard deviation of the log duration: the longest of twenty takes about four times the median.
SPREAD = 0.7
RANDOM_SEEDS = 10


@cache
def problems() -> dict[str, Problem]:
    """All problems, tables first."""
    return {**table_functions(), **FUNCTIONS}


def one_by_one(strategy: str, problem: Problem, workers: int, seed: int) -> list[float]:
    """Losses of a search with the given number of workers, in the order of arrival."""
    searched: Any = evonas.strategy(strategy, problem.space, seed=seed)
    rng = np.random.default_rng([seed, 2])
    out: list[tuple[float, int, Any]] = []
    losses: list[float] = []
    now = 0.0
    for number in range(EVALUATIONS + workers):
        if number >= workers:
            now, _, candidate = heapq.heappop(out)
            losses.append(problem.value(candidate.genome))
            searched.tell_one(candidate, losses[-1])
        if number < EVALUATIONS:
            heapq.heappush(out, (now + rng.lognormal(0.0, SPREAD), number, searched.ask_one()))
    return losses


def busy(workers: int, generation: int | None, seeds: int = 200) -> float:
    """Utilisation of the workers in searches by generations or one by one (None)."""
    shares = []
    for seed in range(seeds):
        times = np.random.default_rng([seed, 3]).lognormal(0.0, SPREAD, EVALUATIONS)
        wall = 0.0
        for start in range(0, EVALUATIONS, generation or EVALUATIONS):
            free = [0.0] * workers
            for seconds in times[start : start + (generation or EVALUATIONS)]:
                heapq.heapreplace(free, free[0] + seconds)
            wall += max(free)
        shares.append(times.sum() / (workers * wall))
    return float(np.mean(shares))


def searched(strategy: str, way: str, problem: str, seed: int) -> tuple[list[float], float]:
    """Losses of a search in the order of arrival, and its processor seconds."""
    began = time.process_time()
    if way == "random":
        losses = at_random(problems()[problem], EVALUATIONS, seed)
    elif way.startswith("generations"):
        losses = with_evonas(strategy, GENERATION)(problems()[problem], EVALUATIONS, seed)
    else:
        losses = one_by_one(strategy, problems()[problem], int(way.split()[0]), seed)
    return losses, time.process_time() - began


WAYS = (f"generations of {GENERATION}", *(f"{workers} out" for workers in WORKERS))


def regrets(found: dict[tuple[str, str, str, int], list[float]], strategies: list[str], names: list[str]) -> Any:
    """Strategy -> way -> point -> mean regret over problems and seeds, and on how many problems it is the best."""
    table: dict[str, Any] = {strategy: {way: {} for way in WAYS} for strategy in strategies}
    least = {
        name: min([problems()[name].least, *(np.nanmin(v) for key, v in found.items() if key[2] == name)])
        if np.isfinite(problems()[name].least)
        else min(np.nanmin(losses) for key, losses in found.items() if key[2] == name)
        for name in names
    }
    for point in POINTS:
        at = {key: float(np.fmin.accumulate(losses)[point - 1]) for key, losses in found.items()}
        random = {n: np.median([v for key, v in at.items() if key[1] == "random" and key[2] == n]) for n in names}
        for strategy in strategies:
            for way in WAYS:
                by_problem = {
                    name: float(
                        np.mean(
                            [
                                (value - least[name]) / (random[name] - least[name])
                                for key, value in at.items()
                                if key[:3] == (strategy, way, name)
                            ]
                        )
                    )
                    for name in names
                }
                groups = {"tables": set(names) - set(FUNCTIONS), "functions": set(names) & set(FUNCTIONS)}
                means = {
                    group: float(np.mean([by_problem[name] for name in members]))
                    for group, members in groups.items()
                    if members
                }
                table[strategy][way][str(point)] = {**means, "problems": by_problem}
    return table


def main() -> None:
    """Searches, and prints and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--strategies", default="evolution", help="separated by commas")
    parser.add_argument("--only", default=",".join(problems()), help="problems, separated by commas")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--json", type=report_path, default=str(Path(__file__).parent / "results" / "asynchronous.json")
    )
    options = parser.parse_args()
    strategies, names = options.strategies.split(","), options.only.split(",")
    jobs = [(s, way, name, seed) for s in strategies for way in WAYS for name in names for seed in range(options.seeds)]
    jobs += [("", "random", name, seed) for name in names for seed in range(RANDOM_SEEDS)]
    with ProcessPoolExecutor(options.processes) as pool:
        done = dict(zip(jobs, pool.map(searched, *zip(*jobs, strict=True)), strict=True))
    table = regrets({job: losses for job, (losses, _) in done.items()}, strategies, names)
    milliseconds: dict[str, dict[str, float]] = {strategy: {} for strategy in strategies}
    for strategy in strategies:
        for way in WAYS:
            seconds = [spent for job, (_, spent) in done.items() if job[:2] == (strategy, way)]
            milliseconds[strategy][way] = 1000 * float(np.mean(seconds)) / EVALUATIONS
    shares = {way: {str(n): busy(n, GENERATION) for n in WORKERS} for way in WAYS[:1]}
    shares["one by one"] = {str(workers): busy(workers, None) for workers in WORKERS}
    for strategy in strategies:
        print(f"\n{strategy}, {options.seeds} seeds: regret after 25, 50 and 100 evaluations; ms per candidate")
        for way in WAYS:
            for group in ("tables", "functions"):
                cells = [table[strategy][way][str(point)].get(group, float("nan")) for point in POINTS]
                print(f"{way:20}{group:10}" + "".join(f"{cell:9.3f}" for cell in cells), end="")
                print(f"{milliseconds[strategy][way]:9.1f}" if group == "tables" else "")
    print("\nshare of time in which workers train:", json.dumps(shares))
    values = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seeds": options.seeds,
        "problems": names,
        "regret": table,
        "ms_a_candidate": milliseconds,
        "busy": shares,
    }
    write_report(options.json, values)


if __name__ == "__main__":
    main()
