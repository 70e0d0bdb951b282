"""Predictions of the champion on held-out rows, and permutation importance of columns. Imports no Keras.

For networks of dense layers, whose forward pass is numpy's; user-defined models take Keras and are left out.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding.samples import SamplePreparation
from evonas.data.encoding.series import SeriesPreparation
from evonas.data.inputs import num_rows
from evonas.data.kernel_regression import MOST_CENTRES
from evonas.data.neighbours import NeighbourFeatures, marks_of, with_estimates
from evonas.data.prepared import PreparedData, Problem
from evonas.data.quantiles import point_place
from evonas.metrics import scores as scoring
from evonas.reporting.rundata import RunData
from evonas.runs.reader import DATA_NAME
from evonas.seeds import RandomStream, stream_rng
from genomes.architecture.graph import graph_from_json, views_of
from genomes.encodings import blueprint

__all__ = ["Predictions", "constant_scores", "load_data", "permutation_importance", "predict_held_out"]

#: Most rows that are predicted, and that are permuted; bytes of prepared data over which a report leaves them alone.
_MOST_ROWS, _PERMUTED_ROWS, _LARGEST = 20_000, 2_000, 400 << 20
#: Seconds that one row's distance to one training row takes, and what is made of it.
_NEIGHBOUR_SECONDS = 6e-9


@dataclass(frozen=True, eq=False)
class Predictions:
    """The champion's predictions of the test rows, or of the validation rows if there are none.

    Attributes:
        split: "test" or "validation".
        problem: what is predicted, as the champion's network sees it.
        graph, weights: the network.
        features: its input, shape `(num_rows, num_features)`.
        coded: the target, coded as in `evonas.data.prepared.Split`.
        raw: standardised predictions or logits, shape `(num_rows, num_outputs)`.
        total: rows of the split; more than those predicted where it is large.
    """

    split: str
    problem: Problem
    graph: Any
    weights: Mapping[str, NDArray[Any]]
    features: NDArray[Any]
    coded: NDArray[Any]
    raw: NDArray[Any]
    total: int

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
        from evonas.networks.forward import raw_outputs

        raw = self.raw if features is None else raw_outputs(self.graph, self.weights, features)
        return compute_scores(self.problem, self.coded, raw)


def load_data(run: RunData) -> PreparedData | None:
    """The prepared data of a run; None if it has none, or more than a report should load."""
    path = run.directory / DATA_NAME
    if not run.problem or not path.is_file() or path.stat().st_size > _LARGEST:
        return None
    return PreparedData.load(path)


def predict_held_out(run: RunData, data: PreparedData | None) -> Predictions | None:
    """The champion's predictions; None if they take Keras, or its weights or data were not kept."""
    from evonas.networks.forward import raw_outputs

    if run.champion is None or run.weights is None or data is None:
        return None
    if not hasattr(run.space, "architecture") or data.problem.input_shapes:
        return None
    architecture = blueprint(run.space, run.space.genome_from_json(run.champion.genome))
    graph = data.problem.attach_columns(graph_from_json(architecture))
    views = views_of(graph)
    has_test = data.x_test is not None and data.y_test is not None
    if not has_test and data.refits:
        return None  # its weights have seen all rows
    x = data.x_test if has_test else data.splits[0].x_validation
    y = np.asarray(data.y_test if has_test else data.splits[0].y_validation)
    total = num_rows(x) if x is not None else 0
    chosen = _spread(total, _MOST_ROWS)
    features = data.new_rows(np.asarray(x)[chosen], *views)
    try:
        raw = raw_outputs(graph, run.weights, features)
    except (KeyError, ValueError):
        return None  # weights of something else than this network
    if not len(chosen) or not np.isfinite(raw).all():
        return None
    split = "test" if has_test else "validation"
    return Predictions(split, data.problem.for_views(*views), graph, run.weights, features, y[chosen], raw, total)


def neighbours_seconds(run: RunData) -> float:
    """Seconds that predictions take for finding the neighbours of the held-out rows; 0 if the champion has none."""
    if run.champion is None or not hasattr(run.space, "architecture"):
        return 0.0
    architecture = blueprint(run.space, run.space.genome_from_json(run.champion.genome))
    marks = len(marks_of(views_of(graph_from_json(architecture))))
    data = load_data(run) if marks else None
    if data is None:
        return 0.0
    split = data.splits[0]
    rows = min(len(split.y_validation if data.y_test is None else data.y_test), _MOST_ROWS) + _PERMUTED_ROWS
    return _NEIGHBOUR_SECONDS * marks * rows * min(len(split.y_train), MOST_CENTRES)


def permutation_importance(
    run: RunData, data: PreparedData, found: Predictions, repeats: int = 3, seconds: float = 2.0
) -> dict[str, tuple[float, float]]:
    """Raw column -> by how much the objective is worse with that column shuffled: mean and spread over repeats.

    All features that a column gives are shuffled together. The most important column comes first.

    Args:
        run: the search.
        data: its prepared data.
        found: what is predicted unshuffled; at most 2,000 of its rows are taken.
        repeats: shuffles of each column.
        seconds: after which no repeat is begun.

    Source: Breiman, "Random Forests", Machine Learning 2001.
    """
    from dataclasses import replace

    chosen = _spread(len(found.features), _PERMUTED_ROWS)
    part = replace(found, features=found.features[chosen], coded=found.coded[chosen], raw=found.raw[chosen])
    name, loss = run.objective.name, run.objective.loss
    whole, rng, began = loss(part.scores().get(name)), stream_rng(RandomStream.PERMUTED_COLUMNS, 0), time.monotonic()
    columns = _features_of_columns(data, found.problem)
    marks, features = marks_of(found.problem.views), NeighbourFeatures(data)
    regressions, count = [features.regression(mark) for mark in marks], found.problem.num_features
    count -= len(marks) * found.problem.num_outputs
    worse: dict[str, list[float]] = {column: [] for column in columns}
    for _ in range(repeats):
        for column, places in columns.items():
            shuffled = part.features.copy()
            shuffled[:, places] = part.features[rng.permutation(len(part.features))][:, places]
            if any(column in each.columns for each in regressions):
                shuffled = with_estimates(shuffled[:, :count], shuffled, found.problem, regressions)
            worse[column].append(loss(part.scores(shuffled).get(name)) - whole)
        if time.monotonic() - began > seconds:
            break
    means = {column: (float(np.mean(each)), float(np.std(each))) for column, each in worse.items()}
    return dict(sorted(means.items(), key=lambda item: -item[1][0]))


def constant_scores(data: PreparedData) -> dict[str, float]:
    """Test scores, or validation scores, of predicting the training rows' mean, or their share of each class."""
    problem, split = data.problem, data.splits[0]
    outputs = scoring.constant_outputs(problem, split.y_train)
    y = np.asarray(split.y_validation if data.y_test is None else data.y_test)
    return scoring.compute_scores(problem, y, np.tile(outputs, (len(y), 1)))


def _spread(count: int, most: int) -> NDArray[np.intp]:
    """At most `most` evenly spaced positions below `count`."""
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).round().astype(np.intp)


def _features_of_columns(data: PreparedData, problem: Problem) -> dict[str, list[int]]:
    """Raw column -> positions of its features in the network's input."""
    if data.preparation is None:
        names = problem.feature_names or tuple(f"feature {place}" for place in range(problem.num_features))
        return {name: [place] for place, name in enumerate(names)}
    if isinstance(data.preparation, SamplePreparation):
        return _features_of_channels(data.preparation)
    views = {view for view in problem.views if view != "standard"}
    found: dict[str, list[int]] = {}
    place = 0
    for step in data.preparation.for_views(views).steps:
        width = len(step.names())
        found.setdefault(step.column, []).extend(range(place, place + width))
        place += width
    return found


def _features_of_channels(preparation: SamplePreparation) -> dict[str, list[int]]:
    """Channel of a series -> positions of its features; empty for images and texts."""
    if not isinstance(preparation, SeriesPreparation) or preparation.shape[1] < 2:
        return {}
    steps, width = preparation.sample_shape
    names = preparation.names or tuple(f"channel {index}" for index in range(1, preparation.shape[1] + 1))
    return {name: [step * width + index for step in range(steps)] for index, name in enumerate(names)}
