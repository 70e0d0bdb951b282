"""Scores of weights on the test split. Without Keras, unless the model is user-defined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from evonas.data.prepared import PreparedData
from evonas.evaluation import Weights
from evonas.metrics.problem_scores import compute_scores
from evonas.networks.forward import raw_outputs
from genomes.architecture.graph import graph_from_json, views_of

__all__ = ["test_scores"]


def test_scores(
    architecture: Mapping[str, Any], weights: Weights, data: PreparedData, build: Callable[..., Any] | None
) -> dict[str, float]:
    """Scores of the weights on the test split; empty if there is none.

    Args:
        architecture: the graph, or the genes of a user's model, as JSON values.
        weights: by name.
        data: with the test split.
        build: the user's function, if the model is user-defined.
    """
    if data.x_test is None or data.y_test is None:
        return {}
    if build is not None:
        from evonas.training.export.user_model import own_outputs

        return compute_scores(
            data.problem, data.y_test, own_outputs(build, architecture, weights, data.problem, data.x_test)
        )
    graph = data.problem.attach_columns(graph_from_json(architecture))
    rows = data.new_rows(data.x_test, *views_of(graph))
    return compute_scores(data.problem, data.y_test, raw_outputs(graph, weights, rows))
