"""Regularised ("aging") evolution: tournament winners become parents, and the oldest network is removed.

Networks survive only through their descendants, so that lucky evaluations are forgotten. Children are created by
mutation only. The paper's algorithm is asynchronous: with `ask_one`, a free worker gets a child of one of the networks
evaluated so far.

References:
    Real, Aggarwal, Huang and Le, "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019,
    algorithm 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evonas.config import Settings
from evonas.evaluation import Candidate, Evaluation
from evonas.objective import Objective
from evonas.seeds import generation_rng
from evonas.strategies.generational import GenerationalStrategy
from evonas.strategies.pending import Pending
from evonas.strategies.proposals import EvaluatedProposal, Proposal, sample_generation, to_candidate
from evonas.strategies.ranking import is_feasible, rank_of
from evonas.strategies.repairs import Repair, repair_children
from genomes.space import SearchSpace

__all__ = ["AgingEvolution"]


class AgingEvolution(GenerationalStrategy):
    """The population consists of the last `population` networks. Implements `OneByOne`.

    In the paper, networks are replaced one at a time, as with `ask_one` or `offspring=1`.
    """

    def __init__(
        self,
        space: SearchSpace,
        objective: Objective,
        settings: Settings,
        initial: Sequence[Any] = (),
        repair: Repair | None = None,
    ) -> None:
        super().__init__(space, objective, settings, initial, repair)
        self._pending = Pending(self._settings)

    def ask(self, count: int | None = None) -> list[Candidate]:
        """The first population, then offspring."""
        self._pending.check_unused()
        return super().ask(count)

    def ask_one(self) -> Candidate:
        """A sample until the first population is complete, then a child; never a duplicate of a pending network."""
        self._ask_tell.check_one_by_one(self._generation)
        number = self._pending.asked
        if number < self._settings.population or not self._population:
            (proposal,) = sample_generation(self._space, self._initial[:1], self._settings, number, self._seen, 1)
            self._initial = self._initial[1:]
        else:
            children = self._offspring(1, generation_rng(self._settings.seed or 0, number))
            (proposal,) = repair_children(children, self._space, self._seen, self._repair)
        self._seen.add(proposal.digest)
        return self._pending.add(to_candidate(proposal, self._settings, self._pending.place))

    @property
    def out(self) -> tuple[Candidate, ...]:
        """See `OneByOne.out`."""
        return self._pending.candidates

    def tell_one(self, candidate: Candidate, evaluation: Evaluation | float) -> None:
        """Adds the candidate to the population and removes the oldest network."""
        _, asked = self._pending.take(candidate)
        self._survive([(asked, self._ask_tell.evaluation(evaluation))])

    def state(self) -> dict[str, Any]:
        """The population, the digests tried, and pending candidates."""
        return super().state() | self._pending.state(self._space)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        super().restore(state)
        self._pending.restore(state, self._space)

    def _survive(self, told: Sequence[tuple[Candidate, Evaluation]]) -> None:
        """Adds the new networks and removes the oldest."""
        self._population += [
            EvaluatedProposal.from_candidate(candidate, rank_of(each, self._objective)) for candidate, each in told
        ]
        self._population = self._population[-self._settings.population :]

    def _offspring(self, count: int, rng: np.random.Generator) -> list[Proposal]:
        # Failed networks do not take part in tournaments unless all have failed.
        eligible = [member for member in self._population if is_feasible(member.rank)] or self._population

        def mutant() -> Proposal:
            drawn = rng.integers(len(eligible), size=self._settings.tournament).tolist()
            parent = min((eligible[index] for index in drawn), key=lambda member: member.rank).proposal
            genome, operator = self._space.mutate(parent.genome, rng)
            return Proposal(genome, self._space.digest(genome), (parent.digest,), operator)

        return self._new(count, rng, mutant)
