"""Test functions on mixed spaces: numbers on linear and logarithmic scales, whole numbers, choices, conditions.

Each is defined for genes with sensible ranges, as a person would write them; optima lie off the centre and off the
corners of the space. Searches are judged by `FUNCTIONS`; `evolution` was tuned on `TUNING` only.

References:
    Surjanovic and Bingham, "Virtual Library of Simulation Experiments: Test Functions", 2013 (Branin, Hartmann, Levy,
    Ackley, Rosenbrock, Rastrigin, Styblinski-Tang).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from genomes import Gene, HyperparameterSpace, Range

__all__ = ["FUNCTIONS", "TUNING", "Function"]

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Function:
    """A function to be minimised and its domain.

    Attributes:
        space: space of the genes.
        value: the function of the genes' values.
        least: its minimum; NaN if unknown.
    """

    space: HyperparameterSpace
    value: Callable[[Values], float]
    least: float = 0.0
    epochs: int = 1

    def curve(self, values: Values) -> list[float]:
        """The value as a curve of one epoch."""
        return [self.value(values)]


_HARTMANN_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_HARTMANN_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def branin(x: Values) -> float:
    """Two numbers and a choice that tilts the function: three basins, and the choice determines the best one."""
    a, b = x["a"], x["b"]
    value = (b - 5.1 / (4 * math.pi**2) * a * a + 5 / math.pi * a - 6) ** 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(a)
    return value + 10 + {"flat": 0.0, "left": 0.4 * (a + 5), "right": 0.4 * (10 - a)}[x["tilt"]]


def hartmann(x: Values) -> float:
    """Six numbers in [0, 1]."""
    point = np.array([x[f"x{k}"] for k in range(6)])
    return -float(np.exp(-(_HARTMANN_A * (point - _HARTMANN_P) ** 2).sum(axis=1)) @ (1.0, 1.2, 3.0, 3.2))


def ackley(x: Values) -> float:
    """Three numbers and two whole numbers, many shallow basins."""
    z = np.array([x["a"] - 0.7, x["b"] + 1.1, x["c"] - 1.9, (x["m"] - 3) / 2, (x["n"] + 2) / 2])
    return float(20 + math.e - 20 * np.exp(-0.2 * np.sqrt((z * z).mean())) - np.exp(np.cos(2 * np.pi * z).mean()))


def rosenbrock(x: Values) -> float:
    """Logarithm of a curved valley in four numbers."""
    z = [x[f"x{k}"] for k in range(4)]
    return math.log1p(sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in pairwise(z)))


def rastrigin(x: Values) -> float:
    """Two numbers, two whole numbers and a choice, in a grid of basins."""
    z = np.array([x["a"] - 0.9, x["b"] + 1.7, x["m"] - 2, x["n"] + 1])
    wave = 10 * (1 - np.cos(2 * np.pi * z[:2])).sum()
    return float((z * z).sum() + 0.3 * wave + {"red": 0.0, "green": 2.0, "blue": 4.0}[x["colour"]])


def styblinski(x: Values) -> float:
    """Five numbers, each with two basins, with different weights."""
    z = np.array([x[f"x{k}"] for k in range(5)])
    return float((np.array([1.0, 0.5, 0.25, 1.0, 0.1]) * (z**4 - 16 * z * z + 5 * z)).sum() / 2)


def training(x: Values) -> float:
    """Like a validation loss: the rate has to suit the batch and the optimizer, and capacity the penalty."""
    best_rate = {"sgd": -1.2, "adam": -2.8, "rmsprop": -3.1}[x["optimizer"]] + 0.3 * math.log10(x["batch"] / 64)
    off = math.log10(x["rate"]) - best_rate
    fast = 0.25 * off * off if off < 0 else 0.6 * off * off + 0.5 * off**3
    capacity = math.log2(x["units"]) + 1.5 * x["layers"]
    fit = math.exp(-0.45 * (capacity - 4)) + 0.004 * max(0.0, capacity - 9 - 0.8 * (math.log10(x["decay"]) + 6)) ** 2
    base = {"sgd": 0.05, "adam": 0.0, "rmsprop": 0.03}[x["optimizer"]] + {"relu": 0.02, "tanh": 0.05, "gelu": 0.0}[
        x["activation"]
    ]
    return 0.3 + fit + math.tanh(fast) + base


def conditional(x: Values) -> float:
    """Three methods with separate genes, as when choosing among a library's models."""
    if x["method"] == "svm":
        c, gamma = math.log10(x["c"]), math.log10(x["gamma"])
        return 0.12 + 0.02 * (c - 1.3) ** 2 + 0.03 * (gamma + 1.8) ** 2 + 0.01 * (c - 1.3) * (gamma + 1.8)
    if x["method"] == "forest":
        depth, share = x["depth"], x["share"]
        return 0.14 + 0.3 * math.exp(-0.4 * depth) + 0.2 * (share - 0.35) ** 2 + 0.01 * (x["leaf"] == 1)
    rate, rounds = math.log10(x["boost_rate"]), math.log10(x["rounds"])
    return 0.10 + 0.06 * (rate + rounds - 1.2) ** 2 + 0.02 * (rate + 1.6) ** 2 + 0.004 * (x["boost_depth"] - 6) ** 2


def many(x: Values) -> float:
    """Twenty genes, of which five matter."""
    value = (x["x3"] - 0.3) ** 2 + 2 * (x["x7"] - 0.8) ** 2 + abs(x["x11"] - 0.55)
    value += 0.5 * (x["x3"] - 0.3 - 0.5 * (x["x15"] - 0.4)) ** 2 + {"a": 0.0, "b": 0.1, "c": 0.2, "d": 0.3}[x["kind"]]
    return value + 0.05 * (x["x0"] - 0.5) ** 2


def response(x: Values) -> float:
    """A smooth validation loss of a multi-layer perceptron: seven genes, numbers only, with interactions.

    The rate has to suit batch and momentum, penalties have to suit the capacity; everything is quadratic near the
    optimum and saturates far from it.
    """
    rate, width, batch = math.log10(x["rate"]), math.log2(x["width"]), math.log2(x["batch"])
    off = rate - 0.5 * math.log10(1.0 - x["momentum"]) - (-2.1 + 0.09 * (batch - 6))
    capacity = width + 1.3 * x["depth"] - 10.5
    penalty = 2.5 * (x["dropout"] - 0.18) + 0.35 * (math.log10(x["l2"]) + 4.2) - 0.25 * capacity
    loss = (
        0.5 * math.tanh(0.35 * off * off) + 0.25 * math.tanh(0.03 * capacity * capacity) + 0.12 * math.tanh(penalty**2)
    )
    loss += 0.15 * (x["dropout"] - 0.22) ** 2 + 0.012 * (x["depth"] - 2.6 - 0.4 * off) ** 2
    return 0.3 + loss + 0.004 * (batch - 5.3) ** 2 + 0.05 * (x["momentum"] - 0.83) ** 2


def steep_response(x: Values) -> float:
    """As `response`, but diverging above the best rate, with a plateau where nothing is learned."""
    rate, width, batch = math.log10(x["rate"]), math.log2(x["width"]), math.log2(x["batch"])
    best = -2.6 + 0.5 * math.log10(batch / 6) - 0.08 * (width - 6) - 0.35 * (x["momentum"] - 0.5)
    off = rate - best - 0.05 * x["depth"]
    slow = math.log1p(math.exp(-2.2 * off)) / 2.2 + math.log1p(math.exp(3.0 * off)) / 3.0
    fit = 0.9 * math.exp(-0.22 * (width + 0.9 * x["depth"] - 3)) + 0.3 * x["dropout"] ** 1.5
    over = 0.02 * math.log1p(math.exp(width + x["depth"] - 9 - 4.0 * x["dropout"] - 0.8 * (math.log10(x["l2"]) + 6)))
    decay = 0.03 * math.log1p(math.exp(2.0 * (math.log10(x["l2"]) + 3.0)))
    return 1.2 * math.tanh(0.8 * (slow - 0.4)) + fit + over + decay + 0.01 * math.exp(0.25 * (batch - 7))


def hartmann3(x: Values) -> float:
    """Three numbers, and a choice and a whole number that add a cost."""
    a = np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]])
    p = 1e-4 * np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]])
    point = np.array([x[f"x{k}"] for k in range(3)])
    value = -float(np.exp(-(a * (point - p) ** 2).sum(axis=1)) @ (1.0, 1.2, 3.0, 3.2))
    return value + {"x": 0.3, "y": 0.0, "z": 0.6}[x["kind"]] + 0.01 * (x["m"] - 13) ** 2


def levy(x: Values) -> float:
    """Four numbers, one of them whole, in waves along a slope."""
    w = 1 + (np.array([x["a"] - 1.3, x["b"] + 2.1, x["c"] - 4.2, x["m"] - 2]) - 0) / 4
    middle = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)).sum()
    return float(np.sin(np.pi * w[0]) ** 2 + middle + (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2))


def shekel(x: Values) -> float:
    """Four numbers: ten narrow wells of different depths on a plain."""
    c = np.array([0.1, 0.2, 0.2, 0.4, 0.4, 0.6, 0.3, 0.7, 0.5, 0.5])
    wells = [[4, 4, 4, 4], [1, 1, 1, 1], [8, 8, 8, 8], [6, 6, 6, 6], [3, 7, 3, 7]]
    wells += [[2, 9, 2, 9], [5, 5, 3, 3], [8, 1, 8, 1], [6, 2, 6, 2], [7, 3.6, 7, 3.6]]
    point = np.array([x[f"x{k}"] for k in range(4)])
    return -float((1 / (((point - np.array(wells)) ** 2).sum(axis=1) * 0.25 + c)).sum())


def optimizers(x: Values) -> float:
    """Training with separate genes for each optimizer: conditions, logarithmic scales, interactions."""
    rate, batch = math.log10(x["rate"]), math.log2(x["batch"])
    if x["optimizer"] == "sgd":
        best, base = -1.0 + math.log10(1.02 - x["momentum"]) + 0.1 * (batch - 6), 0.03
    elif x["optimizer"] == "adam":
        best, base = -2.7 + 0.1 * (batch - 6), 0.004 * (math.log10(1 - x["beta"]) + 1.2) ** 2
    else:
        best, base = -2.9, 0.02 + 0.1 * (math.log10(x["decay"]) + 3) ** 2 / 9
    depth, width = x["layers"], math.log2(x["units"])
    fit = 0.3 * math.exp(-0.5 * (depth * 0.8 + width - 4)) + 0.002 * max(0.0, depth * width - 18) * (1 - x["dropout"])
    return 0.2 + fit + 0.3 * (x["dropout"] - 0.12) ** 2 + base + 0.5 * math.tanh(0.3 * (rate - best) ** 2)


def ellipsoid(x: Values) -> float:
    """Ten numbers in a rotated ellipsoid with different axes."""
    z = np.array([x[f"x{k}"] for k in range(10)]) - np.linspace(0.2, 0.75, 10)
    turned = z + 0.5 * np.roll(z, 3) - 0.3 * np.roll(z, -2)
    return float(np.sqrt((np.logspace(0, 1.5, 10) * turned**2).sum()))


def _cube(count: int, low: float = 0.0, high: float = 1.0) -> dict[str, Any]:
    return {f"x{k}": Range(low, high) for k in range(count)}


FUNCTIONS: Mapping[str, Function] = {
    "branin": Function(
        HyperparameterSpace({"a": Range(-5.0, 10.0), "b": Range(0.0, 15.0), "tilt": ["flat", "left", "right"]}),
        branin,
        0.397887,
    ),
    "hartmann": Function(HyperparameterSpace(_cube(6)), hartmann, -3.32237),
    "ackley": Function(
        HyperparameterSpace(
            {
                "a": Range(-5.0, 5.0),
                "b": Range(-5.0, 5.0),
                "c": Range(-5.0, 5.0),
                "m": Range(-10, 10),
                "n": Range(-10, 10),
            }
        ),
        ackley,
    ),
    "rosenbrock": Function(HyperparameterSpace(_cube(4, -2.0, 2.0)), rosenbrock),
    "rastrigin": Function(
        HyperparameterSpace(
            {
                "a": Range(-5.12, 5.12),
                "b": Range(-5.12, 5.12),
                "m": Range(-5, 5),
                "n": Range(-5, 5),
                "colour": ["red", "green", "blue"],
            }
        ),
        rastrigin,
    ),
    "styblinski": Function(HyperparameterSpace(_cube(5, -5.0, 5.0)), styblinski, -39.16616570377142 * 2.85),
    "training": Function(
        HyperparameterSpace(
            {
                "rate": Range(1e-5, 1.0, log=True),
                "batch": [16, 32, 64, 128, 256, 512],
                "units": Range(8, 512, log=True),
                "layers": Range(1, 6),
                "optimizer": ["sgd", "adam", "rmsprop"],
                "activation": ["relu", "tanh", "gelu"],
                "decay": Range(1e-6, 1e-1, log=True),
            }
        ),
        training,
        math.nan,
    ),
    "conditional": Function(
        HyperparameterSpace(
            {
                "method": ["svm", "forest", "boosting"],
                "c": Gene(Range(1e-3, 1e3, log=True), when={"method": "svm"}),
                "gamma": Gene(Range(1e-5, 1e1, log=True), when={"method": "svm"}),
                "depth": Gene(Range(1, 20), when={"method": "forest"}),
                "share": Gene(Range(0.05, 1.0), when={"method": "forest"}),
                "leaf": Gene(Range(1, 10), when={"method": "forest"}),
                "boost_rate": Gene(Range(1e-3, 1.0, log=True), when={"method": "boosting"}),
                "rounds": Gene(Range(10, 1000, log=True), when={"method": "boosting"}),
                "boost_depth": Gene(Range(1, 12), when={"method": "boosting"}),
            }
        ),
        conditional,
        math.nan,
    ),
    "many": Function(
        HyperparameterSpace({**_cube(19), "kind": ["a", "b", "c", "d"]}),
        many,
    ),
}

#: Functions used for tuning `evolution`, disjoint from those by which it is judged.
TUNING: Mapping[str, Function] = {
    "hartmann3": Function(
        HyperparameterSpace({**_cube(3), "kind": ["x", "y", "z"], "m": Range(1, 20)}), hartmann3, -3.86278
    ),
    "levy": Function(
        HyperparameterSpace(
            {"a": Range(-10.0, 10.0), "b": Range(-10.0, 10.0), "c": Range(-10.0, 10.0), "m": Range(-10, 10)}
        ),
        levy,
    ),
    "shekel": Function(HyperparameterSpace(_cube(4, 0.0, 10.0)), shekel, math.nan),
    "optimizers": Function(
        HyperparameterSpace(
            {
                "rate": Range(1e-5, 1.0, log=True),
                "batch": [16, 32, 64, 128, 256],
                "layers": Range(1, 5),
                "units": Range(8, 256, log=True),
                "dropout": Range(0.0, 0.5),
                "optimizer": ["sgd", "adam", "rmsprop"],
                "momentum": Gene(Range(0.0, 0.99), when={"optimizer": "sgd"}),
                "beta": Gene(Range(0.5, 0.999), when={"optimizer": "adam"}),
                "decay": Gene(Range(1e-5, 1e-1, log=True), when={"optimizer": "rmsprop"}),
            }
        ),
        optimizers,
        math.nan,
    ),
    "ellipsoid": Function(HyperparameterSpace(_cube(10)), ellipsoid),
    "response": Function(
        HyperparameterSpace(
            {
                "rate": Range(1e-5, 1e-1, log=True),
                "width": Range(8, 512, log=True),
                "depth": Range(1, 6),
                "dropout": Range(0.0, 0.6),
                "l2": Range(1e-7, 1e-2, log=True),
                "batch": Range(16, 512, log=True),
                "momentum": Range(0.0, 0.99),
            }
        ),
        response,
        math.nan,
    ),
    "steep_response": Function(
        HyperparameterSpace(
            {
                "rate": Range(1e-6, 1.0, log=True),
                "width": Range(16.0, 1024.0, log=True),
                "depth": Range(1.0, 5.0),
                "dropout": Range(0.0, 0.5),
                "l2": Range(1e-8, 1e-1, log=True),
                "batch": Range(16.0, 512.0, log=True),
                "momentum": Range(0.0, 0.99),
            }
        ),
        steep_response,
        math.nan,
    ),
}
