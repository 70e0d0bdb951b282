"""Which genes of a space are searched, by task, objective and trainer."""

from __future__ import annotations

from typing import Any

import pytest

from evonas.api.resolve import trainable
from evonas.config import Settings
from evonas.objective import Objective
from genomes import DenseSpace


def searched(
    task: str, metric: str, space: DenseSpace | None = None, **settings: Any
) -> tuple[Any, Any, tuple[str, ...]]:
    """Options of label smoothing and of scaling, and what is said."""
    options = {"trainer": "native", **settings}
    found, notes = trainable(
        space or DenseSpace(), Settings(**options).resolved(metric), Objective(metric, "max"), task
    )
    return found.domain("label_smoothing").options, found.domain("scaling").options, notes


def test_labels_are_smoothed_where_classes_are_scored() -> None:
    smoothing = DenseSpace().domain("label_smoothing").options
    for task in ("binary", "multiclass"):
        assert searched(task, "accuracy") == (smoothing, (False, True), ())
        assert searched(task, "log_loss") == ((0.0,), (False, True), ())
    assert searched("regression", "rmse") == ((0.0,), (False, True), ())


def test_a_value_that_a_space_fixes_stays_where_it_does_something() -> None:
    space = DenseSpace(label_smoothing=0.1)
    assert searched("binary", "log_loss", space)[0] == (0.1,)
    assert searched("regression", "rmse", space)[0] == (0.0,)


@pytest.mark.parametrize(("task", "metric", "count"), [("binary", "accuracy", 2), ("regression", "rmse", 1)])
def test_a_population_has_neither_and_says_so(task: str, metric: str, count: int) -> None:
    *options, notes = searched(task, metric, trainer="population")
    assert options == [(0.0,), (False,)]
    assert len(notes) == count
    assert "scaling is off" in notes[0]


def test_where_weights_evolve_nothing_is_said() -> None:
    assert searched("binary", "accuracy", strategy="neuroevolution") == ((0.0,), (False,), ())
