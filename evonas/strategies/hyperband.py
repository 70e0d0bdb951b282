"""Hyperband: brackets of successive halving with different trade-offs between networks and epochs.

A bracket trains its networks up to a rung; the best 1/eta of them continue to the next one, up to `settings.epochs`
(successive halving). The first bracket stops most networks after very few epochs; the last one trains all networks for
all epochs, in case early scores are misleading. With `settings.brackets` 1, only the first kind is used. Sizes follow
the paper, scaled so that the first bracket starts with `settings.population` networks. In your own loop,
`Candidate.epochs` is the fidelity.

References:
    Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter
    Optimization", JMLR 18, 2018.
    Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evonas.config import Settings
from evonas.evaluation import Candidate, Evaluation
from evonas.objective import Objective
from evonas.strategies.fidelity import PartialTraining, rungs
from evonas.strategies.proposals import sample_generation
from evonas.strategies.ranking import is_feasible, rank_of
from evonas.strategies.turn_taking import TurnTakingStrategy
from genomes.space import SearchSpace

__all__ = ["Hyperband"]


@dataclass
class _Bracket:
    """A bracket at its current rung.

    Attributes:
        rung: index of the rung, from 0.
        waiting: networks not yet proposed at this rung.
        done: networks evaluated at this rung.
    """

    rung: int
    waiting: list[PartialTraining]
    done: list[PartialTraining] = field(default_factory=list)


class Hyperband(TurnTakingStrategy):
    """Runs one bracket after another; the next one starts early if more candidates are requested than a rung has."""

    def __init__(
        self, space: SearchSpace, objective: Objective, settings: Settings, initial: Sequence[Any] = ()
    ) -> None:
        super().__init__(space, objective, settings, initial)
        self._rungs = rungs(settings.epochs, settings.eta)
        self._opened = 0
        self._brackets: list[_Bracket] = []
        self._out: list[tuple[_Bracket, PartialTraining]] = []

    def _next(self, count: int | None) -> list[Candidate]:
        """A bracket's whole rung, or `count` of its networks, topped up from the following brackets."""
        if not self._brackets:
            self._open()
        out = [(bracket, training) for bracket in self._brackets for training in bracket.waiting]
        while count is not None and len(out) < count:
            bracket = self._open()
            out += [(bracket, training) for training in bracket.waiting]
        self._out = out[: len(out[0][0].waiting) if count is None else count]
        candidates = []
        for index, (bracket, training) in enumerate(self._out):
            epochs, last = self._rungs[bracket.rung], bracket.rung == len(self._rungs) - 1
            candidates.append(
                training.candidate(self._settings, epochs, self._generation, index, keep_snapshots=not last)
            )
            bracket.waiting.remove(training)
        return candidates

    def _learn(self, told: Sequence[tuple[Candidate, Evaluation]]) -> None:
        """Promotes the best networks of each completed rung."""
        for (bracket, training), (candidate, evaluation) in zip(self._out, told, strict=True):
            bracket.done.append(training.with_evaluation(candidate, rank_of(evaluation, self._objective)))
        self._brackets = [bracket for bracket in self._brackets if bracket.waiting or self._promote(bracket)]
        self._out = []

    def _open(self) -> _Bracket:
        """Opens the next bracket, with untried networks as long as the space has any."""
        settings, most = self._settings, len(self._rungs) - 1
        kinds = min(settings.brackets or most + 1, most + 1)
        rung = self._opened % kinds
        share = (most + 1) / (most - rung + 1) / settings.eta**rung
        count = max(1, math.ceil(settings.population * share - 1e-9))
        initial = self._initial_left()
        # A bracket's networks do not depend on when it is opened.
        proposals = sample_generation(self._space, initial, settings, self._opened, self._seen, count)
        self._seen |= {proposal.digest for proposal in proposals}
        self._opened += 1
        self._brackets.append(_Bracket(rung, [PartialTraining(proposal) for proposal in proposals]))
        return self._brackets[-1]

    def _promote(self, bracket: _Bracket) -> bool:
        """Moves the bracket to its next rung; False if it is complete."""
        if bracket.rung == len(self._rungs) - 1:
            return False
        networks: dict[str, PartialTraining] = {}
        for training in sorted(bracket.done, key=lambda each: each.rank):
            if is_feasible(training.rank):
                networks.setdefault(training.proposal.digest, training)
        count = max(1, len(bracket.done) // self._settings.eta)
        bracket.rung, bracket.done, bracket.waiting = bracket.rung + 1, [], list(networks.values())[:count]
        return bool(bracket.waiting)

    def retained(self) -> frozenset[tuple[int, int]]:
        """Candidates at a rung whose networks may be promoted to the next."""
        networks = (each for bracket in self._brackets for each in (*bracket.waiting, *bracket.done))
        return frozenset(each.place for each in networks if each.place is not None)

    def _initial_left(self) -> Sequence[Any]:
        return () if self._opened else self._initial

    def _own_state(self) -> dict[str, Any]:
        """The open brackets, and the number of brackets opened so far."""
        return {
            "opened": self._opened,
            "brackets": [
                {
                    "rung": bracket.rung,
                    "waiting": [training.to_json(self._space) for training in bracket.waiting],
                    "done": [training.to_json(self._space) for training in bracket.done],
                }
                for bracket in self._brackets
            ],
        }

    def _restore_own(self, state: Mapping[str, Any]) -> None:
        self._opened = int(state["opened"])
        self._brackets = [
            _Bracket(
                value["rung"],
                *(
                    [PartialTraining.from_json(each, self._space) for each in value[part]]
                    for part in ("waiting", "done")
                ),
            )
            for value in state["brackets"]
        ]
        self._out = []
