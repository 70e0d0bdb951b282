"""Expected cost of an evaluation, which is the same on all machines, so that a seed determines the run.

It determines the effort per proposal (`Settings.evaluation_seconds`). It is computed from architectures, rows and
epochs at a nominal speed, without measurements, and recorded with the settings for resumed runs.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from evonas.config import Settings
from evonas.evolution.training_cost import cost_of_training, speed_of
from evonas.seeds import RandomStream, stream_rng
from evonas.strategies import find_row
from genomes.space import SearchSpace

if TYPE_CHECKING:
    from evonas.data.prepared import PreparedData

__all__ = ["with_expected_seconds"]

#: Number of random networks whose median cost is used.
_SAMPLES = 15
#: Operations per second of a nominal core.
_NOMINAL_FLOPS = 5e10
#: Nominal training time of a user-defined model, in seconds.
_OWN_MODEL_SECONDS = 5.0


def with_expected_seconds(settings: Settings, space: SearchSpace, data: PreparedData | None) -> Settings:
    """The settings with `evaluation_seconds`, if the strategy uses it and it was not set.

    Args:
        settings: the run's resolved settings.
        space: the space to search.
        data: the training data; None for user-defined training functions.
    """
    row = find_row(settings.strategy)
    if row is None or "evaluation_seconds" not in row.settings or settings.evaluation_seconds is not None:
        return settings
    return settings.model_copy(update={"evaluation_seconds": _expected_seconds(space, data, settings)})


def _expected_seconds(space: SearchSpace, data: PreparedData | None, settings: Settings) -> float | None:
    """Estimated seconds to train a network on a nominal machine, to two digits; None if unknown."""
    speed = None if data is None else speed_of(settings.trainer, data.problem.sample_shape)
    if data is None or not hasattr(space, "architecture"):
        return _OWN_MODEL_SECONDS
    if speed is None:
        return None
    cost = cost_of_training(space, data, settings, speed, _NOMINAL_FLOPS)
    rng = stream_rng(RandomStream.EVALUATION_COST, 0)
    seconds = median(cost(space.sample(rng), settings.epochs) for _ in range(_SAMPLES))
    return float(f"{seconds:.2g}")
