"""Regularised ("aging") evolution: the best of a random few becomes a parent, and the oldest dies, however good it is.

A network stays only through its descendants: one that was lucky once is forgotten, one that is good passes on. Parents
change by mutation alone.

References:
    Real, Aggarwal, Huang and Le, "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019,
    algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evonas.evaluation import Candidate, Evaluation
from evonas.strategies.members import Member
from evonas.strategies.population import Population
from evonas.strategies.proposals import Proposal
from evonas.strategies.ranking import is_feasible, rank_of

__all__ = ["AgingEvolution"]


class AgingEvolution(Population):
    """The last `population` networks are alive; the paper has them replaced one at a time, which is `offspring=1`."""

    def _survive(self, told: Sequence[tuple[Candidate, Evaluation]]) -> None:
        """The new ones live, the oldest die."""
        self._population += [Member.of(candidate, rank_of(each, self._objective)) for candidate, each in told]
        self._population = self._population[-self._settings.population :]

    def _offspring(self, count: int, rng: np.random.Generator) -> list[Proposal]:
        # A few rivals at random may all have failed: where others have not, those do not compete.
        rivals = [member for member in self._population if is_feasible(member.rank)] or self._population

        def mutant() -> Proposal:
            places = rng.integers(len(rivals), size=self._settings.tournament).tolist()
            parent = min((rivals[place] for place in places), key=lambda member: member.rank).proposal
            genome, operator = self._space.mutate(parent.genome, rng)
            return Proposal(genome, self._space.digest(genome), (parent.digest,), operator)

        return self._new(count, rng, mutant)
