"""`evonas resume`: a search continues."""

from __future__ import annotations

from typing import Annotated

import typer

from evonas.cli.options import (
    AddressOption,
    AsJson,
    BuildOption,
    DevicesOption,
    ExecutionOption,
    ExportOption,
    NoBaselineOption,
    Quiet,
    RunDir,
    ThreadsOption,
    WorkersOption,
    option,
)
from evonas.cli.reporting import NoReport
from evonas.cli.search_display import show_search
from evonas.cli.tracking import MLflowOption, TensorBoardOption, WandBOption, trackers_asked

__all__ = ["resume"]


def resume(
    context: typer.Context,
    run_dir: RunDir,
    generations: Annotated[str | None, option("N in all, or +N more than are done.", "N|+N")] = None,
    evaluations: Annotated[str | None, option("N networks in all, or +N more.", "N|+N")] = None,
    time: Annotated[str | None, option("Time in all (10m), or more (+10m).", "T|+T")] = None,
    target_score: Annotated[float | None, option("Stop when a network is as good as this.", "X")] = None,
    build: BuildOption = None,
    export: ExportOption = None,
    threads: ThreadsOption = None,
    execution: ExecutionOption = None,
    workers: WorkersOption = None,
    devices: DevicesOption = None,
    address: AddressOption = None,
    tensorboard: TensorBoardOption = None,
    mlflow: MLflowOption = None,
    wandb: WandBOption = None,
    no_baseline: NoBaselineOption = False,
    no_report: NoReport = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Go on with a run that was stopped or killed, or extend one.

    It ends as it would have without the stop. What is not given stays as it was.
    """
    from evonas.api.search import resume
    from evonas.execution.options import Execution

    placed = Execution.from_arguments(execution, workers, devices, address)
    trackers = trackers_asked(tensorboard, mlflow, wandb)
    show_search(
        lambda **listeners: resume(
            run_dir,
            build=build,
            generations=generations,
            evaluations=evaluations,
            time=time,
            target=target_score,
            threads=threads,
            execution=placed,
            callbacks=trackers,
            baseline=not no_baseline,
            **listeners,
        ),
        context,
        quiet,
        as_json,
        not no_report,
        export,
    )
