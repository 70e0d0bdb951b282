"""`evonas run`: a search from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evonas.cli.data_options import DataFlags
from evonas.cli.option_groups import with_option_groups
from evonas.cli.options import BuildOption, ExportOption, TargetOption, check_target, option
from evonas.cli.search_display import show_search
from evonas.cli.search_options import (
    DEFAULTS,
    BudgetFlags,
    ExecutionFlags,
    OutcomeFlags,
    SettingsFlags,
    TrackerFlags,
)
from genomes.architecture.layers import NUMERIC_ENCODINGS
from genomes.errors import InputError

__all__ = ["run"]


# Long because it names each option in its signature and where it is passed on; it decides nothing itself.
@with_option_groups
def run(
    context: typer.Context,
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="CSV table with a header line; .npz arrays; or a folder with images of each class."
        ),
    ],
    target: TargetOption = None,
    *,
    stop: BudgetFlags,
    population: Annotated[
        list[str] | None,
        option(
            f"Networks in a generation [{DEFAULTS.population}]; or a population.json of another run to start from. "
            "Give it twice for both.",
            "N|FILE",
        ),
    ] = None,
    space: Annotated[Path | None, option("Search space as TOML; `evonas space` prints the default.", "FILE")] = None,
    mutation: Annotated[list[str] | None, option("Name of an installed mutation; may be repeated.", "NAME")] = None,
    build: BuildOption = None,
    warm_start: Annotated[
        Path | None, option("Run directory, with any data, whose best networks are trained first.", "DIR")
    ] = None,
    transfer: Annotated[
        Path | None, option("Run directory whose best network provides the initial weights of the lower layers.", "DIR")
    ] = None,
    out: Annotated[Path | None, option("Run directory [a new one in evonas-runs].", "DIR")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing run in --out.")] = False,
    export: ExportOption = None,
    seed: Annotated[int, option("Random seed [0].", "N")] = 0,
    task: Annotated[str | None, option("regression, binary or multiclass [inferred from the target].", "TASK")] = None,
    validation: Annotated[Path | None, option("Table to score on [split off DATA].", "FILE")] = None,
    test: Annotated[Path | None, option("Table to test on [split off DATA].", "FILE")] = None,
    flags: DataFlags,
    numbers: Annotated[
        str | None, option(f"Encoding of numeric columns: {', '.join(NUMERIC_ENCODINGS)} [a gene].", "NAME")
    ] = None,
    neighbours: Annotated[
        bool | None,
        typer.Option(
            "--neighbours/--no-neighbours",
            help="Whether networks may use mean targets of similar training rows; the model then contains these rows "
            "[a gene].",
            show_default=False,
        ),
    ] = None,
    asked: SettingsFlags,
    place: ExecutionFlags,
    trackers: TrackerFlags,
    outcome: OutcomeFlags,
) -> None:
    """Search for the network that best predicts a column of a table.

    Columns may contain numbers, categories, dates and missing values. Results are saved as they arrive.
    """
    # Reports invalid options before a large file is read.
    check_target(data, target)
    size, initial = _population(population or [])
    settings, budget, callbacks = asked.settings(seed, size), stop.budget(), trackers.callbacks()

    from evonas.execution import launch

    launch.resolve_threads(place.threads)
    placed = place.to_execution()
    with launch.standby_for(settings, build, placed) as standby:
        # Slow imports, while the worker does the same.
        from evonas.api.prepared_search import search_data
        from evonas.api.request import SearchRequest

        options = flags.options(task)
        request = SearchRequest(
            settings=settings,
            budget=budget,
            build=build,
            space=space,
            mutations=mutation or (),
            numbers=numbers,
            neighbours=neighbours,
            out=out,
            overwrite=overwrite,
            initial=initial,
            warm_start=warm_start,
            transfer=transfer,
            threads=place.threads,
            execution=placed,
        )
        show_search(
            lambda **listeners: search_data(
                data,
                target,
                options,
                request,
                standby=standby,
                parts={"validation": validation, "test": test},
                recorded={"drop": flags.drop or []},
                callbacks=callbacks,
                baseline=not outcome.no_baseline,
                **listeners,
            ),
            context,
            outcome.quiet,
            outcome.as_json,
            not outcome.no_report,
            export,
            reads=True,
        )


def _population(given: list[str]) -> tuple[int | None, Path | None]:
    """The size and the file among the values of `--population`."""
    files = [text for text in given if text.lower().endswith(".json")]
    sizes = [text for text in given if text not in files]
    if len(files) > 1 or len(sizes) > 1:
        raise InputError(f"population must be given once as a number and once as a file, not {' and '.join(given)}")
    try:
        return (int(sizes[0]) if sizes else None), (Path(files[0]) if files else None)
    except ValueError:
        raise InputError(
            f"population must be a number, such as 20, or a file ending in .json, not {sizes[0]!r}: "
            "population.json is in every run directory"
        ) from None
