"""Population-based training: during training, the worst networks are replaced by mutated copies of the best.

All networks train for an interval, a tenth of `settings.epochs`. Then the worst fifth, and all failed networks, are
each replaced by a mutated copy of a random network of the best fifth (truncation selection). If only training settings
change, the copy keeps the weights and the optimizer state. A network that has grown starts from its parent's weights,
preserving the function where possible, with a new optimizer and schedule (not with `--inherit off`). Other changes of
layers are not made. When the epoch budget is used up, a new population is started.

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

#: Number of intervals into which the epoch budget is divided.
_STEPS = 10
#: Share of the population in each of the two groups, the best and the worst.
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
        """The population's next interval; if `count` is smaller, only the best, and if it is larger, more copies."""
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
        """Updates the population after an interval, and sorts it, best first."""
        population = []
        for training, (candidate, evaluation) in zip(self._out, told, strict=True):
            population.append(training.with_evaluation(candidate, rank_of(evaluation, self._objective)))
        self._population = sorted(population, key=lambda each: each.rank)
        self._out = []
        # The longest-trained member determines the progress: members that inherited weights count epochs from zero.
        finished = max(each.epochs for each in self._population) >= self._settings.epochs
        self._step = 0 if finished else self._step + 1

    def _next_step(self, size: int) -> list[PartialTraining]:
        """The members that continue, and mutated copies of the best in place of the others."""
        rng = generation_rng(self._settings.seed or 0, self._generation)
        fifth = max(1, int(_SHARE * size))
        feasible = [each for each in self._population if is_feasible(each.rank)]
        best = [each for each in self._population if each.rank != UNRANKED][:fifth]
        kept = feasible[: size - fifth if size > 1 else 1]
        return kept + [self._explore(best, rng) for _ in range(size - len(kept))]

    def _explore(self, best: Sequence[PartialTraining], rng: np.random.Generator) -> PartialTraining:
        """A mutated copy of a random network of `best`; a sample if `best` is empty."""
        if not best:
            return PartialTraining(new_proposal(self._seen, lambda: sample_proposal(self._space, rng)))
        parent = best[int(rng.integers(len(best)))]
        digest = parent.proposal.digest
        for _ in range(ATTEMPTS):
            genome, operator = self._space.mutate(parent.proposal.genome, rng)
            proposal = Proposal(genome, self._space.digest(genome), (digest,), operator)
            if not is_feasible(parent.rank):
                # The parent was never trained, so there are no weights to inherit.
                return PartialTraining(proposal)
            kind = self._origin_kind(parent.proposal.genome, genome)
            if kind == "continue":
                return PartialTraining(proposal, epochs=parent.epochs, place=parent.place)
            if kind == "inherit" and self._settings.inherit is not False:
                return PartialTraining(proposal, place=parent.place, kind=kind)
        return PartialTraining(parent.proposal, epochs=parent.epochs, place=parent.place)

    def _origin_kind(self, parent: Any, child: Any) -> Literal["continue", "inherit"] | None:
        """The kind of the child's origin; None if its layers changed in any other way than by growing."""
        architecture = getattr(self._space, "architecture", None)
        if architecture is None:
            # Without an architecture, the trainer inherits the weights that fit.
            return "inherit"
        # Sizes are compared for a nominal input, since their order hardly depends on the data.
        before, after = (with_columns(architecture(genome), (0,), (), (0,)) for genome in (parent, child))
        if same_layers(before, after):
            return "continue"
        old, new = (count_parameters(graph, 1, 1, least_shape(graph)) for graph in (before, after))
        return "inherit" if new > old else None

    def retained(self) -> frozenset[tuple[int, int]]:
        """The whole population, until its epoch budget is used up."""
        return frozenset(each.place for each in self._population if each.place and self._step)

    def _own_state(self) -> dict[str, Any]:
        """The population and its progress."""
        return {"step": self._step, "population": [training.to_json(self._space) for training in self._population]}

    def _restore_own(self, state: Mapping[str, Any]) -> None:
        self._step = int(state["step"])
        self._population = [PartialTraining.from_json(value, self._space) for value in state["population"]]
        self._out = []
