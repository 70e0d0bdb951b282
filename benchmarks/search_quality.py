"""Regret of searches at equal evaluations: evonas against Optuna, on tables of training runs and test functions.

python benchmarks/search_quality.py [--seeds 10] [--budgets 100,1000] [--only kin8nm,branin] [--searchers "DEHB;random"]

Regret is (found - best known) / (median of random search - best known): 0 is the best result of any search in this run,
1 is that of random search. Completed searches are kept in `benchmarks/tables/runs`, so that an interrupted run
continues; `--fresh` starts over.
"""

# ruff: noqa: E402 (threads are limited before numpy is loaded)

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # one core per search, many searches at a time

import argparse
import json
import math
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from fidelity import EPOCH_SEARCHERS
from problems import FUNCTIONS, TUNING
from public_tables import public_tables
from reports import report_path, write_report
from searchers import SEARCHERS, Problem
from surrogates import table_functions
from tables import TABLES

HERE = Path(__file__).parent
RUNS = TABLES / "runs"
#: Total evaluations -> numbers of evaluations after which the regret is reported.
POINTS = {25: (25,), 50: (25, 50), 100: (25, 50, 100), 250: (150, 200, 250), 1000: (250, 500, 1000)}
#: Searchers left out of runs with 1,000 evaluations unless named, since they take 20 s for a hundred.
SLOW = ("Optuna GP", "evolution, dear")


@cache
def problems() -> dict[str, Problem]:
    """All problems that can be searched, tables first."""
    return {**table_functions(), **public_tables(), **FUNCTIONS, **TUNING}


@cache
def judging() -> list[str]:
    """Names of the problems that are searched by default; `evolution` was not tuned on them."""
    return [*table_functions(), *FUNCTIONS]


def searched(searcher: str, problem: str, budget: int, seed: int, fresh: bool) -> tuple[list[float], float]:
    """Losses in the order of the evaluations (or epochs, if these are the budget), and processor seconds."""
    path = RUNS / f"{searcher}, {problem}, {budget}, {seed}.json".replace(" ", "_")
    if path.exists() and not fresh:
        losses, seconds = json.loads(path.read_text())
        return [math.nan if loss is None else loss for loss in losses], seconds
    began = time.process_time()
    losses = {**SEARCHERS, **EPOCH_SEARCHERS}[searcher](problems()[problem], budget, seed)
    seconds = time.process_time() - began
    path.write_text(json.dumps([[loss if math.isfinite(loss) else None for loss in losses], seconds]))
    return losses, seconds


def parse() -> argparse.Namespace:
    """The options, checked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budgets", default="100,1000", help="evaluations, among 25, 50, 100, 250 and 1000")
    parser.add_argument("--only", default=",".join(judging()), help="problems, separated by commas")
    parser.add_argument("--searchers", help="searchers, separated by semicolons [all]")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--fresh", action="store_true", help="do not reuse earlier runs")
    parser.add_argument("--json", type=report_path, default=str(HERE / "results" / "search_quality.json"))
    options = parser.parse_args()
    options.named = options.searchers is not None
    options.searchers = options.searchers.split(";") if options.named else [*SEARCHERS, *EPOCH_SEARCHERS]
    options.only = options.only.split(",")
    options.budgets = [int(budget) for budget in options.budgets.split(",")]
    for name, given, known in (
        ("only", options.only, problems()),
        ("searchers", options.searchers, {**SEARCHERS, **EPOCH_SEARCHERS}),
        ("budgets", options.budgets, POINTS),
    ):
        if unknown := [value for value in given if value not in known]:
            parser.error(f"--{name} takes {', '.join(map(str, known))}, not {', '.join(map(str, unknown))}")
    return options


def jobs_of(options: argparse.Namespace) -> list[tuple[str, str, int, int]]:
    """(searcher, problem, budget, seed) of every search."""
    jobs = []
    for budget in options.budgets:
        for problem in options.only:
            for searcher in options.searchers:
                if searcher in EPOCH_SEARCHERS and (budget != 100 or problems()[problem].epochs == 1):
                    continue
                if budget > 250 and searcher in SLOW and not options.named:
                    continue
                jobs += [(searcher, problem, budget, seed) for seed in range(options.seeds)]
    return jobs


def report(found: dict[tuple[str, str, int, int], tuple[list[float], float]], options: argparse.Namespace) -> Any:
    """Prints and returns the regrets by searcher, problem and point."""
    table: dict[str, Any] = {}
    for budget in options.budgets:
        for point in POINTS[budget]:
            names = [s for s in options.searchers if any(job[0] == s and job[2] == budget for job in found)]
            rows: dict[str, dict[str, float]] = {name: {} for name in names}
            for problem in options.only:
                # For searches over epochs, `point` counts full training runs.
                bests = {
                    (job[0], job[3]): np.fmin.accumulate(losses)
                    for job, (losses, _) in found.items()
                    if job[1] == problem and job[2] == budget
                }
                everything = [
                    np.nanmin(losses) for job, (losses, _) in found.items() if job[1] == problem and len(losses)
                ]
                least = np.nanmin([*everything, problems()[problem].least])
                at = {
                    key: best[min(point * len(best) // budget, len(best)) - 1]
                    if key[0] in EPOCH_SEARCHERS
                    else best[point - 1]
                    for key, best in bests.items()
                }
                random = np.median([value for key, value in at.items() if key[0] == "random"])
                for name in names:
                    values = [value for key, value in at.items() if key[0] == name]
                    if values:
                        rows[name][problem] = float(np.mean([(value - least) / (random - least) for value in values]))
            table[str(point)] = rows
            print(f"\nregret after {point} evaluations ({options.seeds} seeds)")
            width = max(map(len, names)) + 1
            print(" " * width + "    mean  median" + "".join(f" {problem[:8]:>8}" for problem in options.only))
            for name in names:
                values = list(rows[name].values())
                cells = "".join(f" {rows[name].get(problem, math.nan):8.4f}" for problem in options.only)
                print(f"{name:{width}}{np.mean(values):8.4f}{np.median(values):8.4f}{cells}", flush=True)
    return table


def main() -> None:
    """Runs the missing searches, then reports."""
    options = parse()
    RUNS.mkdir(parents=True, exist_ok=True)
    jobs, found = jobs_of(options), {}
    with ProcessPoolExecutor(options.processes) as pool:
        futures = {pool.submit(searched, *job, options.fresh): job for job in jobs}
        for done, future in enumerate(as_completed(futures), 1):
            found[futures[future]] = future.result()
            if done % 100 == 0:
                print(f"{done} of {len(jobs)} searches", flush=True)
    table = report(found, options)
    seconds: dict[str, list[float]] = {}
    for (searcher, _, budget, _), (_, spent) in found.items():
        seconds.setdefault(f"{searcher}, {budget}", []).append(spent)
    functions = {name: problem for name, problem in problems().items() if hasattr(problem, "r2")}
    write_report(
        options.json,
        {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "seeds": options.seeds,
            "tables": {
                name: {"r2": each.r2, "seed_spread": each.noise, "most_rows": each.rows}
                for name, each in functions.items()
            },
            "regret": table,
            "seconds_a_search": {name: float(np.mean(values)) for name, values in seconds.items()},
        },
    )


if __name__ == "__main__":
    main()
