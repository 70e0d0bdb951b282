"""`Live`: a block of lines in a terminal, redrawn four times a second."""

from __future__ import annotations

import time
from typing import IO

from rich.console import Console, Group
from rich.live import Live as Redrawn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from evonas.config import Budget
from evonas.display import scores
from evonas.display.in_training import retraining_words, training_lines
from evonas.display.progress_rate import ProgressRate
from evonas.display.text import Plain
from evonas.interruption import Interruption
from evonas.io.printable import printable
from evonas.runs.progress import Generation, Progress
from evonas.runs.reader import RunReader

__all__ = ["Live"]


class Live(Plain):
    """As `Plain`, but shows the state of the search instead of a line for each generation."""

    def __init__(self, stream: IO[str], interruption: Interruption, console: Console | None = None) -> None:
        super().__init__(stream)
        self._interruption = interruption
        self._console = console or Console(file=stream)
        self._redrawn: Redrawn | None = None
        self._progress: Progress | None = None
        self._progress_at = 0.0
        self._finals: tuple[int, int] | None = None
        self._run: RunReader | None = None

    def start(self, run: RunReader, budget: Budget) -> None:
        super().start(run, budget)
        self._run = run
        self._redrawn = Redrawn(self, console=self._console, transient=False, redirect_stdout=False)
        self._redrawn.start()

    def part(self, progress: Progress) -> None:
        super().part(progress)
        self._progress, self._progress_at = progress, time.monotonic()

    def generation(self, generation: Generation) -> None:
        pass

    def _show_progress(self, progress: Progress) -> None:
        pass

    def finalists(self, done: int, planned: int) -> None:
        self._finals = (done, planned) if planned else None  # there may be no time for any

    def pause(self) -> None:
        if self._redrawn is not None:
            self._redrawn.stop()
            self._redrawn = None

    def __rich__(self) -> Group:
        """The current block."""
        if self._progress is None or self._pace is None:
            hint = Text(self._stopping_line() or "Training the first networks.")
            return Group(hint, *map(Text, self._training()))
        return Group(self._table(self._progress, self._pace), Text(self._stopping_line() or self._how_to_stop(), "dim"))

    def _table(self, progress: Progress, pace: ProgressRate) -> Table:
        of = f" of {self._budget.generations}" if self._budget.generations else ""
        seconds = progress.seconds + time.monotonic() - self._progress_at
        left = pace.seconds_left(seconds)
        failed = f" ({progress.failed} failed)" if progress.failed else ""
        best = scores.format_score(scores.score_of(progress.best, self._objective.name))
        score = f"best [b]{best}[/b], median of this generation {scores.format_score(pace.median)}"
        table = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=progress.planned, completed=progress.trained, width=30)
        table.add_row(f"generation {progress.generation + 1}{of}", bar)
        table.add_row("networks", f"{progress.evaluated:,} trained{failed}, {pace.per_second:.2g} a second")
        table.add_row(Text(printable(self._objective.name)), score)
        table.add_row("best", Text(printable(scores.best_words(progress.best))))
        if self._finals is not None:
            table.add_row("finalists", retraining_words(*self._finals))
        if training := self._training():
            table.add_row("in training", Text("\n".join(training)))
        table.add_row("time", scores.clock(seconds) + ("" if left is None else f", about {scores.clock(left)} left"))
        return table

    def _training(self) -> list[str]:
        """Networks in training; from memory, since the redrawing thread must not read the database."""
        return [] if self._run is None else training_lines(self._run.in_training)

    def _stopping_line(self) -> str:
        if not self._interruption.requested:
            return ""
        return "Stopping: networks in training are abandoned. Ctrl-C again stops immediately."

    def _how_to_stop(self) -> str:
        return "Press Ctrl-C to stop; trained networks are kept."
