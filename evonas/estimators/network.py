"""`FittedNetwork`: a trained dense network as a plain value, which predicts in numpy. Imports no Keras.

In float64: what a row is predicted depends on the rows beside it in the last digits only. The Keras model of the same
weights, in float32, agrees to its precision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding import Preparation
from evonas.data.prepared import Problem
from evonas.evaluation import Weights
from evonas.scoring import predictions
from genomes.architecture import graph_from_json

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FittedNetwork"]

Array = NDArray[np.float64]

#: Rows predicted at a time: bounds memory, not results.
_CHUNK_ROWS = 8192
#: As Keras's layers have it.
_EPSILON = 1e-3
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """A network, its weights, and the way from raw rows to its input and from its output to predictions.

    Attributes:
        architecture: the graph, as JSON values.
        weights: by name, as `evonas.evaluation.Weights`.
        problem: what is predicted.
        preparation: from raw rows to features.
    """

    architecture: Mapping[str, Any]
    weights: Weights
    problem: Problem
    preparation: Preparation

    def predictions(self, rows: pd.DataFrame) -> Array:
        """As `evonas.scoring.predictions`: `(num_samples, num_outputs)`, or of classes `(num_samples, num_classes)`.

        Args:
            rows: raw, shape `(num_samples, num_columns)`.
        """
        features = self.preparation.apply(rows).astype(np.float64)
        parts = [self._raw(features[k : k + _CHUNK_ROWS]) for k in range(0, len(features), _CHUNK_ROWS)]
        return predictions(self.problem, np.concatenate(parts))

    def model(self, classes: tuple[str, ...] = (), label_type: str = "") -> Any:
        """The `keras.Model` from raw columns, as `SearchResult.best_model` gives it. Imports Keras.

        Args:
            classes: labels that it gives, in the order of the outputs; those of the problem if empty.
            label_type: of these, as in `Problem`.
        """
        from evonas.training.model import build_model, deployable, set_weights

        graph = graph_from_json(self.architecture)
        network = build_model(graph, self.problem.num_features, self.problem.num_outputs)
        set_weights(network, self.weights)
        problem = replace(self.problem, classes=classes, label_type=label_type) if classes else self.problem
        return deployable(network, problem, self.preparation)

    def _raw(self, features: Array) -> Array:
        """Raw outputs, shape `(num_samples, num_outputs)`."""
        graph = graph_from_json(self.architecture)
        last = graph.number_of_nodes() - 1
        held: dict[int, Array] = {0: features}
        for node in range(1, last + 1):
            name = "output" if node == last else f"layer_{node}"
            values = {
                key.partition("/")[2]: np.asarray(value, np.float64)
                for key, value in self.weights.items()
                if key.partition("/")[0] == name
            }
            sources = np.concatenate([held[source] for source in sorted(graph.predecessors(node))], axis=1)
            h = sources @ values["kernel"] + values.get("bias", 0.0)
            if node < last:
                h = _normalised(h, graph.nodes[node]["normalization"], values)
                h = _ACTIVATIONS[graph.nodes[node]["activation"]](h)
            held[node] = h
        return held[last]


def _normalised(h: Array, kind: str, values: Mapping[str, Array]) -> Array:
    if kind == "none":
        return h
    if kind == "batch":
        mean, variance = values["moving_mean"], values["moving_variance"]
    else:
        mean, variance = h.mean(axis=1, keepdims=True), h.var(axis=1, keepdims=True)
    return (h - mean) / np.sqrt(variance + _EPSILON) * values["gamma"] + values["beta"]


def _gelu(z: Array) -> Array:
    from scipy.special import erf

    return np.asarray(0.5 * z * (1.0 + erf(z / np.sqrt(2.0))))


def _elu(z: Array) -> Array:
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0)))


def _sigmoid(z: Array) -> Array:
    e = np.exp(-np.abs(z))
    return np.where(z > 0, 1.0, e) / (1.0 + e)


_ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    "relu": lambda z: np.maximum(z, 0.0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.2 * z),
    "elu": _elu,
    "selu": lambda z: _SELU_SCALE * np.where(z > 0, z, _SELU_ALPHA * _elu(z)),
    "gelu": _gelu,
    "silu": lambda z: z * _sigmoid(z),
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "linear": lambda z: z,
}
