"""Hypervolume of `nsga2` against Optuna's NSGA-II sampler, on mixed problems with two objectives.

python benchmarks/pareto.py [--evaluations 300] [--seeds 10] [--only zdt1,truss]

Every evaluated point counts. Objectives are scaled by the front of all points found on the problem, by both searchers
with all seeds, with 1.1 of it as the reference point of the hypervolume. Prints the mean of each and their ratio; with
tables in `benchmarks/tables`, also loss against parameters of real training runs. Both run with their defaults, in
generations of 20 (ours) and 50 (Optuna's).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from fronts import PROBLEMS, TwoObjectives, table_problem
from tables import DATASETS, TABLES

from evonas.evaluation import Evaluation, Status
from evonas.strategies import make_strategy
from genomes import HyperparameterSpace
from genomes.domains import Range

Points = list[tuple[float, float]]


def with_evonas(problem: TwoObjectives, evaluations: int, seed: int) -> Points:
    """`nsga2` with its default settings."""
    strategy = make_strategy("nsga2", problem.space, objective="first", objectives=("first", "second"), seed=seed)
    points: Points = []
    while len(points) < evaluations:
        candidates = strategy.ask()
        found = [problem.losses(_values(problem.space, candidate.genome)) for candidate in candidates]
        strategy.tell([Evaluation(Status.OK, {"first": a, "second": b}) for a, b in found])
        points += found
    return points[:evaluations]


def with_optuna(problem: TwoObjectives, evaluations: int, seed: int) -> Points:
    """Optuna's NSGA-II with its defaults and ordinary suggestions, without inactive genes."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=["minimize"] * 2, sampler=optuna.samplers.NSGAIISampler(seed=seed))
    points: Points = []

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        values: dict[str, Any] = {}
        for gene in problem.space.genes:
            if gene.is_active(values):
                values[gene.name] = _suggested(trial, gene.name, gene.domain)
        points.append(problem.losses(values))
        return points[-1]

    study.optimize(objective, n_trials=evaluations)
    return points


def _values(space: Any, genome: Any) -> Mapping[str, Any]:
    return genome if isinstance(space, HyperparameterSpace) else space.values(genome)


def _suggested(trial: Any, name: str, domain: Any) -> Any:
    if not isinstance(domain, Range):
        return trial.suggest_categorical(name, domain.options)
    if isinstance(domain.low, int):
        return trial.suggest_int(name, domain.low, domain.high, log=domain.log)
    return trial.suggest_float(name, domain.low, domain.high, log=domain.log)


def front_of(points: Sequence[tuple[float, float]]) -> Points:
    """The non-dominated points, sorted by the first objective."""
    front: Points = []
    for point in sorted(points):
        if not front or point[1] < front[-1][1]:
            front.append(point)
    return front


def hypervolume(points: Sequence[tuple[float, float]], low: Any, high: Any) -> float:
    """The share of the box up to 1.1 dominated by the points, after scaling `low` to 0 and `high` to 1."""
    scaled = [tuple((np.array(point) - low) / (high - low)) for point in points]
    area, edge = 0.0, 1.1
    for a, b in front_of([point for point in scaled if max(point) < 1.1]):
        area += (1.1 - a) * (edge - b)
        edge = b
    return area / 1.1**2


def main() -> None:
    """Prints one line per problem, and the ratio over all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", default="", help="problems, separated by commas")
    options = parser.parse_args()
    problems = dict(PROBLEMS) | {
        f"table {name}": table_problem(name) for name in DATASETS if (TABLES / f"{name}.npz").exists()
    }
    if options.only:
        problems = {name: problem for name, problem in problems.items() if name in options.only.split(",")}
    ratios = []
    print(f"hypervolume after {options.evaluations} evaluations, mean of {options.seeds} seeds")
    print(f"{'problem':<28}{'nsga2':>8}{'optuna':>8}{'ratio':>8}{'wins':>6}")
    for name, problem in problems.items():
        ours = [with_evonas(problem, options.evaluations, seed) for seed in range(options.seeds)]
        theirs = [with_optuna(problem, options.evaluations, seed) for seed in range(options.seeds)]
        front = np.array(front_of([point for points in (*ours, *theirs) for point in points]))
        low, high = front.min(axis=0), front.max(axis=0)
        a, b = ([hypervolume(points, low, high) for points in runs] for runs in (ours, theirs))
        ratios.append(float(np.mean(a) / np.mean(b)))
        wins = sum(x > y for x, y in zip(a, b, strict=True))
        print(f"{name:<28}{np.mean(a):>8.3f}{np.mean(b):>8.3f}{ratios[-1]:>8.3f}{wins:>6}", flush=True)
    print(f"ratio over {len(ratios)} problems (geometric mean): {math.exp(np.mean(np.log(ratios))):.3f}")


if __name__ == "__main__":
    main()
