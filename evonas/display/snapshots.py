"""Snapshots of a run for watching it, with few short reads, so that the writer never waits."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evonas.display.in_training import retraining_words, training_lines
from evonas.display.scores import best_words, clock, format_score
from evonas.runs.events import ASKED
from evonas.runs.in_training import NetworkInTraining
from evonas.runs.progress import state_words
from evonas.runs.reader import RunReader
from evonas.runs.records import Record

__all__ = ["RunSnapshot", "snapshot_lines", "sparkline", "take_snapshot"]

_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class RunSnapshot:
    """A run at one moment.

    Attributes:
        directory: of the run.
        state: "running", "killed", or the reason why it stopped.
        is_over: whether the run has ended.
        objective, direction: of the search.
        generation: the current or last generation, from 1.
        trained, failed, infeasible: numbers of networks.
        seconds: duration of the search up to the last commit.
        bound: maximum duration in seconds, None for no limit.
        best: the best networks, best first.
        bests: best score so far after each generation.
        training: networks in training and their progress, as of a second or two ago.
        waiting: descriptions of proposed networks without a result; empty if `training` is known.
        retrainings: numbers of finished and planned re-trainings, None before the first.
        late: number of re-trainings for which there was no time.
    """

    directory: Path
    state: str
    is_over: bool
    objective: str
    direction: str
    generation: int
    trained: int
    failed: int
    infeasible: int
    seconds: float
    bound: float | None
    best: tuple[Record, ...]
    bests: tuple[float, ...]
    training: tuple[NetworkInTraining, ...]
    waiting: tuple[str, ...]
    retrainings: tuple[int, int] | None
    late: int = 0

    @property
    def rate(self) -> float:
        """Networks trained a second."""
        return self.trained / self.seconds if self.seconds > 0 else 0.0


def take_snapshot(directory: str | Path, top: int = 5) -> RunSnapshot:
    """Reads the committed state of a run.

    Raises:
        InputError: there is no run, or it is damaged.
    """
    with RunReader(directory) as run:
        summaries = run.summaries()
        sign = 1.0 if run.objective.direction == "min" else -1.0
        bests: list[float] = []
        for summary in summaries:
            if summary.best_loss is not None:
                bests.append(min([summary.best_loss, *bests[-1:]]))
        owner = run.owner
        running = owner not in (None, os.getpid())
        training = run.in_training if running else ()
        progress = run.retrainings_progress
        return RunSnapshot(
            directory=Path(directory),
            state="running" if running else run.stop or "killed",
            is_over=not running,
            objective=run.objective.name,
            direction=run.objective.direction,
            generation=summaries[-1].generation + 1 if summaries else 0,
            trained=run.evaluated,
            failed=run.failed,
            infeasible=run.infeasible,
            seconds=run.seconds,
            bound=run.budget.seconds,
            best=tuple(run.best(top)),
            bests=tuple(sign * loss for loss in bests),
            training=training,
            waiting=_pending_networks(run) if running and not training else (),
            retrainings=progress,
            late=run.retrainings.stopped if progress else 0,
        )


def sparkline(values: tuple[float, ...], width: int = 40) -> str:
    """Draws the last values as bars of eight heights."""
    last = values[-width:]
    low, high = min(last, default=0.0), max(last, default=0.0)
    steps = (len(_BARS) - 1) / ((high - low) or 1.0)
    return "".join(_BARS[round((value - low) * steps)] for value in last)


def snapshot_lines(snapshot: RunSnapshot) -> list[str]:
    """The snapshot as lines of text."""
    left = "" if snapshot.bound is None else f" of {clock(snapshot.bound)}"
    failed = f", {snapshot.failed} failed" + (f", {snapshot.infeasible} over limits" if snapshot.infeasible else "")
    name = snapshot.objective
    best = format_score(snapshot.best[0].evaluation.scores.get(name)) if snapshot.best else "none yet"
    state = state_words(snapshot.state)
    lines = [
        f"{snapshot.directory}: {state}, generation {snapshot.generation}, {clock(snapshot.seconds)}{left}",
        f"networks: {snapshot.trained:,} trained{failed}, {snapshot.rate:.2g} a second",
        f"best {name}: {best}  {sparkline(snapshot.bests)}",
    ]
    if snapshot.retrainings is not None:
        lines.append(f"finalists: {retraining_words(*snapshot.retrainings, snapshot.late)}")
    if snapshot.training:
        lines += ["in training:", *(f"  {line}" for line in training_lines(snapshot.training))]
    if snapshot.waiting:
        lines.append(f"in training: {'; '.join(snapshot.waiting)}")
    for rank, record in enumerate(snapshot.best, 1):
        score = format_score(record.evaluation.scores.get(name))
        lines.append(f"{rank:3}. {score:>12}  {record.operator:22.22}  {best_words(record)}")
    return lines


def _pending_networks(run: RunReader, most: int = 4) -> tuple[str, ...]:
    """Networks that have no result yet, if it is not known which are in training, as on other machines."""
    if not run.settings.asynchronous:
        last = run.summaries()[-1:]
        left = sum(each.candidates - each.evaluations for each in last)
        return (f"{left} of this generation",) if left > 0 else ()
    out: dict[tuple[int, int], Any] = {}
    for event in run.events.since(max(0, run.events.count - 400)):
        if event.kind == ASKED:
            out[event.place] = None
        else:
            out.pop(event.place, None)
    names = [f"network {index + 1} of generation {generation + 1}" for generation, index in out]
    return tuple(names[:most] + ([f"{len(names) - most} more"] if len(names) > most else []))
