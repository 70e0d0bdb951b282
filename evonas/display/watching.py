"""The live view of a run in another process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from evonas.display.in_training import retraining_words, training_lines
from evonas.display.scores import best_words, clock, format_score
from evonas.display.snapshots import RunSnapshot, sparkline
from evonas.io.printable import printable
from evonas.runs.progress import state_words

__all__ = ["live_view", "view"]


@contextmanager
def live_view(first: RunSnapshot, console: Console | None = None) -> Iterator[Callable[[RunSnapshot], None]]:
    """Opens a view that is redrawn in place; yields the function that shows a new snapshot."""
    with Live(view(first), console=console or Console(), auto_refresh=False, transient=False) as live:
        yield lambda snapshot: live.update(view(snapshot), refresh=True)


def view(snapshot: RunSnapshot) -> Group:
    """Renders a snapshot as a block for a terminal."""
    facts = Table.grid(padding=(0, 2))
    time = clock(snapshot.seconds)
    if snapshot.bound is not None:
        facts.add_row("time", ProgressBar(total=snapshot.bound, completed=snapshot.seconds, width=30))
        time += f" of {clock(snapshot.bound)}"
    failed = f" ({snapshot.failed} failed)" if snapshot.failed else ""
    facts.add_row("", f"{time}, generation {snapshot.generation}")
    facts.add_row("networks", f"{snapshot.trained:,} trained{failed}, {snapshot.rate:.2g} a second")
    if snapshot.training:
        facts.add_row("in training", Text("\n".join(training_lines(snapshot.training, most=8))))
    if snapshot.waiting:
        facts.add_row("in training", Text(printable("; ".join(snapshot.waiting))))
    if snapshot.retrainings is not None:
        facts.add_row("finalists", retraining_words(*snapshot.retrainings, snapshot.late))
    facts.add_row(Text(printable(f"best {snapshot.objective}")), Text(sparkline(snapshot.bests), "cyan"))
    score_column = Column(Text(printable(snapshot.objective)), justify="right")
    board = Table("", score_column, "operator", "network", box=None, padding=(0, 2))
    for rank, record in enumerate(snapshot.best, 1):
        score = format_score(record.evaluation.scores.get(snapshot.objective))
        cells = (str(rank), score, printable(record.operator), printable(best_words(record)))
        board.add_row(*(Text(cell, "bold" if rank == 1 else "") for cell in cells))
    heading = Text(printable(f"{snapshot.directory}: {state_words(snapshot.state)}"), "bold")
    return Group(heading, facts, board, Text("Ctrl-C ends this view; the run continues.", "dim"))
