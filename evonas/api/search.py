"""`search`: combines data, space, strategy, evaluator and store, and runs the session.

Imports no Keras and no pandas; what needs them is imported when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from math import inf
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Unpack

from evonas.api.extension_records import (
    extension_records,
    strategy_record,
)
from evonas.api.extensions import given_extensions, named_objectives, with_mutations
from evonas.api.final_model import with_final_model
from evonas.api.options import SearchOptions
from evonas.api.request import SearchRequest
from evonas.api.resolve import (
    Space,
    as_space,
    chosen_space,
    fit_space,
    resolve_samples,
    space_and_numbers,
    trainable,
    with_neighbours,
)
from evonas.api.resolved_settings import resolve_objectives, with_epoch_rows, with_precision, with_rungs
from evonas.api.result import SearchResult
from evonas.api.session import EvaluatorFactory, Listeners, run_session
from evonas.config import Budget, Settings
from evonas.data.load import read_data
from evonas.data.options import DataOptions, architecture_and_encoding
from evonas.data.quantiles import with_quantiles
from evonas.data.read_options import ReadOptions
from evonas.deploy.export import check_export
from evonas.display.following import follow_search
from evonas.evolution.constraints import Screen
from evonas.evolution.evaluation_cost import with_expected_seconds
from evonas.evolution.first_generation import first_generation
from evonas.evolution.rate_repair import check_repair
from evonas.evolution.warm_start import apply_warm_start, known_genomes
from evonas.execution import launch
from evonas.execution.launch import start_worker as _worker
from evonas.execution.options import Execution
from evonas.metrics.named import with_metric
from evonas.runs.consistency import space_class
from evonas.runs.directory import new_directory
from evonas.runs.progress import Generation, Progress
from evonas.runs.store import RunStore
from evonas.seeds import draw_seed
from evonas.strategies import check_given, check_settings, given_settings, make_strategy, strategy_name
from evonas.trackers.callback import Callback
from evonas.trackers.notifier import check_callbacks
from evonas.user_model import Build, check_fits
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.data.prepared import PreparedData
    from evonas.execution.worker_process import WorkerProcess
    from evonas.objective import Objective
    from genomes.architecture.layer_kind import LayerKind
    from genomes.space import SearchSpace

__all__ = ["EvaluatorFactory", "search", "search_data", "search_prepared"]

OnPart = Callable[[Progress], None]
OnGeneration = Callable[[Generation], None]


def search(
    x: Any,
    y: Any = None,
    *,
    build: Any = None,
    space: Space = None,
    generations: int | None = None,
    evaluations: int | None = None,
    time: str | float | None = None,
    target: float | None = None,
    validation: Any = None,
    test: Any = None,
    seed: int | None = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    initial: str | Path | None = None,
    warm_start: str | Path | None = None,
    transfer: str | Path | None = None,
    threads: int | None = None,
    execution: str | Execution | None = None,
    on_part: OnPart | None = None,
    on_generation: OnGeneration | None = None,
    callbacks: Sequence[Callback] = (),
    export: str | Path | None = None,
    baseline: bool = True,
    verbose: bool = False,
    task: str | None = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    drop: Sequence[str] = (),
    numbers: str | None = None,
    neighbours: bool = True,
    roles: Mapping[str, str] | None = None,
    group: str = "",
    time_column: str = "",
    image_size: Any = None,
    grayscale: bool = False,
    steps: int | None = None,
    architecture: str = "",
    series: bool = False,
    series_id: str = "",
    split: str = "",
    separator: str = "",
    encoding: str = "",
    decimal: str = "",
    thousands: str = "",
    skip_rows: int = 0,
    comment: str = "",
    missing: Sequence[str] | None = None,
    date_order: str = "",
    mutations: Sequence[Any] = (),
    layer_kinds: Sequence[LayerKind] = (),
    **settings: Unpack[SearchOptions],
) -> SearchResult:
    """Evolves networks for the data and returns the result. Every step is committed to a run directory.

    Args:
        x: features, shape `(num_samples, num_columns)`: an array, a DataFrame (also with text, categories and missing
            values), or the path of a file (CSV, Parquet, Feather, JSON lines, or `.npz` with arrays). Images
            `(num_samples, height, width, channels)`, series `(num_samples, steps, channels)` (or a list of arrays of
            several lengths) and a list of texts keep their shape: see `architecture`. With `build`, arrays go to the
            model unchanged, also several in a mapping or a list; a table is encoded as usual. Or, without `y`: a
            `tf.data.Dataset` of `(x, y)` or `(x, y, weight)`, batched or not, x being an array or a mapping of columns,
            or a `keras.utils.PyDataset`, both of which are read once (images and series that are larger than a quarter
            of the free memory are trained from the disk); or a folder with a subfolder of images for each class.
        y: target, shape `(num_samples,)` or `(num_samples, num_targets)`; or the name of the target column in `x`.
        build: `build(genes)` that returns a `keras.Model`, for user-defined models: see
            `evonas.training.single.user_model`
        space: what to search: a space, the path of a TOML file, or None for the default. With `build` a
            `genomes.HyperparameterSpace`, or a mapping from names to what each gene may be.
        generations: total number of generations; 10 unless `evaluations` or `time` is given.
        evaluations: total number of networks to train.
        time: wall-clock limit of this call, such as "10m", "1h30m" or seconds. At most a quarter of it is
            used for finalists; if it is short, the first generation has small networks.
        target: score at which to stop.
        validation, test: `(x, y)` to score and to test on, or with a target's name a DataFrame or the path of a file,
            or a Dataset or a folder of images as `x` is; split off `x` if not given.
        seed: random seed; None draws one and records it.
        out: run directory; a new one in `evonas-runs` if not given.
        overwrite: whether a run in `out` may be deleted.
        initial: population file of another run (`population.json`) to start from.
        warm_start: directory of another run, of any data, whose best networks are trained first.
        transfer: directory of another run; all networks inherit the lower layers of its best network where
            shapes allow. Features are matched by name.
        threads: networks trained at a time; None uses all available cores. Does not affect results.
        execution: where networks are trained: "local" (this process), "processes" (the default) or "ray", or an
            `evonas.Execution` with the number of workers, GPUs or a cluster. Does not affect results.
        on_part, on_generation: called after each commit and each generation.
        callbacks: objects of `evonas.Callback`, called as the search proceeds; also the trackers of `evonas.trackers`.
        export: file for the best network, written at the end as by `evonas.export`; Keras is loaded for it while
            the search still trains.
        baseline: whether to train scikit-learn's gradient boosting and a linear model on the same rows, in the
            background at low priority, for comparison in `status`, report and model card; for tables only.
        verbose: whether to show progress and outcome: redrawn in a terminal, else one line per generation.
        task: "regression", "binary" or "multiclass"; inferred from `y` if not given.
        sample_weight, class_weight: weights of rows and classes in training, see `evonas.data.prepare`.
        drop: names of columns of a table to leave out.
        numbers: the encoding that all networks use for numeric columns besides the standardised number, one of
            `genomes.dense.NUMERIC_ENCODINGS`; otherwise it is a gene of the space. With `build`, "standard" unless
            given.
        neighbours: False for networks without features that are means of the targets of near training rows, which an
            exported model holds; otherwise it is a gene of the space.
        roles: column -> "numeric", "boolean", "categorical", "date" or "text", to override what is inferred.
        group: name of a column whose equal values stay in one part of the split; it is not a feature.
        time_column: name of a column by which rows are split: the latest are the test part.
        image_size: height and width to resize images of a folder to, such as "32x32".
        grayscale: whether to convert images of a folder to grayscale.
        steps: how many elements of the Dataset x are read, batches mostly; all of one that ends unless given.
        architecture: kind of network: "convolutional", "sequence" or "dense". Chosen by the data and the space
            by default: convolutional networks for images, sequence networks for series and single texts, dense ones
            else to dense ones.
        series: whether the columns of a row are the steps of a series.
        series_id: for tables with one row per step, the column that identifies the series; `time_column`
            then orders its steps.
        split: of series: "time" uses the last samples for testing and those before for validation, "random" draws
            them at random. Overlapping windows of one series, in their order, are split by time unless
            given.
        separator, encoding, skip_rows, comment: format of text files, to override what is detected: the cell
            separator, the text encoding, the number of lines before the header, and the prefix of comment lines.
        decimal, thousands, date_order: how numbers and dates are written as text: "." or ","; ",", ".", "'" or " ";
            "dmy" or "mdy". Detected where the whole column agrees.
        missing: texts that mean "no value" in files, instead of the usual ones such as "NA", "NULL", "None" and "?".
        mutations: functions `(genome, space, rng) -> genome` of your own, or names of installed ones, that networks
            change by beside the mutations of the space; see `genomes.mutations`.
        layer_kinds: kinds of layers of your own (`genomes.architecture.LayerKind`) that networks of `space` have.
        **settings: fields of `evonas.Settings`, such as `population=50`, `epochs=100`, `objective="mae"`, `cv=5`;
            `strategy` is a name, or a class or `evonas.strategies.StrategyRow` of your own; `objective` a name, or an
            `evonas.Metric` of your own.

    Raises:
        InputError: an argument cannot be used; the message says which, and how to fix it.
        Interrupted: stopped by Ctrl-C or SIGTERM; everything up to then is committed.
    """
    started, _ = monotonic(), launch.resolve_threads(threads)
    placed = Execution.from_arguments(execution)
    own = None if build is None else Build.from_function(build)
    given_extensions(mutations, layer_kinds, settings.get("objective"), space)
    options: dict[str, Any] = {"seed": draw_seed() if seed is None else seed, **named_objectives(settings)}
    if "strategy" in options:
        options["strategy"] = strategy_name(options["strategy"])
    if isinstance(target, str):
        raise InputError(
            f"target must be a score at which the search stops, not {target!r:.60}: the column that is predicted is y"
        )
    architecture, encoding = architecture_and_encoding(architecture, encoding)
    reading = ReadOptions.from_arguments(
        separator, encoding, decimal, thousands, skip_rows, comment, missing, date_order
    )
    request = SearchRequest(
        settings=Settings(**options),
        budget=Budget.from_bounds(generations, evaluations, time, target),
        build=own,
        space=space,
        mutations=mutations,
        numbers=numbers,
        neighbours=neighbours,
        out=out,
        overwrite=overwrite,
        initial=initial,
        warm_start=warm_start,
        transfer=transfer,
        threads=threads,
        execution=placed,
    )
    data = DataOptions(
        task=task,
        drop=drop,
        roles=roles,
        group=group,
        time_column=time_column,
        image_size=image_size,
        grayscale=grayscale,
        architecture=architecture,
        series=series,
        series_id=series_id,
        split=split,
        reading=reading,
        steps=steps,
    )
    hooks: dict[str, Any] = {"on_part": on_part, "on_generation": on_generation}
    hooks["callbacks"] = check_callbacks(callbacks)
    with launch.standby_for(request.settings, own, placed) as standby, follow_search(verbose, hooks) as hooks:
        return search_data(
            x,
            y,
            data,
            request,
            standby=standby,
            parts={"validation": validation, "test": test},
            weights={"sample_weight": sample_weight, "class_weight": class_weight},
            export=None if export is None else Path(export),
            baseline=baseline,
            started=started,
            **hooks,
        )


def search_data(
    x: Any,
    y: Any,
    data: DataOptions,
    request: SearchRequest,
    *,
    standby: WorkerProcess | None = None,
    parts: Mapping[str, Any] = MappingProxyType({}),
    weights: Mapping[str, Any] = MappingProxyType({}),
    recorded: Mapping[str, Any] = MappingProxyType({}),
    **listeners: Any,
) -> SearchResult:
    """Reads the data and searches; shared by `search` and the command line.

    Args:
        x, y: as in `search`.
        data: options of the data.
        request: all other options.
        standby: of `evonas.execution.launch.standby_for`.
        parts: "validation" and "test", if given.
        weights: "sample_weight" and "class_weight", if given.
        recorded: additional entries of the run's source record.
        **listeners: fields of `evonas.api.session.Listeners`.
    """
    build, settings = None if request.build is None else Build.from_function(request.build), request.settings
    asked_for = (data.architecture, data.series, data.series_id, data.split)
    wanted, asked, _ = resolve_samples(request.space, build, *asked_for)
    searched, forms = space_and_numbers(wanted, request.numbers, build, request.neighbours)
    prepared, source = read_data(
        x,
        y,
        **data.read_arguments(asked),
        **parts,
        **weights,
        seed=settings.seed or 0,
        folds=settings.cv,
        numbers=forms,
        as_given=build is not None,
    )
    if settings.cv is None and len(prepared.splits) > 1:  # few series
        settings = settings.model_copy(update={"cv": len(prepared.splits)})
    space = chosen_space(searched, request.space is not None, asked.architecture, prepared.problem)
    return search_prepared(
        prepared,
        build=build,
        space=with_mutations(space, request.mutations),
        settings=settings,
        budget=request.budget,
        out=request.out,
        overwrite=request.overwrite,
        initial=request.initial,
        warm_start=request.warm_start,
        transfer=request.transfer,
        source={**source, **recorded},
        standby=standby,
        threads=request.threads,
        execution=request.execution,
        mean_by_default=request.budget is not None and request.budget.seconds is not None,
        validation_given=parts.get("validation") is not None,
        **listeners,
    )


def search_prepared(
    data: PreparedData,
    *,
    build: Build | None = None,
    space: Space = None,
    settings: Settings | None = None,
    budget: Budget | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    initial: str | Path | None = None,
    warm_start: str | Path | None = None,
    transfer: str | Path | None = None,
    source: Mapping[str, Any] | None = None,
    evaluator: EvaluatorFactory | None = None,
    standby: WorkerProcess | None = None,
    threads: int | None = None,
    execution: str | Execution | None = None,
    mean_by_default: bool = False,
    validation_given: bool = False,
    **listeners: Any,
) -> SearchResult:
    """As `search`, for prepared data.

    Args:
        source: origin of the data, recorded for people; JSON values.
        evaluator: trains the networks; a worker process by default.
        standby: of `evonas.execution.launch.standby_for`, if the worker was started before the data were read.
        threads, execution: as in `search`.
        mean_by_default: whether the final model is a mean of networks where the settings leave that open.
        validation_given: whether the validation rows were given as such.
        **listeners: fields of `evonas.api.session.Listeners`, such as `on_part`.
    """
    hooks, _ = Listeners(**{"started": monotonic(), **listeners}), launch.resolve_threads(threads)
    placed = Execution.from_arguments(execution)
    if hooks.export is not None:
        check_export(hooks.export)
    objective, settings, space, data = _resolve(data, build, space, settings or Settings(seed=0), evaluator is None)
    settings = with_final_model(settings, data, space, usually=mean_by_default, validation_given=validation_given)
    genomes, data, source = apply_warm_start(data, space, settings, initial, warm_start, transfer, source or {})
    budget = budget or Budget.from_bounds()
    left = inf if budget.seconds is None else budget.seconds - (monotonic() - (hooks.started or monotonic()))
    known = known_genomes(space, settings, data.problem.task, genomes, len(data.splits[0].y_train))
    at_once = launch.networks_at_a_time(threads, placed)
    if first := first_generation(space, data, settings, objective, genomes, left, at_once, known=known):
        genomes, settings = first.genomes, settings.model_copy(update=first.settings())
        source = {**source, "first_generation": first.to_json()}
    else:
        genomes = (*genomes, *(variants[0] for variants in known))
    settings = with_expected_seconds(settings, space, data)
    strategy = make_strategy(settings.strategy, space, objective=objective, initial=genomes, settings=settings)
    store = RunStore.create(
        out if out is not None else new_directory(),
        settings=settings,
        space=space,
        state=strategy.state(),
        data=data,
        source={
            **source,
            **space_class(space),
            **strategy_record(settings.strategy),
            **extension_records(space, settings.objective),
            **({} if build is None else {"build": build.to_json()}),
        },
        overwrite=overwrite,
    )
    make = make_evaluator(evaluator, build=build, standby=standby, threads=threads, execution=placed)
    return run_session(store, space, budget, make, hooks, build)


def _resolve(
    data: PreparedData, build: Build | None, space: Space, settings: Settings, checks_fit: bool
) -> tuple[Objective, Settings, SearchSpace, PreparedData]:
    """The objective, settings, space and data of a run, with all defaults resolved.

    Args:
        data: prepared.
        build: of user-defined models.
        space: as given.
        settings: as given.
        checks_fit: whether a built-in trainer is used, which must fit the space.

    Raises:
        InputError: they do not fit together; nothing has been written.
    """
    wanted = as_space(space, build)
    check_given(settings.strategy, given_settings(settings))
    if checks_fit:
        check_fits(build, wanted, settings.trainer)
    objective, settings = resolve_objectives(settings, data.problem, build is not None, wanted)
    fitted = fit_space(wanted, data.problem, settings.trainer)
    notes = list(data.notes)
    if settings.trainer == "population" and fitted != wanted:
        notes.append(
            "no embeddings of numbers and no members are searched: the population trainer has none, native has"
        )
    if settings.quantiles:
        data = with_quantiles(data, settings.quantiles)
    fitted, remarks = trainable(fitted, settings, objective, data.problem.task)
    fitted, others = with_neighbours(fitted, data, settings)
    problem = with_metric(data.problem, data.splits[0], objective)
    data = replace(data, problem=problem, notes=(*notes, *remarks, *others))
    settings = with_epoch_rows(settings, data.problem, len(data.splits[0].y_train))
    settings = with_precision(with_rungs(settings, data.problem), data.problem)
    Screen.from_settings(settings, fitted, asdict(data.problem))
    check_settings(settings)
    check_repair(settings, fitted)
    return objective, settings, fitted, data


def make_evaluator(evaluator: EvaluatorFactory | None, **options: Any) -> EvaluatorFactory:
    """The evaluator factory of a run: the given one, or a worker process with the options that are not None."""
    options["execution"] = None if options["execution"].is_default else options["execution"]
    given = {name: value for name, value in options.items() if value is not None}
    return evaluator or (partial(_worker, **given) if given else _worker)
