"""Whose turn it is: `ask` and `tell` alternate, and `state` is taken between a `tell` and an `ask`."""

from __future__ import annotations

from collections.abc import Sequence

from evonas.evaluation import Candidate, Evaluation

__all__ = ["Turns"]


class Turns:
    """Keeps the candidates that are out, and raises RuntimeError when a call comes out of order."""

    def __init__(self) -> None:
        self._asked: list[Candidate] | None = None

    def check_settled(self, call: str) -> None:
        """Raises RuntimeError while a generation is waiting to be told."""
        if self._asked is not None:
            count = len(self._asked)
            raise RuntimeError(
                f"{call}() must wait until tell() has given the {count} evaluations that ask() asked for"
            )

    def asked(self, candidates: list[Candidate]) -> list[Candidate]:
        """Notes that the candidates are out."""
        self._asked = candidates
        return list(candidates)

    def told(self, evaluations: Sequence[Evaluation]) -> list[tuple[Candidate, Evaluation]]:
        """The candidates that were out, each with its evaluation.

        Raises:
            RuntimeError: nothing was asked.
            ValueError: not as many evaluations as candidates.
        """
        if self._asked is None:
            raise RuntimeError("tell() must follow ask(): no generation is waiting for evaluations")
        if len(evaluations) != len(self._asked):
            raise ValueError(f"tell() takes {len(self._asked)} evaluations, one a candidate, not {len(evaluations)}")
        pairs = list(zip(self._asked, evaluations, strict=True))
        self._asked = None
        return pairs

    def reset(self) -> None:
        """Forgets what is out."""
        self._asked = None
