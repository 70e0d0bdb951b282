"""`GenerationalStrategy`: base class of strategies with a population and offspring.

It holds the population and saves it in the state. Subclasses select parents and survivors.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from evonas.config import Settings
from evonas.evaluation import Candidate, Evaluation
from evonas.objective import Objective
from evonas.seeds import generation_rng
from evonas.strategies.proposals import (
    EvaluatedProposal,
    Proposal,
    new_proposal,
    sample_generation,
    sample_proposal,
    to_candidates,
)
from evonas.strategies.repairs import Repair, repair_children
from evonas.strategies.turn_taking import TurnTakingStrategy
from genomes.space import SearchSpace

__all__ = ["GenerationalStrategy"]


class GenerationalStrategy(TurnTakingStrategy):
    """Proposes `settings.population` candidates first, then `settings.offspring` per generation.

    Implements `Strategy`.
    """

    def __init__(
        self,
        space: SearchSpace,
        objective: Objective,
        settings: Settings,
        initial: Sequence[Any] = (),
        repair: Repair | None = None,
    ) -> None:
        super().__init__(space, objective, settings.resolve(objective.name), initial)
        self._population: list[EvaluatedProposal] = []
        #: Repairs children before they become candidates.
        self._repair = repair

    def _next(self, count: int | None) -> list[Candidate]:
        """The first population, then offspring."""
        settings = self._settings
        if self._generation == 0:
            size = count or settings.population
            proposals = sample_generation(self._space, self._initial, settings, 0, self._seen, size)
        else:
            rng = generation_rng(settings.seed or 0, self._generation)
            children = self._offspring(count or settings.offspring or settings.population, rng)
            proposals = repair_children(children, self._space, self._seen, self._repair)
        return self._candidates(proposals)

    def _candidates(self, proposals: Sequence[Proposal]) -> list[Candidate]:
        """The proposals as candidates of this generation."""
        return to_candidates(proposals, self._settings, self._generation)

    def _learn(self, told: Sequence[tuple[Candidate, Evaluation]]) -> None:
        """Selects the survivors."""
        self._survive(told)

    @abstractmethod
    def _offspring(self, count: int, rng: np.random.Generator) -> list[Proposal]:
        """Makes `count` children of the population."""

    @abstractmethod
    def _survive(self, told: Sequence[tuple[Candidate, Evaluation]]) -> None:
        """Adds the evaluated members and selects the survivors."""

    def _new(self, count: int, rng: np.random.Generator, draw: Callable[[], Proposal]) -> list[Proposal]:
        """`count` proposals that were not tried before: from `draw`, or random samples if it only repeats itself."""
        proposals: list[Proposal] = []
        seen = set(self._seen)
        while len(proposals) < count:
            proposals.append(new_proposal(seen, draw, lambda: sample_proposal(self._space, rng)))
            seen.add(proposals[-1].digest)
        return proposals

    def _own_state(self) -> dict[str, Any]:
        """The population with its ranks."""
        return {"population": [member.to_json(self._space) for member in self._population]}

    def _restore_own(self, state: Mapping[str, Any]) -> None:
        self._population = [EvaluatedProposal.from_json(value, self._space) for value in state["population"]]
