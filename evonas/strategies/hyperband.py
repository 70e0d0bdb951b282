"""Hyperband: many networks for few epochs and the best of them for more, in brackets with different trade-offs.

A bracket trains its networks up to a rung; the best one in eta continues to the next from where it stopped, up
to `settings.epochs` (successive halving). Brackets take turns: the first one drops most networks after the fewest
epochs, the last one trains all of them in full, in case that early scores mislead. With `settings.brackets` 1 there is
only the first kind. Sizes are the paper's, scaled so that the first bracket begins with `settings.population` networks.

`Candidate.epochs` is the fidelity for your own loop.

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
from evonas.strategies.ask_tell import AskTell
from evonas.strategies.fidelity import PartialTraining, rungs
from evonas.strategies.proposals import sample_generation
from evonas.strategies.ranking import is_feasible, rank_of
from genomes.space import SearchSpace

__all__ = ["Hyperband"]


@dataclass
class _Bracket:
    """Networks at one rung.

    Attributes:
        rung: which one, from 0.
        waiting: not yet asked for at this rung.
        done: evaluated at it.
    """

    rung: int
    waiting: list[PartialTraining]
    done: list[PartialTraining] = field(default_factory=list)


class Hyperband:
    """Runs bracket after bracket; another one starts in parallel when more is asked for than a rung holds."""

    def __init__(
        self, space: SearchSpace, objective: Objective, settings: Settings, initial: Sequence[Any] = ()
    ) -> None:
        self._space, self._objective, self._settings = space, objective, settings
        self._initial = tuple(initial)
        self._rungs = rungs(settings.epochs, settings.eta)
        self._generation = self._opened = 0
        self._brackets: list[_Bracket] = []
        self._seen: set[str] = set()
        self._out: list[tuple[_Bracket, PartialTraining]] = []
        self._ask_tell = AskTell(objective.name)

    def ask(self, count: int | None = None) -> list[Candidate]:
        """The whole rung of a bracket, or that many of its networks, filled up from the next brackets."""
        self._ask_tell.check_ask(count)
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
            candidates.append(training.candidate(self._settings, epochs, self._generation, index, keep=not last))
            bracket.waiting.remove(training)
        return self._ask_tell.note_asked(candidates)

    def tell(self, evaluations: Sequence[Evaluation | float]) -> None:
        """Advances the best of each finished rung."""
        told = self._ask_tell.pair_evaluations(evaluations)
        for (bracket, training), (candidate, evaluation) in zip(self._out, told, strict=True):
            bracket.done.append(training.trained(candidate, rank_of(evaluation, self._objective)))
        self._brackets = [bracket for bracket in self._brackets if bracket.waiting or self._promote(bracket)]
        self._out = []
        self._generation += 1

    def _open(self) -> _Bracket:
        """The next bracket, at its first rung, with networks that no other one had while the space has such."""
        settings, most = self._settings, len(self._rungs) - 1
        kinds = min(settings.brackets or most + 1, most + 1)
        rung = self._opened % kinds
        share = (most + 1) / (most - rung + 1) / settings.eta**rung
        count = max(1, math.ceil(settings.population * share - 1e-9))
        initial = () if self._opened else self._initial
        # A bracket's networks are the same whenever it begins.
        proposals = sample_generation(self._space, initial, settings, self._opened, self._seen, count)
        self._seen |= {proposal.digest for proposal in proposals}
        self._opened += 1
        self._brackets.append(_Bracket(rung, [PartialTraining(proposal) for proposal in proposals]))
        return self._brackets[-1]

    def _promote(self, bracket: _Bracket) -> bool:
        """Takes the bracket to its next rung; False when it is through."""
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
        """Trainings at a rung that may advance to the next."""
        trainings = (each for bracket in self._brackets for each in (*bracket.waiting, *bracket.done))
        return frozenset(each.place for each in trainings if each.place is not None)

    def state(self) -> dict[str, Any]:
        """The open brackets, the number of brackets so far, and the digests tried."""
        self._ask_tell.check_settled("state")
        return {
            "generation": self._generation,
            "opened": self._opened,
            "brackets": [
                {
                    "rung": bracket.rung,
                    "waiting": [training.to_json(self._space) for training in bracket.waiting],
                    "done": [training.to_json(self._space) for training in bracket.done],
                }
                for bracket in self._brackets
            ],
            "seen": sorted(self._seen),
            "initial": [] if self._opened else [self._space.genome_to_json(genome) for genome in self._initial],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self._generation, self._opened = int(state["generation"]), int(state["opened"])
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
        self._seen = set(state["seen"])
        self._initial = tuple(self._space.genome_from_json(value) for value in state["initial"])
        self._out = []
        self._ask_tell.reset()
