"""`AskTell`: checks that `ask` and `tell` alternate and that `state` is called between a `tell` and an `ask`.

It also converts plain numbers passed to `tell` to evaluations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral

from evonas.evaluation import Candidate, Evaluation, Status

__all__ = ["AskTell"]


class AskTell:
    """Holds the pending candidates and raises RuntimeError for calls out of order."""

    def __init__(self, score: str) -> None:
        """Creates the checks; plain numbers are interpreted as values of `score`."""
        self._score = score
        self._asked: list[Candidate] | None = None

    def check_ask(self, count: int | None) -> None:
        """Raises RuntimeError if the last generation is still pending, ValueError unless `count` is positive."""
        self.check_settled("ask")
        if count is not None and (not isinstance(count, Integral) or count < 1):
            raise ValueError(f"ask() takes a positive integer, not {count!r}: leave it out for a whole generation")

    def check_settled(self, call: str) -> None:
        """Raises RuntimeError if the last generation is still pending."""
        if self._asked is not None:
            count = len(self._asked)
            raise RuntimeError(
                f"{call}() must wait until tell() has received the {count} evaluations that ask() asked for"
            )

    def check_one_by_one(self, generations: int) -> None:
        """Raises RuntimeError if whole generations were asked for before."""
        self.check_settled("ask_one")
        if generations:
            raise RuntimeError("ask_one() must not follow ask(): ask for generations or one by one, not both")

    def note_asked(self, candidates: list[Candidate]) -> list[Candidate]:
        """Marks the candidates as pending."""
        self._asked = candidates
        return list(candidates)

    def pair_evaluations(self, evaluations: Sequence[Evaluation | float]) -> list[tuple[Candidate, Evaluation]]:
        """The pending candidates, each with its evaluation.

        Raises:
            RuntimeError: no candidates are pending.
            ValueError: the number of evaluations differs from that of candidates.
        """
        if self._asked is None:
            raise RuntimeError("tell() must follow ask(): no generation is waiting for evaluations")
        if len(evaluations) != len(self._asked):
            raise ValueError(f"tell() takes {len(self._asked)} evaluations, one per candidate, not {len(evaluations)}")
        pairs = list(zip(self._asked, map(self.evaluation, evaluations), strict=True))
        self._asked = None
        return pairs

    def evaluation(self, told: Evaluation | float) -> Evaluation:
        """Converts a value passed to `tell`, an evaluation or a plain score, to an evaluation."""
        if isinstance(told, Evaluation):
            return told
        score = float(told)
        if math.isnan(score):
            return Evaluation(Status.FAILED, reason=f"{self._score} is nan")
        return Evaluation(Status.OK, {self._score: score})

    def reset(self) -> None:
        """Forgets the pending candidates."""
        self._asked = None
