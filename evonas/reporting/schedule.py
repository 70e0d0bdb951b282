"""When and where networks were trained: as recorded, or estimated for older runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evonas.reporting.rundata import RunData
from evonas.runs.spans import TrainingSpan

__all__ = ["Schedule", "finishing_times", "schedule_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Schedule:
    """Training runs on parallel lanes, one for each network trained concurrently.

    Attributes:
        records: index of each training run's network in the records of the run, shape `(num_trainings,)`.
        lanes: lane of each training run, shape `(num_trainings,)`.
        starts, ends: seconds since the start of the search, shape `(num_trainings,)`.
        names: names of the lanes.
        again: whether each training run is that of a retrained finalist, shape `(num_trainings,)`.
        exact: whether the times were recorded; otherwise they are estimated from training times.
    """

    records: NDArray[np.intp]
    lanes: NDArray[np.intp]
    starts: Array
    ends: Array
    names: tuple[str, ...]
    again: NDArray[np.bool_]
    exact: bool


def schedule_of(run: RunData, finalists: bool = False) -> Schedule:
    """The training runs with recorded times, or all training runs with estimated times if none were recorded.

    Args:
        run: the search.
        finalists: whether to include those of retrained finalists, if recorded.
    """
    return _measure(run, run.retrainings if finalists else ()) if run.trainings else _estimate(run)


def finishing_times(run: RunData) -> tuple[Array, bool]:
    """The time when each network was trained, and whether the times were recorded or estimated.

    Returns:
        Seconds since the start of the search, shape `(num_records,)`, where a record without training has the time of
        its predecessor; and whether they were recorded.
    """
    schedule = schedule_of(run)
    ends = np.zeros(len(run.records))
    np.maximum.at(ends, schedule.records, schedule.ends)
    if not schedule.exact:
        return np.maximum.accumulate(ends), False
    known = np.zeros(len(run.records), bool)
    known[schedule.records] = True
    trained = np.array([record.evaluation.train_seconds > 0.0 for record in run.records], bool)
    if (trained & ~known).any():  # continued after an earlier version
        estimate = _estimate(run)
        return np.maximum.accumulate(estimate.ends), False
    return np.where(known, ends, np.maximum.accumulate(ends)), True


def _measure(run: RunData, more: Sequence[TrainingSpan]) -> Schedule:
    indices = {(record.generation, record.index): index for index, record in enumerate(run.records)}
    searched = [each for each in run.trainings if each.place in indices]
    known = [*searched, *(each for each in more if each.place in indices)]
    lanes, names = _lanes_of(known)
    return Schedule(
        records=np.array([indices[each.place] for each in known], np.intp),
        lanes=lanes,
        starts=np.array([each.started for each in known], np.float64),
        ends=np.array([each.ended for each in known], np.float64),
        names=names,
        again=np.arange(len(known)) >= len(searched),
        exact=True,
    )


def _lanes_of(trainings: Sequence[TrainingSpan]) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """One lane per thread, or more for a thread that trains several networks concurrently; sorted by process."""
    order = sorted(range(len(trainings)), key=lambda index: trainings[index].started)
    workers = {process: k for k, process in enumerate(dict.fromkeys(trainings[index].process for index in order), 1)}
    #: Time when each lane of a worker's thread becomes free.
    free: dict[tuple[int, int], list[float]] = {}
    found: list[tuple[int, int, int]] = [(0, 0, 0)] * len(trainings)
    for index in order:
        each = trainings[index]
        thread = (workers[each.process], each.thread + 1)
        ends = free.setdefault(thread, [])
        lane = next((k for k, end in enumerate(ends) if end <= each.started), len(ends))
        ends[lane : lane + 1] = [each.ended]
        found[index] = (*thread, lane)
    numbers = {lane: k for k, lane in enumerate(sorted(set(found)))}
    return np.array([numbers[lane] for lane in found], np.intp), tuple(_name(*lane, len(workers)) for lane in numbers)


def _name(worker: int, thread: int, lane: int, workers: int) -> str:
    words = f"worker {worker}, thread {thread}" if workers > 1 else f"thread {thread}"
    return f"{words}, network {lane + 1}" if lane else words


def _estimate(run: RunData) -> Schedule:
    """Training runs in the candidates' order, each on the first free lane, scaled to the duration of the search."""
    seconds = np.array([record.evaluation.train_seconds for record in run.records], np.float64)
    spent = run.times.get("search", 0.0) or run.seconds
    count = max(1, round(float(seconds.sum()) / spent)) if spent > 0 else 1
    free = np.zeros(count)
    lanes = np.zeros(len(seconds), np.intp)
    starts, ends = np.zeros(len(seconds)), np.zeros(len(seconds))
    for index, each in enumerate(seconds):
        lane = int(free.argmin())
        lanes[index], starts[index] = lane, free[lane]
        free[lane] += each
        ends[index] = free[lane]
    latest = float(ends.max(initial=0.0))
    stretch = spent / latest if latest > 0 and spent > 0 else 1.0
    names = tuple(f"{lane + 1} at a time" for lane in range(count))
    again = np.zeros(len(seconds), bool)
    return Schedule(np.arange(len(seconds)), lanes, starts * stretch, ends * stretch, names, again, exact=False)
