"""When networks were probably trained: a run keeps how long each training took, and in which order, but not when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evonas.reporting.rundata import RunData

__all__ = ["Schedule", "estimate_schedule"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Schedule:
    """Trainings on lanes, one for each network that is trained at a time.

    Attributes:
        lanes: of every record, shape `(num_records,)`.
        starts, ends: seconds since the search began, shape `(num_records,)`.
        num_lanes: networks trained at a time, on average.
    """

    lanes: NDArray[np.intp]
    starts: Array
    ends: Array
    num_lanes: int


def estimate_schedule(run: RunData) -> Schedule:
    """Trainings in the order of the candidates, each on the lane that is free first, stretched to the search's time."""
    seconds = np.array([record.evaluation.train_seconds for record in run.records], np.float64)
    spent = run.times.get("search", 0.0) or run.seconds
    count = max(1, round(float(seconds.sum()) / spent)) if spent > 0 else 1
    free = np.zeros(count)
    lanes = np.zeros(len(seconds), np.intp)
    starts, ends = np.zeros(len(seconds)), np.zeros(len(seconds))
    for place, each in enumerate(seconds):
        lane = int(free.argmin())
        lanes[place], starts[place] = lane, free[lane]
        free[lane] += each
        ends[place] = free[lane]
    latest = float(ends.max(initial=0.0))
    stretch = spent / latest if latest > 0 and spent > 0 else 1.0
    return Schedule(lanes, starts * stretch, ends * stretch, count)
