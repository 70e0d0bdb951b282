"""The measured work: California housing and populations of dense networks. Imports no Keras."""

from __future__ import annotations

import csv
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import PreparedData, Problem, Split
from genomes.dense.genome import DenseGenome, Layer, Training

__all__ = [
    "SAMPLING",
    "Rows",
    "chain",
    "mixed",
    "one_split",
    "sample",
    "textbook",
    "textbook_folds",
    "weights",
    "wide",
]

Array = NDArray[np.float32]

FEATURES = (
    "median_income",
    "housing_median_age",
    "rooms_per_household",
    "bedrooms_per_household",
    "population",
    "population_per_household",
    "latitude",
    "longitude",
)
_SYNTHETIC_ROWS = 20_433
_ACTIVATIONS = ("relu", "elu", "gelu", "silu", "tanh")


@dataclass(frozen=True, eq=False)
class Rows:
    """The textbook's features, standardised by the training split, and the target in 100,000 dollars.

    Attributes:
        x_train, x_validation, x_test: `(num_samples, 8)`.
        y_train, y_validation, y_test: `(num_samples, 1)`.
        source: origin of the rows, for the report.
    """

    x_train: Array
    y_train: Array
    x_validation: Array
    y_validation: Array
    x_test: Array
    y_test: Array
    source: str

    @classmethod
    def load(cls, path: Path | None) -> Rows:
        """California housing from its raw columns; synthetic rows of the same shape without a file."""
        if path is None:
            return cls._split(*_synthetic(), "synthetic, in the shape of California housing, since its file is missing")
        return cls._split(*_california(path), f"California housing ({path.name})")

    @classmethod
    def _split(cls, x: NDArray[np.float64], y: NDArray[np.float64], source: str) -> Rows:
        order = np.random.RandomState(42).permutation(len(x))
        num_test = len(order) // 4
        test, rest = order[:num_test], order[num_test:]
        validation, train = rest[: len(rest) // 4], rest[len(rest) // 4 :]
        x = (x - x[train].mean(axis=0)) / x[train].std(axis=0)
        parts = [values[part].astype(np.float32) for part in (train, validation, test) for values in (x, y[:, None])]
        return cls(*parts, source)


def _california(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    with path.open(newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["total_bedrooms"]]
    column = {name: np.array([float(line[name]) for line in lines]) for name in lines[0] if name != "ocean_proximity"}
    households = column["households"]
    columns = (
        column["median_income"],
        column["housing_median_age"],
        column["total_rooms"] / households,
        column["total_bedrooms"] / households,
        column["population"],
        column["population"] / households,
        column["latitude"],
        column["longitude"],
    )
    return np.stack(columns, axis=1), column["median_house_value"] / 1e5


def _synthetic() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(_SYNTHETIC_ROWS, len(FEATURES)))
    wave = np.sin(x @ rng.normal(size=(len(FEATURES), 4))).sum(axis=1)
    return x, 2.0 + 0.5 * wave + 0.5 * x[:, 0] + 0.3 * rng.normal(size=len(x))


def one_split(rows: Rows) -> PreparedData:
    """Training and validation split, the target standardised."""
    mean, std = float(rows.y_train.mean()), float(rows.y_train.std())
    y_train, y_validation = (rows.y_train - mean) / std, (rows.y_validation - mean) / std
    split = Split(rows.x_train, y_train, rows.x_validation, y_validation)
    return PreparedData(_problem(mean, std), (split,))


def textbook_folds(rows: Rows, count: int = 3) -> PreparedData:
    """Consecutive folds of the training split, as in scikit-learn, without standardising the target."""
    splits = []
    for held_out in np.array_split(np.arange(len(rows.x_train)), count):
        kept = np.setdiff1d(np.arange(len(rows.x_train)), held_out)
        splits.append(Split(rows.x_train[kept], rows.y_train[kept], rows.x_train[held_out], rows.y_train[held_out]))
    return PreparedData(_problem(0.0, 1.0), tuple(splits))


def _problem(mean: float, std: float) -> Problem:
    return Problem("regression", len(FEATURES), 1, (mean,), (std,), (), FEATURES, ("median_house_value",))


def chain(
    widths: list[int], activation: str = "relu", optimizer: str = "adam", rate: float = 1e-3, batch_size: int = 32
) -> DenseGenome:
    """A chain of dense layers."""
    layers = tuple(Layer(units, activation, (index,)) for index, units in enumerate(widths))
    training = Training(optimizer=optimizer, learning_rate=rate, batch_size=batch_size)
    return DenseGenome(layers, (len(layers),), training=training)


def mixed(count: int) -> list[DenseGenome]:
    """Depth 1-4, 8-128 units per layer (log-uniform), five activations, Adam and SGD, batch 32.

    A larger population starts with the networks of a smaller one. With these rates (log-uniform 3e-4..1e-2), training
    rarely diverges, which would cost less than the peer's training.
    """
    rng = np.random.default_rng(7)
    return [
        chain(
            _log_uniform_widths(rng, int(rng.integers(1, 5)), 8, 128),
            str(rng.choice(_ACTIVATIONS)),
            str(rng.choice(("adam", "sgd"))),
            _log_uniform(rng, 3e-4, 1e-2),
        )
        for _ in range(count)
    ]


def wide(count: int) -> list[DenseGenome]:
    """Depth 2-3, 128-512 units per layer (log-uniform), relu, Adam, batch 128."""
    rng = np.random.default_rng(11)
    return [
        chain(
            _log_uniform_widths(rng, int(rng.integers(2, 4)), 128, 512),
            rate=_log_uniform(rng, 1e-4, 1e-3),
            batch_size=128,
        )
        for _ in range(count)
    ]


def textbook(count: int) -> list[DenseGenome]:
    """The textbook's space: 0-3 hidden layers, all of 1-99 relu units; SGD, rate log-uniform 3e-4..3e-2, batch 32."""
    rng = np.random.default_rng(42)
    return [
        chain(
            [int(rng.integers(1, 100))] * int(rng.integers(0, 4)), optimizer="sgd", rate=_log_uniform(rng, 3e-4, 3e-2)
        )
        for _ in range(count)
    ]


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _log_uniform_widths(rng: np.random.Generator, depth: int, low: int, high: int) -> list[int]:
    return [round(_log_uniform(rng, low, high)) for _ in range(depth)]


def weights(network: DenseGenome) -> int:
    """Number of weights of a chain without biases."""
    widths = [len(FEATURES), *(layer.units for layer in network.layers), 1]
    return sum(a * b for a, b in itertools.pairwise(widths))


SAMPLING = "systematic: networks in order of depth, then of weights; the middle one of each of n equal parts"


def sample(networks: list[DenseGenome], count: int) -> list[DenseGenome]:
    """`count` representative networks; see `SAMPLING`."""
    ordered = sorted(networks, key=lambda network: (len(network.layers), weights(network)))
    count = min(count, len(ordered))
    return [ordered[(2 * k + 1) * len(ordered) // (2 * count)] for k in range(count)]
