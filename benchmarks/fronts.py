"""Bi-objective minimisation problems over mixed genes, for `benchmarks/pareto.py`.

References:
    Zitzler, Deb and Thiele, "Comparison of Multiobjective Evolutionary Algorithms", Evolutionary Computation 8, 2000.
    Tanabe and Ishibuchi, "An Easy-to-Use Real-World Multi-Objective Optimization Problem Suite", Applied Soft Computing
    89, 2020 (RE21, RE23, RE25).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from genomes import Gene, HyperparameterSpace, Range

__all__ = ["PROBLEMS", "TABLES", "TwoObjectives", "table_problem"]

#: Tables of real training runs, built by `benchmarks/tables.py`.
TABLES = Path(__file__).parent / "tables"

Values = Mapping[str, Any]
Pair = tuple[float, float]


@dataclass(frozen=True)
class TwoObjectives:
    """A space, and the function that returns two losses for a genome's values."""

    space: Any
    losses: Callable[[Any], Pair]


def _zdt_space(switches: bool) -> HyperparameterSpace:
    """One number for the position on the front, and numbers of several kinds for the distance from it."""
    genes: dict[str, Any] = {"x": Range(0.0, 1.0)}
    genes |= {f"linear_{k}": Range(0.0, 1.0) for k in range(3)}
    genes |= {f"log_{k}": Range(1e-4, 1e-1, log=True) for k in range(3)}
    genes |= {f"whole_{k}": Range(0, 20) for k in range(2)}
    if switches:
        genes["kind"] = ["a", "b", "c", "d"]
        genes["more"] = [False, True]
        genes["extra"] = Gene(Range(0.0, 1.0), when={"more": True})
    return HyperparameterSpace(genes)


def _distance(values: Values) -> float:
    """Mean distance of all numbers but the first from off-centre optima, in [0, 1], plus the contribution of names."""
    parts = [abs(values[f"linear_{k}"] - 0.35) / 0.65 for k in range(3)]
    parts += [abs(math.log10(values[f"log_{k}"]) + 2.0) / 2.0 for k in range(3)]
    parts += [abs(values[f"whole_{k}"] - 6) / 14 for k in range(2)]
    if "kind" in values:
        parts.append({"a": 0.5, "b": 1.0, "c": 0.0, "d": 0.75}[values["kind"]])
        parts.append(abs(values["extra"] - 0.8) / 0.8 if values["more"] else 0.6)
    return sum(parts) / len(parts)


def _zdt1(values: Values) -> Pair:
    g = 1 + 9 * _distance(values)
    return values["x"], g * (1 - math.sqrt(values["x"] / g))


def _zdt2(values: Values) -> Pair:
    g = 1 + 9 * _distance(values)
    return values["x"], g * (1 - (values["x"] / g) ** 2)


def _zdt3(values: Values) -> Pair:
    x, g = values["x"], 1 + 9 * _distance(values)
    return x, g * (1 - math.sqrt(x / g) - x / g * math.sin(10 * math.pi * x))


def _truss(values: Values) -> Pair:
    """RE21: volume and displacement of a four-bar truss."""
    force, young, length = 10.0, 2e5, 200.0
    a, b, c, d = (values[name] for name in "abcd")
    volume = length * (2 * a + math.sqrt(2) * b + math.sqrt(c) + d)
    displacement = force * length / young * (2 / a + 2 * math.sqrt(2) / b - 2 * math.sqrt(2) / c + 2 / d)
    return volume, displacement


def _vessel(values: Values) -> Pair:
    """RE23: cost of a pressure vessel, and the violation of its constraints."""
    shell, head, r, length = 0.0625 * values["shell"], 0.0625 * values["head"], values["radius"], values["length"]
    cost = 0.6224 * shell * r * length + 1.7781 * head * r * r + 3.1661 * shell**2 * length + 19.84 * shell**2 * r
    limits = (shell - 0.0193 * r, head - 0.00954 * r, math.pi * r * r * length + 4 / 3 * math.pi * r**3 - 1_296_000)
    return cost, sum(max(0.0, -limit) for limit in limits)


def _network(values: Values) -> Pair:
    """A synthetic network whose error decreases with size and a suitable rate, and whose cost grows with size."""
    widths = [values[f"units_{k}"] for k in range(1, values["layers"] + 1)]
    sizes = [16, *widths, 1]
    cost = sum(a * b for a, b in pairwise(sizes))
    best_rate = {"sgd": -1.0, "adam": -2.6}[values["optimizer"]] - 0.1 * values["layers"]
    error = 0.2 + 0.9 / (1 + cost / 60) ** 0.35 + 0.25 * (math.log10(values["rate"]) - best_rate) ** 2
    error += {"relu": 0.0, "tanh": 0.05, "sigmoid": 0.25}[values["activation"]] + 0.04 * abs(values["layers"] - 2)
    return error + 0.3 * abs(values["dropout"] - 0.2 * min(1.0, cost / 5000)), math.log10(cost)


PROBLEMS: dict[str, TwoObjectives] = {
    "zdt1": TwoObjectives(_zdt_space(False), _zdt1),
    "zdt2, names": TwoObjectives(_zdt_space(True), _zdt2),
    "zdt3, names": TwoObjectives(_zdt_space(True), _zdt3),
    "truss": TwoObjectives(
        HyperparameterSpace(
            {
                "a": Range(1.0, 3.0),
                "b": Range(math.sqrt(2), 3.0),
                "c": Range(math.sqrt(2), 3.0),
                "d": Range(1.0, 3.0),
            }
        ),
        _truss,
    ),
    "vessel": TwoObjectives(
        HyperparameterSpace(
            {
                "shell": Range(1, 100),
                "head": Range(1, 100),
                "radius": Range(10.0, 200.0),
                "length": Range(10.0, 240.0),
            }
        ),
        _vessel,
    ),
    "network": TwoObjectives(
        HyperparameterSpace(
            {
                "layers": Range(1, 4),
                "units_1": Range(4, 256, log=True),
                **{f"units_{k}": Gene(Range(4, 256, log=True), when={"layers": {"low": k}}) for k in (2, 3, 4)},
                "activation": ["relu", "tanh", "sigmoid"],
                "optimizer": ["sgd", "adam"],
                "rate": Range(1e-4, 1.0, log=True),
                "dropout": Range(0.0, 0.5),
            }
        ),
        _network,
    ),
}


def table_problem(name: str) -> TwoObjectives:
    """Validation loss against parameters on a table of real training runs (`benchmarks/tables.py`).

    A network that is not in the table has the mean log loss of its five nearest neighbours, weighted by proximity.
    """
    from tables import SPACE, Table

    from genomes.architecture.cost import count_parameters

    table = Table.load(name)
    best = np.nanmin(np.where(np.isfinite(table.curves[:, 0]), table.curves[:, 0], np.inf), axis=1)
    known = np.isfinite(best) & (best > 0)
    features, losses = table.features[known], np.log(best[known])

    def value(values: Values) -> Pair:
        genome = SPACE.from_values(values)
        distances = np.linalg.norm(features - SPACE.features(genome), axis=1)
        near = np.argpartition(distances, 5)[:5]
        weights = 1 / (distances[near] + 1e-3) ** 2
        loss = float(weights @ losses[near] / weights.sum())
        return loss, math.log10(count_parameters(SPACE.architecture(genome), 8, 1))

    return TwoObjectives(SPACE, value)
