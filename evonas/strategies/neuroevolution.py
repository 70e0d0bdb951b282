"""Neuroevolution: a genetic algorithm over the weights themselves. Nothing is trained; there are no gradients.

A network is a chain of seeds: of its initial weights, then of the Gaussian noise of each mutation. Its fitness is the
loss on the training rows, its score, as of every network, that on the validation split. The best fifth of parents and
children are the parents of the next generation (truncation selection, all of them elite). A few children change their
architecture, too, and keep the chain: what fits is the same, what does not grows anew from the same seeds.

Where an evaluator knows no weights (a loop of one's own on any function), genomes evolve by mutation, selected alike.

References:
    Such, Madhavan, Conti, Lehman, Stanley and Clune, "Deep Neuroevolution: Genetic Algorithms Are a Competitive
    Alternative for Training Deep Neural Networks for Reinforcement Learning", 2017, algorithm 1 and section 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evonas.config import Settings
from evonas.evaluation import Candidate, Evaluation, Status
from evonas.objective import Objective
from evonas.seeds import candidate_seed, generation_rng
from evonas.strategies.members import Member
from evonas.strategies.proposals import Proposal, new_proposal, sampled, sampled_generation, to_candidates
from evonas.strategies.ranking import Rank, is_feasible, rank_of
from evonas.strategies.turns import Turns
from genomes.space import SearchSpace

__all__ = ["Neuroevolution"]

#: Share of the population that become parents.
PARENTS = 0.2
#: Share of the children whose architecture changes with their weights.
STRUCTURAL = 0.05


@dataclass(frozen=True)
class _Parent:
    """A network with weights: a member and its chain of seeds."""

    member: Member
    lineage: tuple[int, ...]


class Neuroevolution:
    """A first population of `population` networks, then `offspring` children a generation."""

    def __init__(
        self, space: SearchSpace, objective: Objective, settings: Settings, initial: Sequence[Any] = ()
    ) -> None:
        self._space, self._objective, self._settings = space, objective, settings.resolved(objective.name)
        self._initial = tuple(initial)
        self._generation = 0
        self._parents: list[_Parent] = []  # best first
        self._seen: set[str] = set()
        # Until the first evaluations say whether there are any.
        self._has_weights = True
        self._turns = Turns(objective.name)

    def ask(self, count: int | None = None) -> list[Candidate]:
        """The first population, then children of the best fifth."""
        self._turns.check_ask(count)
        if self._generation == 0:
            count = count or self._settings.population
            proposals = sampled_generation(self._space, self._initial, self._settings, 0, self._seen, count)
            parents: list[_Parent | None] = [None] * len(proposals)
        else:
            proposals, parents = self._children(count or self._settings.offspring or self._settings.population)
        candidates = to_candidates(proposals, self._settings, self._generation)
        return self._turns.asked([self._with_lineage(*pair) for pair in zip(candidates, parents, strict=True)])

    def tell(self, evaluations: Sequence[Evaluation | float]) -> None:
        """Cuts parents and children to the best; of equals, the older stays."""
        pairs = self._turns.told(evaluations)
        if self._generation == 0:
            self._has_weights = any(evaluation.train_curve for _, evaluation in pairs)
        for candidate, evaluation in pairs:
            self._parents.append(_Parent(Member.of(candidate, self._rank(evaluation)), candidate.lineage))
            self._seen.add(candidate.digest)
        count = math.ceil(PARENTS * self._settings.population)
        self._parents = sorted(self._parents, key=lambda parent: parent.member.rank)[:count]
        self._generation += 1

    def _children(self, count: int) -> tuple[list[Proposal], list[_Parent | None]]:
        rng = generation_rng(self._settings.seed or 0, self._generation)
        able = [parent for parent in self._parents if is_feasible(parent.member.rank)]
        proposals: list[Proposal] = []
        parents: list[_Parent | None] = []
        chosen: _Parent | None = None

        def child() -> Proposal:
            nonlocal chosen
            if not able:
                return sample()
            chosen = able[int(rng.integers(len(able)))]
            parent = chosen.member.proposal
            if self._has_weights and rng.random() >= STRUCTURAL:
                return replace(parent, parents=(parent.digest,), operator="perturb_weights")
            genome, operator = self._space.mutate(parent.genome, rng)
            return Proposal(genome, self._space.digest(genome), (parent.digest,), operator)

        def sample() -> Proposal:
            nonlocal chosen
            chosen = None
            return sampled(self._space, rng)

        seen = set(self._seen)
        while len(proposals) < count:
            # Equal networks with other weights are others.
            proposals.append(child() if self._has_weights else new_proposal(seen, child, sample))
            parents.append(chosen)
            seen.add(proposals[-1].digest)
        return proposals, parents

    def _with_lineage(self, candidate: Candidate, parent: _Parent | None) -> Candidate:
        """The candidate with a seed of its own, at the end of its parent's chain."""
        if not self._has_weights:
            return candidate
        place = f"{candidate.digest}/{candidate.generation}/{candidate.index}"
        seed = candidate_seed(self._settings.seed or 0, place)
        return replace(candidate, seed=seed, lineage=(*(parent.lineage if parent else ()), seed))

    def _rank(self, evaluation: Evaluation) -> Rank:
        """By the loss on the training rows, where there is one; else by the score."""
        rank = rank_of(evaluation, self._objective)
        if not is_feasible(rank) or not evaluation.train_curve:
            return rank
        loss = evaluation.train_curve[-1]
        return (0, loss) if math.isfinite(loss) and evaluation.status is Status.OK else rank

    def retained(self) -> frozenset[tuple[int, int]]:
        """Starts nothing from what was trained before: seeds tell all."""
        return frozenset()

    def state(self) -> dict[str, Any]:
        """The parents with their chains of seeds, best first, and the digests tried."""
        self._turns.check_settled("state")
        return {
            "generation": self._generation,
            "parents": [
                {**parent.member.to_json(self._space), "lineage": list(parent.lineage)} for parent in self._parents
            ],
            "has_weights": self._has_weights,
            "seen": [] if self._has_weights else sorted(self._seen),
            "initial": [] if self._generation else [self._space.genome_to_json(genome) for genome in self._initial],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from `state`."""
        self._generation = int(state["generation"])
        self._parents = [
            _Parent(Member.from_json(value, self._space), tuple(value["lineage"])) for value in state["parents"]
        ]
        self._has_weights = bool(state["has_weights"])
        self._seen = set(state["seen"])
        self._initial = tuple(self._space.genome_from_json(value) for value in state["initial"])
        self._turns.reset()
