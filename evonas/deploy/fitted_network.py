"""`FittedNetwork`: a trained network as a plain value, which predicts with numpy. Does not import Keras.

Predictions are computed in float64 and agree with the Keras model of the same weights up to float32 precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding.preprocessor import Preparation
from evonas.data.prepared import PreparedData, Problem
from evonas.evaluation import Weights
from evonas.metrics.scores import predictions
from evonas.networks.forward import raw_outputs
from genomes.architecture.graph import graph_from_json, views_of
from genomes.encodings import blueprint

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FittedNetwork"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """A network with its weights, preprocessing, and conversion of outputs to predictions.

    Attributes:
        architecture: architecture graph as JSON values.
        weights: weights by name, as `evonas.evaluation.Weights`.
        problem: description of the task.
        preparation: conversion of raw rows to features.
        temperature: divisor of the logits; 1 without calibration.
    """

    architecture: Mapping[str, Any]
    weights: Weights
    problem: Problem
    preparation: Preparation
    temperature: float = 1.0

    @classmethod
    def from_genome(
        cls, space: Any, genome: Any, weights: Weights, data: PreparedData, temperature: float = 1.0
    ) -> FittedNetwork:
        """The network of a genome that was trained on data that evonas encoded.

        Args:
            space: the space of the genome.
            genome: the network.
            weights: its trained weights.
            data: the data that it was trained on.
            temperature: divisor of the logits.
        """
        views = views_of(space.architecture(genome))
        preparation = data.preparation_of(*views)
        assert preparation is not None
        return cls(blueprint(space, genome), weights, data.problem.for_views(*views), preparation, temperature)

    def predictions(self, rows: pd.DataFrame) -> Array:
        """Predictions as in `metrics.scores.predictions`: `(num_samples, num_outputs)`, or class probabilities
        `(num_samples, num_classes)`.

        Args:
            rows: raw rows, shape `(num_samples, num_columns)`.
        """
        features = self.preparation.apply(rows)
        raw = raw_outputs(
            self.problem.attach_columns(graph_from_json(self.architecture)), self.weights, features, np.float64
        )
        return predictions(self.problem, raw / self.temperature)

    def model(self, classes: tuple[str, ...] = (), label_type: str = "") -> Any:
        """The `keras.Model` on raw columns, like `SearchResult.best_model`. Imports Keras.

        Args:
            classes: labels that it returns, in the order of the outputs; those of the problem if empty.
            label_type: type of these labels, as in `Problem`.
        """
        from evonas.training.export.deployable import deployable_network

        graph = self.problem.attach_columns(graph_from_json(self.architecture))
        problem = replace(self.problem, classes=classes, label_type=label_type) if classes else self.problem
        return deployable_network(graph, self.weights, problem, self.preparation, self.temperature)
