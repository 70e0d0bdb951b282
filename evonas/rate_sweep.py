"""The learning-rate range test: its request, its result, and the rate that it suggests. Pure numpy.

A network is trained for a few hundred steps while the rate of each step grows exponentially. The loss first stays, then
falls, then explodes; a good rate lies where it falls fastest, well below where it explodes.

Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genomes.errors import InputError

__all__ = ["LearningRateCurve", "SweepTask", "sweep_rates"]

Array = NDArray[np.float64]

#: A sweep ends when the smoothed loss is this many times its lowest: what follows is noise.
EXPLODED = 4.0
#: Share of the range, in its logarithm, over which losses are averaged.
_SMOOTHING = 0.02


@dataclass(frozen=True)
class SweepTask:
    """One network to be swept.

    Attributes:
        architecture: the architecture graph as JSON values; its learning rate, schedule and warm-up play no part.
        rates: of each step, shape `(num_steps,)`.
        seeds: of the trainings, whose losses are averaged.
    """

    architecture: Mapping[str, Any]
    rates: tuple[float, ...]
    seeds: tuple[int, ...]


def sweep_rates(low: float = 1e-6, high: float = 10.0, steps: int = 300) -> tuple[float, ...]:
    """Rates that grow exponentially from `low` to `high`.

    Raises:
        InputError: the range is empty or there are fewer than 20 steps.
    """
    if not 0 < low < high < math.inf:
        raise InputError(
            f"the lowest rate must be above 0 and below the highest, not {low:g} and {high:g}: try 1e-6 and 10"
        )
    if steps < 20:
        raise InputError(f"steps must be at least 20, not {steps}: a curve of fewer shows nothing")
    return tuple(float(rate) for rate in np.geomspace(low, high, steps))


@dataclass(frozen=True)
class LearningRateCurve:
    """The outcome of a range test.

    Attributes:
        rates: of the steps that were taken, shape `(num_steps,)`.
        losses: training loss of each step's batch before the step, a mean over the seeds, shape `(num_steps,)`.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]

    @cached_property
    def smoothed(self) -> tuple[float, ...]:
        """The losses, averaged over neighbouring rates with Gaussian weights, shape `(num_steps,)`."""
        return tuple(float(value) for value in _smooth(np.array(self.losses), self._width))

    @property
    def _width(self) -> float:
        return max(1.0, _SMOOTHING * len(self.rates))

    @property
    def lowest(self) -> int:
        """The step at which the smoothed loss is lowest."""
        return int(np.argmin(self.smoothed))

    @cached_property
    def suggested(self) -> float:
        """The rate at which the smoothed loss falls fastest, before its lowest point.

        Raises:
            InputError: the loss does not fall at any rate, or there is none.
        """
        if len(self.losses) < 2:
            raise InputError(
                "a learning rate can be suggested only where losses are finite, and they are not from the first steps "
                "on: scale the data, or take another network"
            )
        fall = np.gradient(np.array(self.smoothed))[: self.lowest + 1]
        if self.lowest == 0 or fall.min() >= 0:
            raise InputError(
                "a learning rate can be suggested only where the loss falls, and it does at none from "
                f"{self.rates[0]:.2g} to {self.rates[-1]:.2g}: start lower, or take another network"
            )
        return float(f"{self.rates[int(np.argmin(fall))]:.3g}")


def _smooth(values: Array, width: float) -> Array:
    """Averages with Gaussian weights of that width, in places; nothing is made up beyond the ends."""
    place = np.arange(len(values))
    weights = np.exp(-0.5 * ((place[:, None] - place[None, :]) / width) ** 2)
    return np.asarray((weights @ values) / weights.sum(axis=1))
