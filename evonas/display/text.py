"""`Display`, the protocol of displays of a search, and those that write lines: `Plain`, `Events`, `Several`."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, Protocol

from evonas.config import Budget
from evonas.display import next_steps, scores, start_summary, summaries
from evonas.display.progress_rate import ProgressRate
from evonas.io.console import say_lines
from evonas.objective import Objective
from evonas.runs.progress import Generation, Progress
from evonas.runs.reader import RunReader

if TYPE_CHECKING:
    from evonas.export_tasks import Exported

__all__ = ["Display", "Events", "Plain", "Several"]

_NONE: Mapping[str, float] = MappingProxyType({})
#: Seconds without output after which a line shows the progress of the generation or the finalists.
_SILENCE_SECONDS = 10.0


class Display(Protocol):
    """Shows a search. Calls: `start`, (`part` ..., `generation`) ..., `finalists` ..., `pause`, `finish`."""

    def start(self, run: RunReader, budget: Budget) -> None:
        """Called when the run exists, before anything is trained in this session."""

    def part(self, progress: Progress) -> None:
        """Called after each commit."""

    def generation(self, generation: Generation) -> None:
        """Called when a generation is complete."""

    def finalists(self, done: int, planned: int) -> None:
        """Called before the first re-training of the best networks and after each commit."""

    def pause(self) -> None:
        """Called when the search has ended and other output may follow; also without `start`, and twice."""

    def finish(self, run: RunReader, exported: Exported | None, test_scores: Mapping[str, float] = _NONE) -> None:
        """Shows the run's outcome: the best network as a file, if one was written, and its test scores."""


class Plain:
    """Writes lines of text; with `quiet`, only the result."""

    def __init__(self, stream: IO[str], quiet: bool = False) -> None:
        self._stream, self._quiet = stream, quiet
        self._pace: ProgressRate | None = None
        self._told = False
        self._printed_at = time.monotonic()
        self._objective = Objective("score", "min")
        self._budget = Budget()

    def start(self, run: RunReader, budget: Budget) -> None:
        self._objective, self._budget = run.objective, budget
        self._pace = ProgressRate(budget, run.objective, run.generations, run.evaluated, run.seconds)
        if not self._quiet:
            self._print([*start_summary.start_lines(run, budget), ""])

    def part(self, progress: Progress) -> None:
        if self._pace is not None:
            self._pace.part(progress)
        self._show_progress(progress)

    def generation(self, generation: Generation) -> None:
        if not self._quiet and self._pace is not None:
            self._print([self._generation_line(generation, self._pace)])

    def finalists(self, done: int, planned: int) -> None:
        if not self._quiet and not self._told:
            if planned > done:  # otherwise there is no time for any
                self._print([f"Finalists: training the best networks again, {_times(planned - done)}"])
        elif not self._quiet and self._is_silent and done < planned:
            self._print([f"  {done} of {planned} re-trainings done"])
        self._told = True

    def pause(self) -> None:
        pass

    def finish(self, run: RunReader, exported: Exported | None, test_scores: Mapping[str, float] = _NONE) -> None:
        self.pause()  # a live block would be redrawn over the lines below it
        lines = [] if self._quiet else [""]
        lines += summaries.summary_lines(run, _test(exported, test_scores))
        if exported is not None:
            lines += next_steps.exported_lines(exported, run.objective.name)
        elif test_scores and not summaries.shows_test_scores(run):
            lines.append(next_steps.test_line(test_scores, run.objective.name))
        elif run.source.get("build") and summaries.is_late(run):
            lines.append("Model: not written, since no time was left; see Export")
        self._print([*lines, *next_steps.next_lines(run)])

    def _generation_line(self, generation: Generation, pace: ProgressRate) -> str:
        of = f"/{self._budget.generations}" if self._budget.generations else ""
        over = sum(evaluation.status == "infeasible" for evaluation in generation.evaluations)
        failed = sum(evaluation.status != "ok" for evaluation in generation.evaluations) - over
        best = scores.score_of(generation.best, self._objective.name)
        parts = [
            f"generation {generation.number + 1}{of}: {generation.trained} trained"
            + (f" ({failed} failed)" if failed else "")
            + (f", {over} over limits" if over else ""),
            f"best {self._objective.name} {scores.format_score(best)}",
            f"median {scores.format_score(pace.median if generation.trained else None)}",
            f"{pace.per_second:.2g} a second",
            scores.clock(generation.seconds),
        ]
        left = pace.seconds_left(generation.seconds)
        return ", ".join(parts) + (f", {scores.clock(left)} left" if left else "")

    def _show_progress(self, progress: Progress) -> None:
        """Writes a line during a long generation."""
        if self._quiet or not self._is_silent or progress.trained >= progress.planned:
            return
        best = scores.format_score(scores.score_of(progress.best, self._objective.name))
        done = f"{progress.trained} of {progress.planned} trained, best {self._objective.name} {best}"
        self._print([f"  generation {progress.generation + 1}: {done}, {scores.clock(progress.seconds)}"])

    @property
    def _is_silent(self) -> bool:
        return time.monotonic() - self._printed_at >= _SILENCE_SECONDS

    def _print(self, lines: Sequence[str]) -> None:
        self._printed_at = time.monotonic()
        # The output may be closed: the search continues for its result.
        say_lines(*lines, stream=self._stream)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times in all"


def _test(exported: Exported | None, test_scores: Mapping[str, float]) -> Mapping[str, float]:
    """Test scores of the best network itself, since a file may hold an ensemble or be calibrated."""
    return test_scores or ({} if exported is None or exported.members else exported.test_scores)


class Events:
    """Writes one JSON object per line, see `evonas.display`."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._pace: ProgressRate | None = None
        self._objective = ""

    def start(self, run: RunReader, budget: Budget) -> None:
        self._objective = run.objective.name
        self._pace = ProgressRate(budget, run.objective, run.generations, run.evaluated, run.seconds)
        self._write("start", start_summary.start_values(run, budget))

    def part(self, progress: Progress) -> None:
        assert self._pace is not None, "a display is started first"
        self._pace.part(progress)
        values = {
            "generation": progress.generation + 1,
            "trained": progress.trained,
            "planned": progress.planned,
            "evaluated": progress.evaluated,
            "failed": progress.failed,
            "best": scores.score_of(progress.best, self._objective),
            "seconds": progress.seconds,
            "seconds_left": self._pace.seconds_left(progress.seconds),
        }
        self._write("progress", values)

    def generation(self, generation: Generation) -> None:
        assert self._pace is not None, "a display is started first"
        values = {
            "generation": generation.number + 1,
            "trained": generation.trained,
            "failed": sum(evaluation.status != "ok" for evaluation in generation.evaluations),
            "best": scores.score_of(generation.best, self._objective),
            "median": self._pace.median if generation.trained else None,
            "seconds": generation.seconds,
        }
        self._write("generation", values)

    def finalists(self, done: int, planned: int) -> None:
        self._write("finalists", {"done": done, "planned": planned})

    def pause(self) -> None:
        pass

    def finish(self, run: RunReader, exported: Exported | None, test_scores: Mapping[str, float] = _NONE) -> None:
        found = next_steps.exported_values(exported)
        if exported is None and test_scores:
            found |= next_steps.scored_values(run, test_scores)
        self._write("finish", summaries.summary_values(run, _test(exported, test_scores)) | found)

    def _write(self, event: str, values: dict[str, Any]) -> None:
        # JSON has no NaN and no infinity.
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
        with suppress(OSError, ValueError):  # the output may be closed
            print(json.dumps({"event": event, **finite}), file=self._stream, flush=True)


class Several:
    """Forwards calls to several displays."""

    def __init__(self, displays: Sequence[Display]) -> None:
        self._displays = displays

    def start(self, run: RunReader, budget: Budget) -> None:
        for display in self._displays:
            display.start(run, budget)

    def part(self, progress: Progress) -> None:
        for display in self._displays:
            display.part(progress)

    def generation(self, generation: Generation) -> None:
        for display in self._displays:
            display.generation(generation)

    def finalists(self, done: int, planned: int) -> None:
        for display in self._displays:
            display.finalists(done, planned)

    def pause(self) -> None:
        for display in self._displays:
            display.pause()

    def finish(self, run: RunReader, exported: Exported | None, test_scores: Mapping[str, float] = _NONE) -> None:
        for display in self._displays:
            display.finish(run, exported, test_scores)
