"""The learning-rate range test as a repair operator for children of structural mutations.

A child inherits its parent's learning rate, which may not suit the changed layers. With `--repair`, the worker trains
each such child for a few steps with an increasing rate (`evonas.rate_sweep`), and the child gets the rate at which its
loss fell fastest. Imports no Keras.

Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any, cast

from evonas.config import Settings
from evonas.errors import WorkerError
from evonas.interruption import Abandoned, Interruption
from evonas.rate_sweep import LearningRateCurve, SweepTask, sweep_rates
from evonas.seeds import candidate_seed
from evonas.strategies import STRATEGIES, strategy_row
from genomes import DenseGenome, DenseSpace
from genomes.architecture.graph import graph_to_json
from genomes.domains import Choice
from genomes.errors import InputError
from genomes.space import SearchSpace

__all__ = ["RateRepair", "check_repair", "repair_of"]

Sweep = Callable[[SweepTask], LearningRateCurve]

#: Number of steps of a test, and the factor by which it extends the space's range at both ends.
_STEPS, _MARGIN = 60, 10.0
#: Smallest relative decrease of the loss that counts; smaller ones may be batch noise.
_LEAST_FALL = 0.05


class RateRepair:
    """Implements `evonas.strategies.repairs.Repair`."""

    def __init__(self, space: DenseSpace, sweep: Sweep, seed: int, interruption: Interruption) -> None:
        """Creates the repair of a run.

        Args:
            space: the space, in which the learning rate is free.
            sweep: trains a network with an increasing rate.
            seed: seed of the run.
            interruption: interruption of the run; if a stop is requested, the next test raises `Abandoned`.
        """
        self._space, self._sweep, self._seed, self._interruption = space, sweep, seed, interruption
        self.operators: AbstractSet[str] = space.structural_mutations
        domain = space.domain("learning_rate")
        self._rates = sweep_rates(domain.least / _MARGIN, domain.greatest * _MARGIN, _STEPS)

    def __call__(self, genomes: Sequence[DenseGenome]) -> list[DenseGenome]:
        """Returns each genome with the rate suggested by its test, unchanged if the test is inconclusive."""
        return [self._repair(genome) for genome in genomes]

    def _repair(self, genome: DenseGenome) -> DenseGenome:
        seed = candidate_seed(self._seed, self._space.digest(genome))
        task = SweepTask(graph_to_json(self._space.architecture(genome)), self._rates, (seed,))
        if self._interruption.requested:
            raise Abandoned
        # If the loss never falls or the worker fails, the training run will show it.
        with suppress(InputError, WorkerError), self._interruption.waiting():
            curve = self._sweep(task)
            suggested = curve.suggested
            if min(curve.smoothed) < (1.0 - _LEAST_FALL) * curve.smoothed[0]:
                return self._space.with_gene(genome, "learning_rate", self._nearest(suggested))
        return genome

    def _nearest(self, rate: float) -> float:
        """The nearest rate that the space contains."""
        domain = self._space.domain("learning_rate")
        if isinstance(domain, Choice):
            return cast(float, min(domain.options, key=lambda option: abs(math.log(option / rate))))
        return cast(float, domain.clip(rate))


def check_repair(settings: Settings, space: SearchSpace) -> None:
    """Raises InputError if repair is requested but impossible."""
    if not settings.repair:
        return
    if not isinstance(space, DenseSpace):
        raise InputError(
            f"repair must be off with {type(space).__name__}, whose networks and learning rates are not known before "
            "they are built: vary the learning rate as a gene"
        )
    if not space.is_free("learning_rate"):
        raise InputError(
            "repair must be off if the space has one learning rate only, "
            f"{space.domain('learning_rate').least:g}: give it a range"
        )
    if not strategy_row(settings.strategy).mutates:
        able = ", ".join(name for name, row in STRATEGIES.items() if row.mutates)
        raise InputError(
            f"repair must be off with strategy {settings.strategy}, which does not create networks by mutation: "
            f"choose one of {able}"
        )
    if settings.inherit:
        raise InputError(
            "repair must be off with inherit on: a test from new weights does not show which rate suits inherited ones"
        )


def repair_of(settings: Settings, space: SearchSpace, evaluator: Any, interruption: Interruption) -> RateRepair | None:
    """The repair if it is enabled in the settings; otherwise None.

    Raises:
        InputError: as for `check_repair`, or the evaluator has no method `sweep`.
    """
    check_repair(settings, space)
    if not settings.repair:
        return None
    if not hasattr(evaluator, "sweep"):
        raise InputError("repair must be off with your own evaluator, unless it has a method sweep(task)")
    return RateRepair(cast(DenseSpace, space), evaluator.sweep, settings.seed or 0, interruption)
