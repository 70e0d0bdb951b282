"""`evonas join`: trains networks for a search that runs on another machine."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from evonas.cli.options import AsJson, BuildOption, Quiet, RunDir, ThreadsOption, option

__all__ = ["join"]


def join(
    run_dir: RunDir,
    build: BuildOption = None,
    threads: ThreadsOption = None,
    workers: Annotated[int | None, option("Worker processes, which share the threads [1].", "N", "--workers")] = None,
    wait: Annotated[
        str | None,
        option("How long to wait for a search to be started or resumed [10m if it was killed].", "T"),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train networks for a search that runs on another machine.

    Start the search there with --execution shared, in a folder that both machines share. It ends with the same networks
    as without help, but sooner. Ctrl-C stops this command, not the search. `evonas run --join DIR` does the same.
    """
    from evonas.execution.joining import join as join_search
    from evonas.interruption import Interruption
    from evonas.io.console import say

    listening = Interruption(quiet=True)
    trained = join_search(
        run_dir,
        build=build,
        threads=threads,
        workers=workers,
        wait=wait,
        on_news=(lambda _: None) if quiet or as_json else say,
        interruption=listening,
    )
    if quiet or as_json:
        typer.echo(json.dumps({"trained": trained}) if as_json else trained)
    if listening.exit_code:
        raise typer.Exit(listening.exit_code)
