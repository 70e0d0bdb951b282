"""Surrogate functions of tables of real training runs: learning curves of any network of the space.

Strategies propose networks that are not in a table, so an ensemble of small multi-layer perceptrons is fitted to the
logarithm of the best loss up to each epoch. Perceptrons rather than a Gaussian process or trees, because they are as
smooth as training results, and no searcher makes the same assumptions. Their cross-validated accuracy is printed and
recorded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tables import DATASETS, EPOCHS, SPACE, TABLES, Table

from genomes import HyperparameterSpace

__all__ = ["GENES", "TableFunction", "table_functions"]

Array = NDArray[np.float64]

_FREE = ("layers", "units", "activation", "dropout", "optimizer", "learning_rate", "batch_size")
#: The space of the tables as a person would write it for a user-defined model.
GENES = HyperparameterSpace({name: SPACE.domain(name) for name in _FREE})
_MEMBERS = 5
_FOLDS = 5


@dataclass(frozen=True)
class TableFunction:
    """The loss of networks on one data set, by epoch.

    Attributes:
        layers: pairs of weights and biases of each perceptron.
        mean, deviation: mean and standard deviation of the predicted logarithms, shape `(EPOCHS,)`.
        r2: cross-validated R2 of the logarithm of the best loss of a full training run.
        noise: its standard deviation over seeds, relative to that over networks.
        rows: maximum number of rows used from the data set.
    """

    layers: tuple[tuple[tuple[Array, Array], ...], ...]
    mean: Array
    deviation: Array
    r2: float
    noise: float
    rows: int
    space: HyperparameterSpace = GENES
    least: float = float("nan")
    epochs: int = EPOCHS

    def curve(self, values: Mapping[str, Any]) -> list[float]:
        """The best loss up to each epoch."""
        features = self.space.features(self.space.from_values(values))[None]
        logs = np.mean([_forward(layers, features)[0] for layers in self.layers], axis=0)
        curve: list[float] = np.minimum.accumulate(np.exp(logs * self.deviation + self.mean)).tolist()
        return curve

    def value(self, values: Mapping[str, Any]) -> float:
        """The best loss of a full training run."""
        return self.curve(values)[-1]


def table_functions() -> dict[str, TableFunction]:
    """A function for each existing table; fitted once and stored beside the table."""
    return {name: _function(name) for name in DATASETS if (TABLES / f"{name}.npz").exists()}


def _function(name: str) -> TableFunction:
    path = TABLES / f"{name}.fit.npz"
    if not path.exists():
        _fit(name)
    with np.load(path, allow_pickle=False) as file:
        layers = tuple(
            tuple((file[f"{member}/{k}/w"], file[f"{member}/{k}/b"]) for k in range(3)) for member in range(_MEMBERS)
        )
        numbers = {key: file[key].item() for key in ("r2", "noise", "rows")}
        return TableFunction(layers, file["mean"], file["deviation"], **numbers)


def _fit(name: str) -> None:
    with np.load(TABLES / f"{name}.npz", allow_pickle=False) as file:
        genomes = [json.loads(str(text)) for text in file["genomes"]]
        rows = int(file["most_rows"]) if "most_rows" in file.files else -1
    curves = Table.load(name).curves
    x = np.array([GENES.features(GENES.from_values(_values(genome))) for genome in genomes])
    logs = _logs(curves[:, 0])
    again = np.isfinite(curves[:, 1, 0])
    spread = (_logs(curves[again, 1])[:, -1] - logs[again, -1]).std() / np.sqrt(2) / logs[:, -1].std()
    mean, deviation = logs.mean(axis=0), logs.std(axis=0)
    y = (logs - mean) / deviation
    folds = np.random.default_rng(0).permutation(len(x)) % _FOLDS
    predicted = np.empty(len(x))
    for fold in range(_FOLDS):
        members = [_member(x[folds != fold], y[folds != fold], seed) for seed in range(2)]
        predicted[folds == fold] = np.mean([_forward(layers, x[folds == fold])[:, -1] for layers in members], axis=0)
    r2 = 1 - ((predicted - y[:, -1]) ** 2).sum() / ((y[:, -1] - y[:, -1].mean()) ** 2).sum()
    print(f"{name}: {len(x)} networks, cross-validated R2 {r2:.3f}, spread over seeds {spread:.3f}", flush=True)
    arrays = {}
    for member in range(_MEMBERS):
        for k, (weights, bias) in enumerate(_member(x, y, member)):
            arrays[f"{member}/{k}/w"], arrays[f"{member}/{k}/b"] = weights, bias
    np.savez_compressed(
        TABLES / f"{name}.fit.npz", mean=mean, deviation=deviation, r2=r2, noise=spread, rows=rows, **arrays
    )


def _values(genome: Mapping[str, Any]) -> dict[str, Any]:
    """The free genes of a dense genome in the table's space."""
    values = SPACE.values(SPACE.genome_from_json(genome))
    return {name: values[name] for name in _FREE}


def _logs(curves: Array) -> Array:
    """Logarithm of the best loss up to each epoch; networks that diverge immediately count as the worst."""
    best = np.fmin.accumulate(curves, axis=1)
    worst = np.nanquantile(best[:, 0], 0.98)
    return np.log(np.minimum(np.where(np.isfinite(best), best, worst), worst))


def _member(x: Array, y: Array, seed: int) -> tuple[tuple[Array, Array], ...]:
    from sklearn.neural_network import MLPRegressor

    network = MLPRegressor(
        hidden_layer_sizes=(64, 64),
        activation="tanh",
        alpha=1e-3,
        learning_rate_init=3e-3,
        max_iter=400,
        random_state=seed,
    ).fit(x, y)
    return tuple(zip(network.coefs_, network.intercepts_, strict=True))


def _forward(layers: tuple[tuple[Array, Array], ...], x: Array) -> Array:
    for weights, bias in layers[:-1]:
        x = np.tanh(x @ weights + bias)
    return x @ layers[-1][0] + layers[-1][1]
