"""`evonas resume`: continues a search."""

from __future__ import annotations

from typing import Annotated

import typer

from evonas.cli.option_groups import with_option_groups
from evonas.cli.options import BuildOption, ExportOption, RunDir, option
from evonas.cli.search_display import show_search
from evonas.cli.search_options import ExecutionFlags, OutcomeFlags, TrackerFlags

__all__ = ["resume"]


@with_option_groups
def resume(
    context: typer.Context,
    run_dir: RunDir,
    *,
    generations: Annotated[str | None, option("N in total, or +N more than completed.", "N|+N")] = None,
    evaluations: Annotated[str | None, option("N networks in total, or +N more.", "N|+N")] = None,
    time: Annotated[str | None, option("Total time (10m), or additional time (+10m).", "T|+T")] = None,
    target_score: Annotated[float | None, option("Stop when a network is as good as this.", "X")] = None,
    build: BuildOption = None,
    export: ExportOption = None,
    place: ExecutionFlags,
    trackers: TrackerFlags,
    outcome: OutcomeFlags,
) -> None:
    """Continue a run that was stopped or killed, or extend one.

    The result is the same as without the interruption. Options not given keep their values.
    """
    from evonas.api.resume import resume

    placed, callbacks = place.to_execution(), trackers.callbacks()
    show_search(
        lambda **listeners: resume(
            run_dir,
            build=build,
            generations=generations,
            evaluations=evaluations,
            time=time,
            target=target_score,
            threads=place.threads,
            execution=placed,
            callbacks=callbacks,
            baseline=False if outcome.no_baseline else None,
            **listeners,
        ),
        context,
        outcome.quiet,
        outcome.as_json,
        not outcome.no_report,
        export,
    )
