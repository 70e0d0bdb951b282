"""`evonas finalists`: the best networks of a run, trained again."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from evonas.cli.options import (
    AddressOption,
    AsJson,
    BuildOption,
    DevicesOption,
    ExecutionOption,
    RunDir,
    ThreadsOption,
    WorkersOption,
    option,
)
from evonas.cli.tables import AsCsv, check_one, show_rows

__all__ = ["finalists"]


def finalists(
    run_dir: RunDir,
    top: Annotated[int, option("Networks [5].", "N")] = 5,
    seeds: Annotated[int, option("Trainings of each, from new seeds [5].", "N")] = 5,
    random_baseline: Annotated[
        bool,
        typer.Option("--random-baseline", help="Train the same number of random networks for comparison."),
    ] = False,
    build: BuildOption = None,
    threads: ThreadsOption = None,
    execution: ExecutionOption = None,
    workers: WorkersOption = None,
    devices: DevicesOption = None,
    address: AddressOption = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Retrain a run's best networks, and rank them by the new scores.

    The best of many scores is partly luck; this shows how much. Earlier re-trainings are kept. Rank 1 of `evonas
    export` is then the network with the best mean, with the weights of its median training.
    """
    from evonas.api.random_baseline import baseline_lines, baseline_values, random_baseline_of
    from evonas.api.resume import finalists as train_finalists
    from evonas.display import summaries
    from evonas.execution_options import Execution
    from evonas.io.console import say
    from evonas.runs.reader import RunReader

    check_one(as_json, as_csv)
    placed = Execution.from_arguments(execution, workers, devices, address)

    def tell(done: int, planned: int) -> None:
        print(f"{done} of {planned} trainings done", file=sys.stderr, flush=True)

    train_finalists(run_dir, top, seeds, build=build, threads=threads, execution=placed, on_finalists=tell)
    baseline = None
    if random_baseline:
        print("Random search with the same number of networks:", file=sys.stderr, flush=True)
        baseline = random_baseline_of(
            run_dir,
            top,
            seeds,
            build=build,
            threads=threads,
            execution=placed,
            on_part=lambda progress: print(f"{progress.evaluated} networks trained", file=sys.stderr, flush=True),
        )
    with RunReader(run_dir) as run:
        if as_json:
            values = {"finalists": summaries.summary_values(run)["finalists"]}
            typer.echo(json.dumps(values | {"random_baseline": baseline_values(run, baseline)}))
            return
        if as_csv:
            rows = summaries.summary_values(run)["finalists"]
            show_rows([{name: _flat(value) for name, value in row.items()} for row in rows], False, True, "")
            return
        say("\n".join(summaries.finalist_lines(run)[1:]))
        say("\n".join(baseline_lines(run, baseline)))


def _flat(value: object) -> object:
    """A list as one cell."""
    return " ".join(map(str, value)) if isinstance(value, list) else value
