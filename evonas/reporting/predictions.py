"""Predictions of held-out rows by the final model of a run. Does not import Keras.

Only for networks with a forward pass in numpy; user-defined models, which require Keras, are left out.
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
from evonas.data.quantiles import point_prediction
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

#: Description of the model if it is a single network.
BEST = "the best network"
#: Maximum number of rows to predict, of rows to permute, and size in bytes of prepared data that a report loads.
_MOST_ROWS, _PERMUTED_ROWS, _LARGEST = 20_000, 2_000, 400 << 20
#: Seconds per pair of a row and a training row, for the distance and its use.
_NEIGHBOUR_SECONDS = 6e-9


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of a model for the test rows, or for the validation rows if there are no test rows.

    Attributes:
        model: description of the model: "the final model (mean of ...)", or `BEST`.
        split: "test" or "validation".
        network: network that predicts.
        features: input of the network, shape `(num_rows, num_features)`.
        coded: target, encoded as in `evonas.data.prepared.Split`.
        raw: standardised predictions or logits, shape `(num_rows, num_outputs)`.
        total: number of rows of the split, of which a large one is predicted only in part.
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
        """The problem, with the features that the network sees."""
        return self.network.problem

    @property
    def predicted(self) -> NDArray[np.float64]:
        """Predictions in the target's units, `(num_rows, num_outputs)`, or class probabilities `(num_rows,
        num_classes)`.
        """
        return scoring.predictions(self.problem, self.raw)

    @property
    def point(self) -> NDArray[np.float64]:
        """`predicted`, or only the median if these are quantiles, shape `(num_rows, 1)`."""
        if not self.problem.quantiles:
            return self.predicted
        return point_prediction(self.problem.quantiles, self.predicted)[:, None]

    @property
    def true(self) -> NDArray[Any]:
        """The target in its units, `(num_rows, num_outputs)`, or class indices `(num_rows,)`."""
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
    """The prepared data of a run; None if there are none, or they are too large for a report."""
    path = run.directory / DATA_NAME
    if not run.problem or not path.is_file() or path.stat().st_size > _LARGEST:
        return None
    return PreparedData.load(path)


def predict_held_out(run: RunData, data: PreparedData | None) -> Predictions | None:
    """Predictions of the exported model: the final model, which may be the best network.

    The best network is also used if the final model was trained on all held-out rows. None if predictions require
    Keras, or weights or data were not kept.
    """
    final = run.final_model
    if final is None or data is None or (data.y_test is None and final.sees_validation):
        return predict_best(run, data)
    from evonas.deploy.final_model import final_network

    try:
        with RunReader(run.directory) as reader:
            network = final_network(reader, final, data)
    except InputError:  # a running search may have deleted a file in the meantime
        return predict_best(run, data)
    return _predict(f"the final model ({final.note})", network, data)


def predict_best(run: RunData, data: PreparedData | None) -> Predictions | None:
    """Predictions of the best network; None if they require Keras, or its weights or data were not kept."""
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
        return None  # weights of a different network
    if not len(chosen) or not np.isfinite(raw).all():
        return None
    return Predictions(model, "test" if has_test else "validation", network, features, y[chosen], raw, total)


def neighbours_seconds(run: RunData) -> float:
    """Estimated seconds for computing neighbour features of the held-out rows; 0 for networks without such features."""
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
    """Test (or validation) scores of constantly predicting the mean or the class shares of the training rows."""
    problem, split = data.problem, data.splits[0]
    outputs = scoring.constant_outputs(problem, split.y_train)
    y = np.asarray(split.y_validation if data.y_test is None else data.y_test)
    return scoring.compute_scores(problem, y, np.tile(outputs, (len(y), 1)))


def spread_rows(count: int, most: int) -> NDArray[np.intp]:
    """At most `most` evenly spaced indices below `count`."""
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).round().astype(np.intp)
