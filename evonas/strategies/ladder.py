"""Rungs of epochs without waiting: a network goes on as soon as it is among the best of those at its rung.

References:
    Li et al., "A System for Massively Parallel Hyperparameter Tuning" (ASHA), MLSys 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evonas.strategies.fidelity import Training
from evonas.strategies.ranking import is_feasible
from genomes.space import SearchSpace

__all__ = ["Ladder"]

#: Networks of a rung that may still go on, at most: their states are kept.
_MOST_WAITING = 40


class Ladder:
    """Trainings at their rungs.

    Attributes:
        rungs: epochs of each rung, ascending.
    """

    def __init__(self, rungs: Sequence[int], eta: int) -> None:
        self.rungs = tuple(rungs)
        self._eta = eta
        # Of each rung but the last: those that may go on, best first, and how many there were and went on.
        self._waiting: list[list[Training]] = [[] for _ in self.rungs[:-1]]
        self._counts = [[0, 0] for _ in self.rungs[:-1]]

    def add(self, training: Training) -> None:
        """A training has reached a rung."""
        rung = self.rungs.index(training.epochs)
        if rung == len(self.rungs) - 1:
            return
        self._counts[rung][0] += 1
        if is_feasible(training.rank):
            waiting = sorted([*self._waiting[rung], training], key=lambda each: each.rank)
            self._waiting[rung] = waiting[:_MOST_WAITING]

    def take(self, count: int) -> list[Training]:
        """At most so many trainings that are to go on, from the highest rung down: a share of 1/eta of each rung."""
        taken: list[Training] = []
        for rung in reversed(range(len(self._waiting))):
            reached, gone = self._counts[rung]
            number = min(reached // self._eta - gone, count - len(taken), len(self._waiting[rung]))
            if number > 0:
                taken += self._waiting[rung][:number]
                self._waiting[rung] = self._waiting[rung][number:]
                self._counts[rung][1] += number
        return taken

    def following(self, training: Training) -> int:
        """Epochs of the rung after a training's."""
        return next(rung for rung in self.rungs if rung > training.epochs)

    def retained(self) -> frozenset[tuple[int, int]]:
        """Places of those that may go on."""
        places = (training.place for waiting in self._waiting for training in waiting)
        return frozenset(place for place in places if place is not None)

    def to_json(self, space: SearchSpace) -> dict[str, Any]:
        """As JSON values."""
        waiting = [[training.to_json(space) for training in rung] for rung in self._waiting]
        return {"waiting": waiting, "counts": [list(counts) for counts in self._counts]}

    def restore(self, value: Any, space: SearchSpace) -> None:
        """Goes on from JSON values."""
        self._waiting = [[Training.from_json(training, space) for training in rung] for rung in value["waiting"]]
        self._counts = [[int(reached), int(gone)] for reached, gone in value["counts"]]
