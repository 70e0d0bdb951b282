"""`GenerationalStrategy`, the base of several strategies: a first population, then its offspring.

Holds the population, the digests tried, and the JSON state of both. Selection of parents and survivors is
left to each strategy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from evonas.config import Settings
from evonas.evaluation import Candidate, Evaluation
from evonas.objective import Objective
from evonas.seeds import generation_rng
from evonas.strategies.ask_tell import AskTell
from evonas.strategies.proposals import (
    EvaluatedProposal,
    Proposal,
    new_proposal,
    sample_generation,
    sample_proposal,
    to_candidates,
)
from evonas.strategies.repairs import Repair, repair_children
from genomes.space import SearchSpace

__all__ = ["GenerationalStrategy"]


class GenerationalStrategy(ABC):
    """A first population of `settings.population`, then `settings.offspring` per generation. Meets `Strategy`."""

    def __init__(
        self, space: SearchSpace, objective: Objective, settings: Settings, initial: Sequence[Any] = ()
    ) -> None:
        self._space, self._objective, self._settings = space, objective, settings.resolve(objective.name)
        self._initial = tuple(initial)
        self._generation = 0
        self._population: list[EvaluatedProposal] = []
        self._seen: set[str] = set()
        self._ask_tell = AskTell(objective.name)
        #: Mends children before they are candidates.
        self.repair: Repair | None = None

    def ask(self, count: int | None = None) -> list[Candidate]:
        """The first population, then offspring."""
        self._ask_tell.check_ask(count)
        settings = self._settings
        if self._generation == 0:
            size = count or settings.population
            proposals = sample_generation(self._space, self._initial, settings, 0, self._seen, size)
        else:
            rng = generation_rng(settings.seed or 0, self._generation)
            children = self._offspring(count or settings.offspring or settings.population, rng)
            proposals = repair_children(children, self._space, self._seen, self.repair)
        return self._ask_tell.note_asked(self._candidates(proposals))

    def _candidates(self, proposals: Sequence[Proposal]) -> list[Candidate]:
        """The proposals as candidates of this generation."""
        return to_candidates(proposals, self._settings, self._generation)

    def tell(self, evaluations: Sequence[Evaluation | float]) -> None:
        """Selects the survivors given the evaluations of the last `ask`."""
        told = self._ask_tell.pair_evaluations(evaluations)
        self._survive(told)
        self._seen.update(candidate.digest for candidate, _ in told)
        self._generation += 1

    @abstractmethod
    def _offspring(self, count: int, rng: np.random.Generator) -> list[Proposal]:
        """So many children of the living."""

    @abstractmethod
    def _survive(self, told: Sequence[tuple[Candidate, Evaluation]]) -> None:
        """Takes in what was evaluated and cuts the population."""

    def _new(self, count: int, rng: np.random.Generator, draw: Callable[[], Proposal]) -> list[Proposal]:
        """So many draws that were not tried before; where all neighbours were, new blood is better than the known."""
        proposals: list[Proposal] = []
        seen = set(self._seen)
        while len(proposals) < count:
            proposals.append(new_proposal(seen, draw, lambda: sample_proposal(self._space, rng)))
            seen.add(proposals[-1].digest)
        return proposals

    def state(self) -> dict[str, Any]:
        """The population with its ranks, and the digests tried."""
        self._ask_tell.check_settled("state")
        return {
            "generation": self._generation,
            "population": [member.to_json(self._space) for member in self._population],
            "seen": sorted(self._seen),
            "initial": [] if self._generation else [self._space.genome_to_json(genome) for genome in self._initial],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self._generation = int(state["generation"])
        self._population = [EvaluatedProposal.from_json(value, self._space) for value in state["population"]]
        self._seen = set(state["seen"])
        self._initial = tuple(self._space.genome_from_json(value) for value in state["initial"])
        self._ask_tell.reset()

    def retained(self) -> frozenset[tuple[int, int]]:
        """Empty: no training starts from an earlier one."""
        return frozenset()
