"""Learning rates of a whole training as one array. Pure numpy, used by all trainers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["FINAL_SHARE", "learning_rates"]

#: Share of the peak rate that the exponential schedule ends with.
FINAL_SHARE = 0.01


def learning_rates(peak: float, schedule: str, warmup: float, num_steps: int) -> NDArray[np.float32]:
    """Learning rates of all steps.

    Warm-up rises linearly over the first `round(warmup * num_steps)` steps and reaches the peak at the step after; the
    schedule spans the steps that remain.

    Args:
        peak: highest rate, > 0.
        schedule: "constant", "cosine" (to 0; Loshchilov & Hutter 2017), "exponential" (to `FINAL_SHARE`), "flat_cosine"
            (constant for half of the steps, then cosine) or "coslog4" (four waves from 0 to the peak and back, each
            twice as long as the one before; `warmup` comes before the first). The last two are flat_cos and coslog_4
            of Holzmüller et al. 2024, Better by default (arXiv 2407.04491).
        warmup: share of all steps, in [0, 0.5].
        num_steps: steps in all, >= 1.

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
            # Offset by half a step, since the first step would otherwise have a rate of 0.
            factors = 0.5 * (1.0 - np.cos(2.0 * np.pi * np.log2(1.0 + 15.0 * (steps + 0.5) / left)))
        case _:
            raise ValueError(f"unknown schedule {schedule!r}")
    rising = (np.arange(warm) + 1) / (warm + 1)
    return (peak * np.concatenate([rising, factors])).astype(np.float32)
