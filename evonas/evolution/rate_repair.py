"""The learning-rate range test as a repair operator for networks whose structure a mutation has changed.

A child inherits its parent's learning rate, which may not suit the changed layers. With `--repair`, each such child is
trained for a few steps with a growing rate, in the worker (`evonas.tasks.sweep`), and gets the rate at which its loss
fell fastest. Imports no Keras.

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
from evonas.seeds import candidate_seed
from evonas.strategies import STRATEGIES, strategy_row
from evonas.tasks.sweep import LearningRateCurve, SweepTask, sweep_rates
from genomes.architecture.graph import graph_to_json
from genomes.dense import DenseGenome, DenseSpace
from genomes.dense.genes import with_gene
from genomes.dense.mutation import STRUCTURAL
from genomes.domains import Choice
from genomes.errors import InputError
from genomes.space import SearchSpace

__all__ = ["RateRepair", "check_repair", "repair_of"]

Sweep = Callable[[SweepTask], LearningRateCurve]

#: Steps of a test; and how far it extends the range of the space at both ends.
_STEPS, _MARGIN = 60, 10.0
#: Smallest relative decrease of the loss; anything less may be noise of the batches.
_LEAST_FALL = 0.05


class RateRepair:
    """Implements `evonas.strategies.repairs.Repair`."""

    operators: AbstractSet[str] = STRUCTURAL

    def __init__(self, space: DenseSpace, sweep: Sweep, seed: int, interruption: Interruption) -> None:
        """Of a run's networks.

        Args:
            space: with rates to choose from.
            sweep: trains a network while its rate grows.
            seed: of the run.
            interruption: of the run; a stop that is asked for raises `Abandoned` instead of the next test.
        """
        self._space, self._sweep, self._seed, self._interruption = space, sweep, seed, interruption
        domain = space.domain("learning_rate")
        self._rates = sweep_rates(domain.least / _MARGIN, domain.greatest * _MARGIN, _STEPS)

    def __call__(self, genomes: Sequence[DenseGenome]) -> list[DenseGenome]:
        """Each genome with the rate that its test suggests; unchanged if the test is inconclusive."""
        return [self._repair(genome) for genome in genomes]

    def _repair(self, genome: DenseGenome) -> DenseGenome:
        seed = candidate_seed(self._seed, self._space.digest(genome))
        task = SweepTask(graph_to_json(self._space.architecture(genome)), self._rates, (seed,))
        if self._interruption.requested:
            raise Abandoned
        # If the loss never falls, or the worker cannot hold the network, its training will show that.
        with suppress(InputError, WorkerError), self._interruption.waiting():
            curve = self._sweep(task)
            suggested = curve.suggested
            if min(curve.smoothed) < (1.0 - _LEAST_FALL) * curve.smoothed[0]:
                return with_gene(genome, "learning_rate", self._nearest(suggested))
        return genome

    def _nearest(self, rate: float) -> float:
        """The nearest rate of the space."""
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
            "repair must be off where the space has one learning rate only, "
            f"{space.domain('learning_rate').least:g}: give it a range"
        )
    if not strategy_row(settings.strategy).mutates:
        able = ", ".join(name for name, row in STRATEGIES.items() if row.mutates)
        raise InputError(
            f"repair must be off with strategy {settings.strategy}, which makes no new networks by mutation alone: "
            f"choose one of {able}"
        )
    if settings.inherit:
        raise InputError(
            "repair must be off with inherit on: a test from new weights does not tell which rate suits inherited ones"
        )


def repair_of(settings: Settings, space: SearchSpace, evaluator: Any, interruption: Interruption) -> RateRepair | None:
    """The repair that the settings ask for; None without one.

    Raises:
        InputError: as `check_repair`, or the evaluator cannot sweep.
    """
    check_repair(settings, space)
    if not settings.repair:
        return None
    if not hasattr(evaluator, "sweep"):
        raise InputError("repair must be off with an evaluator of your own, unless it has a method sweep(task)")
    return RateRepair(cast(DenseSpace, space), evaluator.sweep, settings.seed or 0, interruption)
