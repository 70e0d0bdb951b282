"""Learning-rate schedules, as arrays with the rate of each step. Pure numpy, used by all trainers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["FINAL_SHARE", "learning_rates"]

#: Final rate of the exponential schedule, as a share of the peak rate.
FINAL_SHARE = 0.01


def learning_rates(peak: float, schedule: str, warmup: float, num_steps: int) -> NDArray[np.float32]:
    """Learning rates of all steps.

    The rate rises linearly over the first `round(warmup * num_steps)` steps and reaches the peak at the step after
    them; the schedule spans the remaining steps.

    Args:
        peak: highest rate, > 0.
        schedule: "constant", "cosine" (to 0; Loshchilov & Hutter 2017), "exponential" (to `FINAL_SHARE`), "flat_cosine"
            (constant for half of the steps, then cosine) or "coslog4" (four waves from 0 to the peak and back, each
            twice as long as the one before, after the warm-up). The last two are flat_cos and coslog_4 in Holzmüller et
            al. 2024, Better by default (arXiv 2407.04491).
        warmup: warm-up as a share of all steps, in [0, 0.5].
        num_steps: total number of steps, >= 1.

    Returns:
        float32 array, shape `(num_steps,)`.
    """
    warm = round(warmup * num_steps)
    steps, left = np.arange(num_steps - warm), max(num_steps - warm, 1)
    progress = steps / left
    match schedule:
        case "constant":
            factors = np.ones_like(progress)
        case "cosine":
            factors = 0.5 * (1.0 + np.cos(np.pi * progress))
        case "exponential":
            factors = FINAL_SHARE**progress
        case "flat_cosine":
            factors = 0.5 * (1.0 + np.cos(np.pi * (np.maximum(1.0, 2.0 * progress) - 1.0)))
        case "coslog4":
            # Offset by half a step, since the rate of the first step would otherwise be 0.
            factors = 0.5 * (1.0 - np.cos(2.0 * np.pi * np.log2(1.0 + 15.0 * (steps + 0.5) / left)))
        case _:
            raise ValueError(f"unknown schedule {schedule!r}")
    rising = (np.arange(warm) + 1) / (warm + 1)
    return (peak * np.concatenate([rising, factors])).astype(np.float32)
