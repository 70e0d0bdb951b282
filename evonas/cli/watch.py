"""`evonas watch`: follows a run from another terminal."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from typing import Annotated, Any

import typer

from evonas.cli.options import RunDir, option

__all__ = ["watch"]


def watch(
    run_dir: RunDir,
    every: Annotated[float, option("Seconds between updates [2].", "X")] = 2.0,
    top: Annotated[int, option("Networks of the leaderboard [5].", "N")] = 5,
    once: Annotated[bool, typer.Option("--once", help="Print once, and exit.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object per update.")] = False,
) -> None:
    """Watch a run from another terminal.

    Shows the best so far, rates, a leaderboard, and the networks in training with their progress. It never delays the
    search. In a pipe it prints lines on changes. It ends with the run, or on Ctrl-C, which does not affect the run.
    """
    from evonas.display.snapshots import snapshot_lines, take_snapshot
    from evonas.io.console import say
    from genomes.errors import InputError

    if not 0.1 <= every <= 3600:
        raise InputError(f"every must be from 0.1 to 3600 seconds, not {every:g}: choose another")
    first = take_snapshot(run_dir, top)
    in_place = not (as_json or once or first.is_over) and sys.stdout.isatty()
    if as_json:
        _follow(first, run_dir, every, top, once, lambda each: typer.echo(json.dumps(_values(each))))
    elif not in_place:
        _follow(first, run_dir, every, top, once, lambda each: say("\n".join([*snapshot_lines(each), ""])), True)
    else:
        from evonas.display.watching import live_view

        with live_view(first) as show:
            _follow(first, run_dir, every, top, once, show)


def _follow(first: Any, run_dir: Any, every: float, top: int, once: bool, show: Any, quiet: bool = False) -> None:
    """Shows the run whenever it has changed, until it is over; if `quiet`, new epochs are not changes."""
    from evonas.display.snapshots import take_snapshot
    from evonas.errors import StorageError

    show(first)
    now = first
    try:
        while not once and not now.is_over:
            time.sleep(every)
            try:
                after = take_snapshot(run_dir, top)
            except StorageError:  # the file is busy: retried at the next update
                continue
            if _differs(now, after, quiet):
                show(after)
                now = after
    except KeyboardInterrupt:
        return


def _differs(before: Any, after: Any, quiet: bool) -> bool:
    return bool(replace(before, training=()) != replace(after, training=()) if quiet else before != after)


def _values(snapshot: Any) -> dict[str, Any]:
    best = [
        {"scores": dict(record.evaluation.scores), "operator": record.operator, "digest": record.digest}
        for record in snapshot.best
    ]
    return {
        "run_dir": str(snapshot.directory),
        "state": snapshot.state,
        "generation": snapshot.generation,
        "trained": snapshot.trained,
        "failed": snapshot.failed,
        "infeasible": snapshot.infeasible,
        "seconds": snapshot.seconds,
        "bound": snapshot.bound,
        "objective": snapshot.objective,
        "best": best,
        "in_training": list(snapshot.training),
        "waiting": list(snapshot.waiting),
        "finalists": snapshot.retrainings,
        "finalists_too_late": snapshot.late,
    }
