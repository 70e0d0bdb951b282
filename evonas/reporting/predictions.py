"""Predictions of held-out rows by what a run ends with. Imports no Keras.

For networks of dense layers, whose forward pass is numpy's; user-defined models take Keras and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.inputs import num_rows
from evonas.data.kernel_regression import MOST_CENTRES
from evonas.data.neighbours import marks_of
from evonas.data.prepared import PreparedData, Problem
from evonas.data.quantiles import point_place
from evonas.metrics import scores as scoring
from evonas.networks.combined import CombinedNetwork
from evonas.reporting.rundata import RunData
from evonas.runs.reader import DATA_NAME, RunReader
from genomes.architecture.graph import views_of
from genomes.errors import InputError

__all__ = [
    "BEST",
    "Predictions",
    "constant_scores",
    "load_data",
    "neighbours_seconds",
    "predict_best",
    "predict_held_out",
]
__all__ += ["spread_rows"]

#: What predicts, where that is a single network.
BEST = "the best network"
#: Most rows that are predicted, and of those permuted; bytes of prepared data over which a report leaves them alone.
_MOST_ROWS, _PERMUTED_ROWS, _LARGEST = 20_000, 2_000, 400 << 20
#: Seconds that one row's distance to one training row takes, and what is made of it.
_NEIGHBOUR_SECONDS = 6e-9


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model predicts of the test rows, or of the validation rows if there are none.

    Attributes:
        model: what predicts, in words: "the final model (mean of ...)", or `BEST`.
        split: "test" or "validation".
        network: that predicts.
        features: its input, shape `(num_rows, num_features)`.
        coded: the target, coded as in `evonas.data.prepared.Split`.
        raw: standardised predictions or logits, shape `(num_rows, num_outputs)`.
        total: rows of the split; more than those predicted where it is large.
    """

    model: str
    split: str
    network: CombinedNetwork
    features: NDArray[Any]
    coded: NDArray[Any]
    raw: NDArray[Any]
    total: int

    @property
    def problem(self) -> Problem:
        """What is predicted, with the features that the network sees."""
        return self.network.problem

    @property
    def predicted(self) -> NDArray[np.float64]:
        """In the target's units `(num_rows, num_outputs)`, or probabilities of each class `(num_rows, num_classes)`."""
        return scoring.predictions(self.problem, self.raw)

    @property
    def point(self) -> NDArray[np.float64]:
        """`predicted`; where that is quantiles, the median alone, shape `(num_rows, 1)`."""
        if not self.problem.quantiles:
            return self.predicted
        place = point_place(self.problem)
        return self.predicted[:, place : place + 1]

    @property
    def true(self) -> NDArray[Any]:
        """In the target's units `(num_rows, num_outputs)`, or numbers of classes `(num_rows,)`."""
        if self.problem.task != "regression":
            return np.asarray(self.coded).reshape(-1).astype(np.intp)
        coded = np.asarray(self.coded, np.float64).reshape(len(self.coded), -1)
        return np.asarray(coded * np.array(self.problem.target_std) + np.array(self.problem.target_mean))

    def scores(self, features: NDArray[Any] | None = None) -> dict[str, float]:
        """Scores of these rows, or of other features of the same rows."""
        from evonas.metrics.problem_scores import compute_scores

        raw = self.raw if features is None else self.network.raw_outputs(features)
        return compute_scores(self.problem, self.coded, raw)


def load_data(run: RunData) -> PreparedData | None:
    """The prepared data of a run; None if it has none, or more than a report should load."""
    path = run.directory / DATA_NAME
    if not run.problem or not path.is_file() or path.stat().st_size > _LARGEST:
        return None
    return PreparedData.load(path)


def predict_held_out(run: RunData, data: PreparedData | None) -> Predictions | None:
    """What is exported predicts: the final model, or the best network where that is it.

    Of the best network, too, where the final model has learned from all rows that are held out. None if predictions
    take Keras, or weights or data were not kept.
    """
    final = run.final_model
    if final is None or data is None or (data.y_test is None and final.sees_validation):
        return predict_best(run, data)
    from evonas.deploy.final_model import final_network

    try:
        with RunReader(run.directory) as reader:
            network = final_network(reader, final, data)
    except InputError:  # a search that continues may have dropped a file meanwhile
        return predict_best(run, data)
    return _predict(f"the final model ({final.note})", network, data)


def predict_best(run: RunData, data: PreparedData | None) -> Predictions | None:
    """What the best network predicts; None if that takes Keras, or its weights or data were not kept."""
    if run.champion is None or data is None:
        return None
    if not hasattr(run.space, "architecture") or data.problem.input_shapes:
        return None
    if data.y_test is None and data.refits:
        return None  # its weights have seen all rows
    from evonas.deploy.final_model import best_network

    try:
        with RunReader(run.directory) as reader:
            network = best_network(reader, run.champion, data)
    except InputError:
        return None
    return _predict(BEST, network, data)


def _predict(model: str, network: CombinedNetwork, data: PreparedData) -> Predictions | None:
    has_test = data.x_test is not None and data.y_test is not None
    x = data.x_test if has_test else data.splits[0].x_validation
    y = np.asarray(data.y_test if has_test else data.splits[0].y_validation)
    total = num_rows(x) if x is not None else 0
    chosen = spread_rows(total, _MOST_ROWS)
    features = data.new_rows(np.asarray(x)[chosen], *network.views)
    try:
        raw = network.raw_outputs(features)
    except (KeyError, ValueError):
        return None  # weights of something else than this network
    if not len(chosen) or not np.isfinite(raw).all():
        return None
    return Predictions(model, "test" if has_test else "validation", network, features, y[chosen], raw, total)


def neighbours_seconds(run: RunData) -> float:
    """Seconds that predictions take for finding the neighbours of the held-out rows; 0 where networks have none."""
    if run.champion is None or not hasattr(run.space, "architecture"):
        return 0.0
    members = [run.champion] if run.final_model is None else run.final_model.members
    genomes = [run.space.genome_from_json(each.genome) for each in members]
    marks = len(marks_of(view for genome in genomes for view in views_of(run.space.architecture(genome))))
    data = load_data(run) if marks else None
    if data is None:
        return 0.0
    split = data.splits[0]
    rows = min(len(split.y_validation if data.y_test is None else data.y_test), _MOST_ROWS) + _PERMUTED_ROWS
    return _NEIGHBOUR_SECONDS * marks * rows * min(len(split.y_train), MOST_CENTRES)


def constant_scores(data: PreparedData) -> dict[str, float]:
    """Test scores, or validation scores, of predicting the training rows' mean, or their share of each class."""
    problem, split = data.problem, data.splits[0]
    outputs = scoring.constant_outputs(problem, split.y_train)
    y = np.asarray(split.y_validation if data.y_test is None else data.y_test)
    return scoring.compute_scores(problem, y, np.tile(outputs, (len(y), 1)))


def spread_rows(count: int, most: int) -> NDArray[np.intp]:
    """At most `most` evenly spaced positions below `count`."""
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).round().astype(np.intp)
