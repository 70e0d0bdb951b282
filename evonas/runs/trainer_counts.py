"""`TrainerCounts`: how many user-defined models were trained natively, and why Keras trained the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evonas.evaluation import Evaluation

__all__ = ["TrainerCounts", "count_trainers"]

#: Maximum number of reasons shown.
_MOST = 3


@dataclass(frozen=True)
class TrainerCounts:
    """Numbers of models trained natively and by Keras.

    Attributes:
        natively: number of models trained by the native trainer.
        by_keras: reason -> number of models trained by `keras.Model.fit` because of it.
    """

    natively: int = 0
    by_keras: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Number of all models."""
        return self.natively + sum(self.by_keras.values())

    def __str__(self) -> str:
        text = f"{self.natively} models trained natively, {self.total - self.natively} by Keras"
        if not self.by_keras:
            return text
        common = sorted(self.by_keras.items(), key=lambda pair: -pair[1])
        shown = ", ".join(f"{reason} ({count})" for reason, count in common[:_MOST])
        more = len(common) - _MOST
        return f"{text}: {shown}" + (f" and {more} more reasons" if more > 0 else "")


def count_trainers(evaluations: Iterable[Evaluation]) -> TrainerCounts:
    """Counts models from the notes of evaluations.

    >>> print(TrainerCounts(2, {"the layer lstm (LSTM)": 1}))
    2 models trained natively, 1 by Keras: the layer lstm (LSTM) (1)
    """
    natively, reasons = 0, Counter[str]()
    for evaluation in evaluations:
        note = evaluation.notes.get("trained")
        if isinstance(note, Mapping):
            natively += int(note.get("natively", 0))
            reasons.update(str(reason) for reason in note.get("by_keras", ()))
    return TrainerCounts(natively, dict(reasons))
