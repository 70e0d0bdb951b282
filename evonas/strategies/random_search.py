"""Random search: the baseline that any strategy has to beat.

References:
    Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 13, 2012.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evonas.config import Settings
from evonas.evaluation import Candidate, Evaluation
from evonas.objective import Objective
from evonas.strategies.proposals import Proposal, sampled_generation, to_candidates
from evonas.strategies.turns import Turns
from genomes.space import SearchSpace

__all__ = ["RandomSearch"]


class RandomSearch:
    """Samples `population` genomes a generation, none twice while the space has others."""

    def __init__(
        self, space: SearchSpace, objective: Objective, settings: Settings, initial: Sequence[Any] = ()
    ) -> None:
        self._space, self._settings = space, settings
        self._initial = tuple(initial)
        self._generation = 0
        self._seen: set[str] = set()
        self._turns = Turns(objective.name)

    def ask(self, count: int | None = None) -> list[Candidate]:
        """The next sample of `population` candidates."""
        self._turns.check_ask(count)
        initial: Sequence[Any] = () if self._generation else self._initial
        proposals: list[Proposal] = sampled_generation(
            self._space,
            initial,
            self._settings,
            self._generation,
            frozenset(self._seen),
            count or self._settings.population,
        )
        return self._turns.asked(to_candidates(proposals, self._settings, self._generation))

    def tell(self, evaluations: Sequence[Evaluation | float]) -> None:
        """Forgets the scores: nothing is learned."""
        for candidate, _ in self._turns.told(evaluations):
            self._seen.add(candidate.digest)
        self._generation += 1

    def state(self) -> dict[str, Any]:
        """The generation's number and the digests tried."""
        self._turns.check_settled("state")
        initial = [] if self._generation else [self._space.genome_to_json(genome) for genome in self._initial]
        return {"generation": self._generation, "seen": sorted(self._seen), "initial": initial}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from `state`."""
        self._generation = int(state["generation"])
        self._seen = set(state["seen"])
        self._initial = tuple(self._space.genome_from_json(value) for value in state["initial"])
        self._turns.reset()

    def retained(self) -> frozenset[tuple[int, int]]:
        """Starts nothing from what was trained before."""
        return frozenset()
