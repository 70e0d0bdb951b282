"""Learning rates of a whole training as one array. Pure numpy: both trainers use it, and it decides nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["FINAL_SHARE", "learning_rates"]

#: Share of the peak rate that the exponential schedule ends with.
FINAL_SHARE = 0.01


def learning_rates(peak: float, schedule: str, warmup: float, num_steps: int) -> NDArray[np.float32]:
    """Rate of every step.

    Warm-up rises linearly over the first `round(warmup * num_steps)` steps and reaches the peak at the step after; the
    schedule spans the steps that remain.

    Args:
        peak: highest rate, > 0.
        schedule: "constant", "cosine" (to 0; Loshchilov & Hutter 2017) or "exponential" (to `FINAL_SHARE`).
        warmup: share of all steps, in [0, 0.5].
        num_steps: steps in all, >= 1.

    Returns:
        float32 array, shape `(num_steps,)`.
    """
    warm = round(warmup * num_steps)
    progress = np.arange(num_steps - warm) / max(num_steps - warm, 1)
    match schedule:
        case "constant":
            factors = np.ones_like(progress)
        case "cosine":
            factors = 0.5 * (1.0 + np.cos(np.pi * progress))
        case "exponential":
            factors = FINAL_SHARE**progress
        case _:
            raise ValueError(f"unknown schedule {schedule!r}")
    rising = (np.arange(warm) + 1) / (warm + 1)
    return (peak * np.concatenate([rising, factors])).astype(np.float32)
