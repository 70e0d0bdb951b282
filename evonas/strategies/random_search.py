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
from evonas.strategies.ask_tell import AskTell
from evonas.strategies.pending import Pending
from evonas.strategies.proposals import Proposal, sample_generation, to_candidate, to_candidates
from genomes.space import SearchSpace

__all__ = ["RandomSearch"]


class RandomSearch:
    """Samples `population` genomes a generation, none twice while the space has others. Meets `OneByOne`."""

    def __init__(
        self, space: SearchSpace, objective: Objective, settings: Settings, initial: Sequence[Any] = ()
    ) -> None:
        self._space, self._settings = space, settings
        self._initial = tuple(initial)
        self._generation = 0
        self._seen: set[str] = set()
        self._ask_tell = AskTell(objective.name)
        self._pending = Pending(settings)

    def ask(self, count: int | None = None) -> list[Candidate]:
        """The next sample of `population` candidates."""
        self._ask_tell.check_ask(count)
        self._pending.check_unused()
        initial: Sequence[Any] = () if self._generation else self._initial
        proposals: list[Proposal] = sample_generation(
            self._space,
            initial,
            self._settings,
            self._generation,
            frozenset(self._seen),
            count or self._settings.population,
        )
        return self._ask_tell.note_asked(to_candidates(proposals, self._settings, self._generation))

    def tell(self, evaluations: Sequence[Evaluation | float]) -> None:
        """Forgets the scores: nothing is learned."""
        for candidate, _ in self._ask_tell.pair_evaluations(evaluations):
            self._seen.add(candidate.digest)
        self._generation += 1

    def ask_one(self) -> Candidate:
        """The next sample, while others are out."""
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
        """Forgets the score."""
        self._pending.take(candidate)
        self._seen.add(candidate.digest)

    def state(self) -> dict[str, Any]:
        """The generation's number and the digests tried."""
        self._ask_tell.check_settled("state")
        initial = [] if self._generation else [self._space.genome_to_json(genome) for genome in self._initial]
        state = {"generation": self._generation, "seen": sorted(self._seen), "initial": initial}
        return state | self._pending.state(self._space)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self._generation = int(state["generation"])
        self._seen = set(state["seen"])
        self._initial = tuple(self._space.genome_from_json(value) for value in state["initial"])
        self._ask_tell.reset()
        self._pending.restore(state, self._space)

    def retained(self) -> frozenset[tuple[int, int]]:
        """Empty: no training starts from an earlier one."""
        return frozenset()
