"""Neuroevolution: a genetic algorithm over the weights, without gradients.

A network is encoded by a chain of seeds: the seed of its initial weights, followed by the seed of each mutation's
Gaussian noise. Its fitness is the loss on the training rows; its score is computed on the validation split. The best
fifth of parents and children become the next parents (truncation selection with elitism). A few children also have a
mutated architecture and keep the chain: weights of unchanged shape keep their values, the others are redrawn from the
same seeds.

If the evaluator has no weights (your own loop on any function), genomes evolve by mutation with the same selection.

References:
    Such, Madhavan, Conti, Lehman, Stanley and Clune, "Deep Neuroevolution: Genetic Algorithms Are a Competitive
    Alternative for Training Deep Neural Networks for Reinforcement Learning", 2017, algorithm 1 and section 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from evonas.config import Settings
from evonas.evaluation import Candidate, Evaluation, Status
from evonas.objective import Objective
from evonas.seeds import candidate_seed
from evonas.strategies.generational import GenerationalStrategy
from evonas.strategies.proposals import EvaluatedProposal, Proposal, sample_proposal
from evonas.strategies.ranking import Rank, is_feasible, rank_of
from genomes.space import SearchSpace

__all__ = ["Neuroevolution"]

#: Share of the population that becomes parents.
PARENTS = 0.2
#: Share of the children whose architecture is mutated as well.
STRUCTURAL = 0.05


#: Seeds of a network's weights, see `Candidate.lineage`.
_Lineage = tuple[int, ...]


class Neuroevolution(GenerationalStrategy):
    """A first population of `population` networks, then `offspring` children of the best fifth per generation."""

    def __init__(
        self, space: SearchSpace, objective: Objective, settings: Settings, initial: Sequence[Any] = ()
    ) -> None:
        super().__init__(space, objective, settings, initial)
        #: Lineage of each member of the population, which consists of the parents, best first.
        self._lineages: list[_Lineage] = []
        #: Lineage of each candidate's parent, for the candidates of the current generation.
        self._inherited: list[_Lineage] = []
        # Assumed until the first evaluations show whether the evaluator trains networks.
        self._has_weights = True

    def _candidates(self, proposals: Sequence[Proposal]) -> list[Candidate]:
        """The candidates, each with a seed appended to its parent's chain."""
        candidates = super()._candidates(proposals)
        if not self._has_weights:
            return candidates
        lineages = self._inherited if self._generation else [()] * len(candidates)
        return [self._with_lineage(each, lineage) for each, lineage in zip(candidates, lineages, strict=True)]

    def _with_lineage(self, candidate: Candidate, inherited: _Lineage) -> Candidate:
        key = f"{candidate.digest}/{candidate.generation}/{candidate.index}"
        seed = candidate_seed(self._settings.seed or 0, key)
        return replace(candidate, seed=seed, lineage=(*inherited, seed))

    def _survive(self, told: Sequence[tuple[Candidate, Evaluation]]) -> None:
        """Selects the best parents and children; ties favour older networks."""
        if self._generation == 0:
            self._has_weights = any(evaluation.train_curve for _, evaluation in told)
        parents = list(zip(self._population, self._lineages, strict=True))
        parents += [
            (EvaluatedProposal.from_candidate(candidate, self._rank(each)), candidate.lineage)
            for candidate, each in told
        ]
        parents.sort(key=lambda parent: parent[0].rank)
        del parents[math.ceil(PARENTS * self._settings.population) :]
        self._population = [member for member, _ in parents]
        self._lineages = [lineage for _, lineage in parents]

    def _rank(self, evaluation: Evaluation) -> Rank:
        """The rank by the loss on the training rows if there is one, otherwise by the score."""
        rank = rank_of(evaluation, self._objective)
        if not is_feasible(rank) or not evaluation.train_curve:
            return rank
        loss = evaluation.train_curve[-1]
        return (0, loss) if math.isfinite(loss) and evaluation.status is Status.OK else rank

    def _offspring(self, count: int, rng: np.random.Generator) -> list[Proposal]:
        feasible = [index for index, member in enumerate(self._population) if is_feasible(member.rank)]
        if not self._has_weights:
            return self._new(
                count, rng, lambda: self._mutant(feasible, rng) if feasible else sample_proposal(self._space, rng)
            )
        proposals = []
        self._inherited = []
        for _ in range(count):  # equal architectures with different weights are different networks
            if not feasible:
                proposals.append(sample_proposal(self._space, rng))
                self._inherited.append(())
                continue
            chosen = feasible[int(rng.integers(len(feasible)))]
            self._inherited.append(self._lineages[chosen])
            if rng.random() < STRUCTURAL:
                proposals.append(self._mutant([chosen], rng))
            else:
                parent = self._population[chosen].proposal
                proposals.append(replace(parent, parents=(parent.digest,), operator="perturb_weights"))
        return proposals

    def _mutant(self, indices: Sequence[int], rng: np.random.Generator) -> Proposal:
        """A child with a mutated architecture, of a random parent among those at `indices`."""
        parent = self._population[indices[int(rng.integers(len(indices)))]].proposal
        genome, operator = self._space.mutate(parent.genome, rng)
        return Proposal(genome, self._space.digest(genome), (parent.digest,), operator)

    def state(self) -> dict[str, Any]:
        """The parents with their seed chains, best first, and the digests tried."""
        state = super().state()
        return {
            **state,
            "lineages": [list(lineage) for lineage in self._lineages],
            "has_weights": self._has_weights,
            "seen": [] if self._has_weights else state["seen"],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        super().restore(state)
        self._lineages = [tuple(int(seed) for seed in lineage) for lineage in state["lineages"]]
        self._has_weights = bool(state["has_weights"])
