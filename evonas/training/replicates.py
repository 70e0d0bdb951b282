"""Combines the evaluations of a network's folds and replicates into one. Shared by all trainers; imports no Keras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from evonas.evaluation import Evaluation, Span, Status
from evonas.seeds import RandomStream, stream_seed
from evonas.training_tasks import ALL_ROWS

__all__ = ["combine_evaluations", "member_seed"]


def member_seed(seed: int, fold: int, replicate: int) -> int:
    """Seed of one fold and replicate; the first of each has the candidate's own seed."""
    if fold in (0, ALL_ROWS) and replicate == 0:
        return seed
    return stream_seed(RandomStream.REPLICATE, seed, fold, replicate)


def combine_evaluations(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Scores are means; one failure makes the whole fail; curves are means over the epochs common to all.

    The best epoch is the median; the weights are those of the first fold and replicate.
    """
    first = evaluations[0]
    if len(evaluations) == 1:
        return first
    failed = next((e for e in evaluations if e.status is not Status.OK), None)
    if failed is not None:
        seconds, notes = sum(e.train_seconds for e in evaluations), _notes(evaluations)
        return replace(
            failed, train_seconds=seconds, notes=notes, weights=None, snapshots=(), spans=_spans(evaluations)
        )
    shared = [name for name in first.scores if all(name in e.scores for e in evaluations)]
    length = min(len(e.curve) for e in evaluations)

    def mean_curve(curves: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
        return tuple(float(value) for value in np.mean([curve[:length] for curve in curves], axis=0))

    return replace(
        first,
        scores={name: float(np.mean([e.scores[name] for e in evaluations])) for name in shared},
        best_epoch=int(np.median([e.best_epoch for e in evaluations])),
        epochs=max(e.epochs for e in evaluations),
        curve=mean_curve([e.curve for e in evaluations]),
        train_curve=mean_curve([e.train_curve for e in evaluations]),
        train_seconds=sum(e.train_seconds for e in evaluations),
        snapshots=tuple(s for e in evaluations for s in e.snapshots),
        notes=_notes(evaluations),
        spans=_spans(evaluations),
    )


def _spans(evaluations: Sequence[Evaluation]) -> tuple[Span, ...]:
    return tuple(span for each in evaluations for span in each.spans)


def _notes(evaluations: Sequence[Evaluation]) -> Mapping[str, Any]:
    """The notes of the first one, with how all models were trained."""
    given = [each.notes["trained"] for each in evaluations if "trained" in each.notes]
    if not given:
        return evaluations[0].notes
    reasons = [reason for each in given for reason in each["by_keras"]]
    return {
        **evaluations[0].notes,
        "trained": {"natively": sum(each["natively"] for each in given), "by_keras": reasons},
    }
