"""`evonas run`: a search from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from evonas.cli.options import (
    AddressOption,
    ArchitectureOption,
    AsJson,
    BooleanOption,
    BuildOption,
    CategoricalOption,
    CommentOption,
    DateOption,
    DateOrderOption,
    DecimalOption,
    DevicesOption,
    DropOption,
    EncodingOption,
    ExecutionOption,
    ExportOption,
    GrayscaleOption,
    GroupOption,
    ImageSizeOption,
    MissingOption,
    NoBaselineOption,
    NumericOption,
    Quiet,
    SeparatorOption,
    SeriesIdOption,
    SeriesOption,
    SkipRowsOption,
    SplitOption,
    TargetOption,
    TextOption,
    ThousandsOption,
    ThreadsOption,
    TimeOption,
    WorkersOption,
    architecture_of,
    check_target,
    option,
    reading_of,
    roles_of,
)
from evonas.cli.reporting import NoReport
from evonas.cli.search_display import show_search
from evonas.cli.tracking import MLflowOption, TensorBoardOption, WandBOption, trackers_asked
from evonas.config import DEFAULT_GENERATIONS, Budget, Settings
from evonas.objective import MEASURES, METRICS
from evonas.strategies import STRATEGIES
from genomes.architecture.layers import NUMERIC_ENCODINGS
from genomes.errors import InputError

__all__ = ["run"]

_DEFAULTS = Settings(seed=0)


def run(
    context: typer.Context,
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="CSV table with a header line; .npz arrays; or a folder with images of each class."
        ),
    ],
    target: TargetOption = None,
    generations: Annotated[
        int | None, option(f"Stop after N generations [{DEFAULT_GENERATIONS} if there is no other limit].", "N")
    ] = None,
    evaluations: Annotated[int | None, option("Stop after N networks.", "N")] = None,
    time: Annotated[str | None, option("Time limit, everything included: 45s, 10m, 1h30m.", "T")] = None,
    target_score: Annotated[float | None, option("Stop when a network is as good as this.", "X")] = None,
    population: Annotated[
        list[str] | None,
        option(
            f"Networks in a generation [{_DEFAULTS.population}]; or a population.json to start from. "
            "Give it twice for both.",
            "N|FILE",
        ),
    ] = None,
    space: Annotated[Path | None, option("Search space as TOML; `evonas space` prints the default.", "FILE")] = None,
    build: BuildOption = None,
    warm_start: Annotated[
        Path | None, option("Run directory, of any data, whose best networks go first.", "DIR")
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
    group: GroupOption = None,
    time_column: TimeOption = None,
    drop: DropOption = None,
    numeric: NumericOption = None,
    boolean: BooleanOption = None,
    categorical: CategoricalOption = None,
    date: DateOption = None,
    text: TextOption = None,
    image_size: ImageSizeOption = None,
    grayscale: GrayscaleOption = False,
    architecture: ArchitectureOption = None,
    series: SeriesOption = False,
    series_id: SeriesIdOption = None,
    split: SplitOption = None,
    separator: SeparatorOption = None,
    encoding: EncodingOption = None,
    decimal: DecimalOption = None,
    thousands: ThousandsOption = None,
    skip_rows: SkipRowsOption = None,
    comment: CommentOption = None,
    missing: MissingOption = None,
    date_order: DateOrderOption = None,
    numbers: Annotated[
        str | None, option(f"Encoding of numeric columns: {', '.join(NUMERIC_ENCODINGS)} [a gene].", "NAME")
    ] = None,
    neighbours: Annotated[
        bool,
        typer.Option(
            "--neighbours/--no-neighbours",
            help="Whether networks may use mean targets of similar training rows; the model then contains these rows.",
        ),
    ] = True,
    objective: Annotated[
        str | None,
        option(
            f"Metric to optimise: {', '.join(METRICS)} [rmse or log_loss]; or a scikit-learn scorer or Keras metric, "
            "followed by :min or :max if its direction is not known.",
            "NAME",
        ),
    ] = None,
    quantiles: Annotated[
        str | None,
        option("With objective pinball: comma-separated quantiles to predict [0.1,0.5,0.9].", "SHARES"),
    ] = None,
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="Classification: divide logits by a temperature fitted on validation rows."),
    ] = False,
    objectives: Annotated[
        str | None,
        option(f"Objectives of nsga2: a metric, then metrics or {', '.join(MEASURES)}, comma-separated.", "NAMES"),
    ] = None,
    max_parameters: Annotated[int | None, option("Maximum number of parameters of a network.", "N")] = None,
    max_flops: Annotated[int | None, option("Maximum operations to predict one row.", "N")] = None,
    max_latency_ms: Annotated[float | None, option("Maximum milliseconds to predict one row.", "X")] = None,
    epochs: Annotated[int | None, option(f"Maximum epochs per network [{_DEFAULTS.epochs}].", "N")] = None,
    epoch_rows: Annotated[
        int | None,
        option("Rows per epoch, for images, series and texts [an eighth of many rows, else all].", "N"),
    ] = None,
    patience: Annotated[
        int | None, option(f"Epochs without improvement before it stops [{_DEFAULTS.patience}].", "N")
    ] = None,
    cv: Annotated[int | None, option("Cross-validate with N folds [a single split].", "N")] = None,
    replicates: Annotated[int | None, option("Train each network from N seeds [1].", "N")] = None,
    strategy: Annotated[
        str | None, option(f"One of {', '.join(STRATEGIES)}, or an installed plug-in [{_DEFAULTS.strategy}].", "NAME")
    ] = None,
    inherit: Annotated[
        str | None,
        option("on or off: whether children start from their parents' weights [on for pbt, off for evolution].", "ON"),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Set the rate of children with changed layers by a short range test.")
    ] = False,
    no_known_defaults: Annotated[
        bool,
        typer.Option("--no-known-defaults", help="Start from random networks only, without published defaults."),
    ] = False,
    rungs: Annotated[
        int | None, option("Number of training rungs of evolution, which drops the worst after each [1].", "N")
    ] = None,
    asynchronous: Annotated[
        bool | None,
        typer.Option(
            "--asynchronous/--no-asynchronous",
            help="Propose a network as soon as another is trained, rather than a generation at once; a generation then "
            "counts as many results [on for evolution and aging, where networks are trained one by one].",
            show_default=False,
        ),
    ] = None,
    window: Annotated[
        int | None,
        option(
            "Asynchronous: number of pending networks, reported in the order proposed, so that a seed gives the same "
            "run at any speed; 0 reports them as they finish [twice the cores].",
            "N",
        ),
    ] = None,
    trainer: Annotated[
        str | None,
        option("native (for CPUs), population (for GPUs) or single (Keras's fit) [chosen by device].", "NAME"),
    ] = None,
    candidate_timeout: Annotated[
        str | None, option("Time after which a network without a result fails: 90s, 10m [no limit].", "T")
    ] = None,
    worker_memory: Annotated[
        str | None, option("Memory limit of training: 4GiB, 500MB [80% of the machine's memory].", "SIZE")
    ] = None,
    finalists: Annotated[
        int | None,
        option(f"Best networks to train again at the end, from other seeds; 0 for none [{_DEFAULTS.finalists}].", "N"),
    ] = None,
    ensemble: Annotated[
        int | None,
        option(
            "Train the best network from K more seeds at the end; --export then writes an ensemble of up to K.", "K"
        ),
    ] = None,
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
    """Search for the network that best predicts a column of a CSV.

    Columns may hold numbers, categories, dates and missing values. Results are saved as they arrive.
    """
    # Reports mistakes in the options before a large file is read.
    check_target(data, target)
    size, initial = _population(population or [])
    options: dict[str, Any] = {
        "population": size,
        "objective": objective,
        "objectives": None if objectives is None else tuple(name.strip() for name in objectives.split(",")),
        "quantiles": None if quantiles is None else tuple(each.strip() for each in quantiles.split(",")),
        "calibrate": calibrate or None,
        "max_parameters": max_parameters,
        "max_flops": max_flops,
        "max_latency_ms": max_latency_ms,
        "epochs": epochs,
        "patience": patience,
        "epoch_rows": epoch_rows,
        "cv": cv,
        "replicates": replicates,
        "strategy": strategy,
        "inherit": inherit,
        "repair": repair or None,
        "known_defaults": False if no_known_defaults else None,
        "rungs": rungs,
        "asynchronous": asynchronous,
        "window": window,
        "trainer": trainer,
        "candidate_timeout": candidate_timeout,
        "worker_memory": worker_memory,
        "finalists": finalists,
        "ensemble": ensemble,
    }
    architecture, encoding = architecture_of(architecture, encoding)
    reading = reading_of(separator, encoding, decimal, thousands, skip_rows, comment, missing, date_order)
    settings = Settings(seed=seed, **{name: value for name, value in options.items() if value is not None})
    budget = Budget.from_bounds(generations, evaluations, time, target_score)
    trackers = trackers_asked(tensorboard, mlflow, wandb)

    from evonas.execution import launch
    from evonas.execution.options import Execution

    launch.resolve_threads(threads)
    placed = Execution.from_arguments(execution, workers, devices, address)
    with launch.standby_for(settings, build, placed) as standby:
        # What takes long to import, while the worker does the same.
        from evonas.api.resolve import chosen_space, resolve_samples, space_and_numbers
        from evonas.api.search import search_prepared
        from evonas.data.load import read_data
        from evonas.user_model import Build

        own = None if build is None else Build.from_function(build)
        wanted, asked, _ = resolve_samples(space, own, architecture, series, series_id or "", split or "")
        searched, forms = space_and_numbers(wanted, numbers, own, neighbours)
        prepared, source = read_data(
            data,
            target,
            seed=seed,
            folds=cv,
            drop=drop or (),
            task=task,
            numbers=forms,
            roles=roles_of(numeric, boolean, categorical, date, text),
            group=group or "",
            time_column=time_column or "",
            validation=validation,
            test=test,
            as_given=own is not None,
            size=image_size,
            grayscale=grayscale,
            options=reading,
            samples=asked,
        )
        searched = chosen_space(searched, space is not None, asked.architecture, prepared.problem)
        show_search(
            lambda **listeners: search_prepared(
                prepared,
                build=own,
                space=searched,
                settings=settings,
                budget=budget,
                out=out,
                overwrite=overwrite,
                initial=initial,
                warm_start=warm_start,
                transfer=transfer,
                source={**source, "drop": drop or []},
                standby=standby,
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
