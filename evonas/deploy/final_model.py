"""Predictions of a final model that is a mean of networks, computed with numpy. Imports no Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from evonas.data.prepared import PreparedData
from evonas.metrics.problem_scores import compute_scores
from evonas.networks.ensemble_selection import blend_outputs
from evonas.networks.forward import raw_outputs
from evonas.runs.final_model import FinalModel
from genomes.architecture.graph import graph_from_json, views_of
from genomes.encodings import blueprint, space_from_json

if TYPE_CHECKING:
    from evonas.runs.reader import RunReader

__all__ = ["mean_outputs", "score_final_model"]

#: Maps the view of the features that networks use to the rows in that view.
Rows = Callable[[tuple[str, ...]], NDArray[Any]]


def mean_outputs(
    run: RunReader, model: FinalModel, data: PreparedData, rows: Rows, gives_up: Callable[[], bool] = lambda: False
) -> NDArray[Any] | None:
    """Raw outputs of the mean prediction, shape `(num_rows, num_outputs)`.

    Args:
        run: that the model belongs to.
        model: the final model of the run.
        data: the prepared data of the run.
        rows: returns the rows of a view; called once per view.
        gives_up: called before each network; if it returns true, the result is None.
    """
    space = space_from_json(run.space_json)
    seen: dict[tuple[str, ...], NDArray[Any]] = {}
    outputs = []
    for record, name in zip(model.members, model.names, strict=True):
        if gives_up():
            return None
        graph = data.problem.attach_columns(graph_from_json(blueprint(space, space.genome_from_json(record.genome))))
        views = views_of(graph)
        if views not in seen:
            seen[views] = rows(views)
        outputs.append(raw_outputs(graph, run.weights_named(name), seen[views]))
    return blend_outputs(outputs, [1.0 / len(outputs)] * len(outputs), data.problem)


def score_final_model(
    run: RunReader, model: FinalModel, data: PreparedData, gives_up: Callable[[], bool] = lambda: False
) -> dict[str, float]:
    """Scores of the mean prediction on the test split; empty if there is none, or if `gives_up` returns true."""
    x, y = data.x_test, data.y_test
    if x is None or y is None:
        return {}
    raw = mean_outputs(run, model, data, lambda views: data.new_rows(x, *views), gives_up)
    return {} if raw is None else compute_scores(data.problem, y, raw)
