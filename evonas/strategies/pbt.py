"""Population-based training: networks train side by side, and the worst continue as changed copies of the best.

All train for an interval, a tenth of `settings.epochs`. Then those in the worst fifth, and all that failed, take over
the training of one of the best fifth (truncation selection) with a changed genome: other training settings keep
its weights and optimizer; a network that has grown starts from its weights, which preserves its function where
possible, with a new optimizer and schedule (not with `--inherit off`). Other changes of the layers are left to other
strategies. When the budget of epochs is through, a new population begins.

References:
    Jaderberg et al., "Population Based Training of Neural Networks", arXiv:1711.09846, 2017.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from evonas.config import Settings
from evonas.evaluation import Candidate, Evaluation
from evonas.objective import Objective
from evonas.seeds import generation_rng
from evonas.strategies.fidelity import PartialTraining
from evonas.strategies.proposals import ATTEMPTS, Proposal, new_proposal, sample_generation, sample_proposal
from evonas.strategies.ranking import UNRANKED, is_feasible, rank_of
from evonas.strategies.turn_taking import TurnTakingStrategy
from genomes.architecture.cost import count_parameters
from genomes.architecture.embedding import with_columns
from genomes.architecture.graph import same_layers
from genomes.architecture.shapes import least_shape
from genomes.space import SearchSpace

__all__ = ["PopulationBasedTraining"]

#: Intervals in which the budget of epochs is trained.
_STEPS = 10
#: Share of the population that is best, and that is worst.
_SHARE = 0.2


class PopulationBasedTraining(TurnTakingStrategy):
    """Trains `settings.population` networks, interval by interval."""

    def __init__(
        self, space: SearchSpace, objective: Objective, settings: Settings, initial: Sequence[Any] = ()
    ) -> None:
        super().__init__(space, objective, settings, initial)
        self._interval = math.ceil(settings.epochs / _STEPS)
        self._step = 0
        self._population: list[PartialTraining] = []
        self._out: list[PartialTraining] = []

    def _next(self, count: int | None) -> list[Candidate]:
        """One interval of the population's training; with `count`, the best, or more copies of them."""
        settings = self._settings
        if self._step == 0:
            initial = self._initial_left()
            size = count or settings.population
            proposals = sample_generation(self._space, initial, settings, self._generation, self._seen, size)
            self._out = [PartialTraining(proposal) for proposal in proposals]
        else:
            self._out = self._next_step(count or len(self._population))
        return [
            each.candidate(settings, min(each.epochs + self._interval, settings.epochs), self._generation, index, True)
            for index, each in enumerate(self._out)
        ]

    def _learn(self, told: Sequence[tuple[Candidate, Evaluation]]) -> None:
        """The population after the interval, best first."""
        population = []
        for training, (candidate, evaluation) in zip(self._out, told, strict=True):
            population.append(training.trained(candidate, rank_of(evaluation, self._objective)))
        self._population = sorted(population, key=lambda each: each.rank)
        self._out = []
        # The oldest tell how far the population is: who starts from a parent's weights starts counting from zero.
        through = max(each.epochs for each in self._population) >= self._settings.epochs
        self._step = 0 if through else self._step + 1

    def _next_step(self, size: int) -> list[PartialTraining]:
        """Those who continue, and changed copies of the best in the place of the others."""
        rng = generation_rng(self._settings.seed or 0, self._generation)
        fifth = max(1, int(_SHARE * size))
        able = [each for each in self._population if is_feasible(each.rank)]
        best = [each for each in self._population if each.rank != UNRANKED][:fifth]
        kept = able[: size - fifth if size > 1 else 1]
        return kept + [self._explore(best, rng) for _ in range(size - len(kept))]

    def _explore(self, best: Sequence[PartialTraining], rng: np.random.Generator) -> PartialTraining:
        """A changed copy of one of the best; a sample if there is none."""
        if not best:
            return PartialTraining(new_proposal(self._seen, lambda: sample_proposal(self._space, rng)))
        parent = best[int(rng.integers(len(best)))]
        digest = parent.proposal.digest
        for _ in range(ATTEMPTS):
            genome, operator = self._space.mutate(parent.proposal.genome, rng)
            proposal = Proposal(genome, self._space.digest(genome), (digest,), operator)
            if not is_feasible(parent.rank):
                # Never trained: there is nothing to take over, and all to change.
                return PartialTraining(proposal)
            kind = self._takes_over(parent.proposal.genome, genome)
            if kind == "continue":
                return PartialTraining(proposal, epochs=parent.epochs, place=parent.place)
            if kind == "inherit" and self._settings.inherit is not False:
                return PartialTraining(proposal, place=parent.place, kind=kind)
        return PartialTraining(parent.proposal, epochs=parent.epochs, place=parent.place)

    def _takes_over(self, parent: Any, child: Any) -> Literal["continue", "inherit"] | None:
        """How a child starts from its parent's training; None if its layers have changed, and not grown."""
        architecture = getattr(self._space, "architecture", None)
        if architecture is None:
            # Who knows what the genome builds? Its trainer takes over what fits.
            return "inherit"
        # Of one number: which of two networks is larger hardly depends on the data.
        before, after = (with_columns(architecture(genome), (0,), (), (0,)) for genome in (parent, child))
        if same_layers(before, after):
            return "continue"
        old, new = (count_parameters(graph, 1, 1, least_shape(graph)) for graph in (before, after))
        return "inherit" if new > old else None

    def retained(self) -> frozenset[tuple[int, int]]:
        """All of the population, until its budget is through."""
        return frozenset(each.place for each in self._population if each.place and self._step)

    def _own_state(self) -> dict[str, Any]:
        """The population, and how far it is."""
        return {"step": self._step, "population": [training.to_json(self._space) for training in self._population]}

    def _restore_own(self, state: Mapping[str, Any]) -> None:
        self._step = int(state["step"])
        self._population = [PartialTraining.from_json(value, self._space) for value in state["population"]]
        self._out = []
