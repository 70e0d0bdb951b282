"""Random search: the baseline that every other strategy has to beat.

References:
    Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 13, 2012.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evonas.config import Settings
from evonas.evaluation import Candidate, Evaluation
from evonas.objective import Objective
from evonas.strategies.pending import Pending
from evonas.strategies.proposals import sample_generation, to_candidate, to_candidates
from evonas.strategies.turn_taking import TurnTakingStrategy
from genomes.space import SearchSpace

__all__ = ["RandomSearch"]


class RandomSearch(TurnTakingStrategy):
    """Samples `population` genomes per generation, without duplicates if possible. Implements `OneByOne`."""

    def __init__(
        self, space: SearchSpace, objective: Objective, settings: Settings, initial: Sequence[Any] = ()
    ) -> None:
        super().__init__(space, objective, settings, initial)
        self._pending = Pending(settings)

    def _next(self, count: int | None) -> list[Candidate]:
        """The next `count` samples; by default, `population` of them."""
        self._pending.check_unused()
        size, generation = count or self._settings.population, self._generation
        seen, initial = frozenset(self._seen), self._initial_left()
        proposals = sample_generation(self._space, initial, self._settings, generation, seen, size)
        return to_candidates(proposals, self._settings, generation)

    def _learn(self, told: Sequence[tuple[Candidate, Evaluation]]) -> None:
        """Does nothing: samples do not depend on earlier results."""

    def ask_one(self) -> Candidate:
        """The next sample."""
        self._ask_tell.check_one_by_one(self._generation)
        number, seen = self._pending.asked, self._seen | self._pending.digests
        (proposal,) = sample_generation(self._space, self._initial[:1], self._settings, number, seen, 1)
        self._initial = self._initial[1:]
        return self._pending.add(to_candidate(proposal, self._settings, self._pending.place))

    @property
    def out(self) -> tuple[Candidate, ...]:
        """See `OneByOne.out`."""
        return self._pending.candidates

    def tell_one(self, candidate: Candidate, evaluation: Evaluation | float) -> None:
        """Records that the candidate was evaluated; its score is not used."""
        self._pending.take(candidate)
        self._seen.add(candidate.digest)

    def _own_state(self) -> dict[str, Any]:
        return self._pending.state(self._space)

    def _restore_own(self, state: Mapping[str, Any]) -> None:
        self._pending.restore(state, self._space)
