"""`evaluate_snapshot`: the evaluation of a training from its final state."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from evonas.data.prepared import Problem
from evonas.evaluation import Evaluation, Snapshot, Status
from evonas.metrics.problem_scores import compute_scores

__all__ = ["evaluate_snapshot"]


def evaluate_snapshot(
    snapshot: Snapshot,
    problem: Problem,
    y_validation: NDArray[Any],
    *,
    seconds: float,
    parameters: int,
    keep_snapshot: bool,
) -> Evaluation:
    """Scores the best epoch of a training; failed if a validation loss or an output was not finite.

    Args:
        snapshot: state after the last epoch.
        problem: the prediction problem.
        y_validation: targets of the validation rows, in the order of `snapshot.outputs`.
        seconds: duration of the training.
        parameters: number of trainable parameters.
        keep_snapshot: whether the evaluation includes the snapshot.
    """
    curve, scores, reason = snapshot.curve, {}, ""
    finite = [loss for loss in curve if math.isfinite(loss)]
    if len(finite) < len(curve):
        reason = f"diverged: the validation loss was {curve[-1]} after epoch {len(curve)}"
    elif not (scores := compute_scores(problem, y_validation, snapshot.outputs)):
        reason = "the outputs on the validation rows are not finite"
    return Evaluation(
        status=Status.FAILED if reason else Status.OK,
        scores=scores,
        reason=reason,
        best_epoch=curve.index(min(finite)) + 1 if finite else 0,
        epochs=len(curve),
        curve=curve,
        train_curve=snapshot.train_curve,
        train_seconds=seconds,
        parameters=parameters,
        weights=None if reason else snapshot.best,
        snapshots=(snapshot,) if keep_snapshot else (),
    )
