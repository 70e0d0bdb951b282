"""Searches from Python: `search`, `resume`, `load_run`. Puts data, space, strategy, evaluator and store together.

Imports no Keras and no pandas; what needs them is imported when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, fields, replace
from functools import partial
from math import inf
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Unpack

from evonas.api.extensions import given_extensions, named_objectives, with_mutations
from evonas.api.final_model import with_final_model
from evonas.api.options import RunOptions, SearchOptions
from evonas.api.request import SearchRequest
from evonas.api.resolve import (
    Space,
    as_space,
    chosen_space,
    fit_space,
    resolve_objectives,
    resolve_samples,
    space_and_numbers,
    trainable,
    with_epoch_rows,
    with_neighbours,
    with_precision,
    with_rungs,
)
from evonas.api.result import SearchResult
from evonas.api.session import EvaluatorFactory, Listeners, run_session
from evonas.config import Budget, Settings
from evonas.data.load import read_data
from evonas.data.options import DataOptions, architecture_and_encoding
from evonas.data.quantiles import with_quantiles
from evonas.data.readers.options import ReadOptions
from evonas.data.source import check_origin
from evonas.deploy.export import check_export
from evonas.display.following import follow_search
from evonas.errors import Interrupted
from evonas.evolution.constraints import Screen
from evonas.evolution.evaluation_cost import with_expected_seconds
from evonas.evolution.finalists import OnRetraining, retrain_finalists
from evonas.evolution.first_generation import first_generation
from evonas.evolution.loop import Generation, Progress, spent
from evonas.evolution.rate_repair import check_repair
from evonas.evolution.warm_start import apply_warm_start, known_genomes
from evonas.execution import launch
from evonas.execution.launch import start_worker as _worker
from evonas.execution.options import Execution
from evonas.interruption import Interruption
from evonas.metrics.named import with_metric
from evonas.runs.consistency import check_same, same_space, space_class
from evonas.runs.directory import new_directory
from evonas.runs.extensions import (
    extension_records,
    same_extensions,
    same_strategy,
    strategy_record,
    trains_networks,
)
from evonas.runs.reader import DATA_NAME
from evonas.runs.store import RunStore
from evonas.seeds import draw_seed
from evonas.strategies import check_given, check_settings, given_settings, make_strategy, strategy_name
from evonas.trackers.callback import Callback
from evonas.trackers.notifier import check_callbacks
from evonas.user_model import Build, check_build, check_fits
from genomes.encodings import space_from_json
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.data.prepared import PreparedData
    from evonas.execution.worker_process import WorkerProcess
    from genomes.architecture.layer_kind import LayerKind

__all__ = ["EvaluatorFactory", "finalists", "load_run", "resume", "search", "search_data", "search_prepared"]

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
            of the free memory are trained from the disk); or a folder with a sub-folder of images for each class.
        y: target, shape `(num_samples,)` or `(num_samples, num_targets)`; or the name of the target column in `x`.
        build: `build(genes)` that returns a `keras.Model`, for models of your own: see
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
        InputError: an argument cannot be used; the text says which, and how to fix it.
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
    told: dict[str, Any] = {"on_part": on_part, "on_generation": on_generation}
    told["callbacks"] = check_callbacks(callbacks)
    with launch.standby_for(request.settings, own, placed) as standby, follow_search(verbose, told) as told:
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
            **told,
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
    """Reads the data and searches: what `search` and the command line do alike.

    Args:
        x, y: as in `search`.
        data: what is said of them.
        request: what is to be done.
        standby: of `evonas.execution.launch.standby_for`.
        parts: "validation" and "test", those that are given.
        weights: "sample_weight" and "class_weight", those that are given.
        recorded: what the run is to say of its source, beside where the data came from.
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
    """As `search`, for data that are prepared already.

    Args:
        source: where the data came from, recorded for people; JSON values.
        evaluator: trains the networks; a worker process by default.
        standby: of `evonas.execution.launch.standby_for`, if the worker was started before the data were read.
        threads, execution: as in `search`.
        mean_by_default: whether the final model is a mean of networks where the settings leave that open.
        validation_given: whether the validation rows were given as such.
        **listeners: fields of `evonas.api.session.Listeners`, such as `on_part`.
    """
    heard, _ = Listeners(**{"started": monotonic(), **listeners}), launch.resolve_threads(threads)
    placed = Execution.from_arguments(execution)
    if heard.export is not None:
        check_export(heard.export)
    settings, wanted = settings or Settings(seed=0), as_space(space, build)
    check_given(settings.strategy, given_settings(settings))
    if evaluator is None:
        check_fits(build, wanted, settings.trainer)
    objective, settings = resolve_objectives(settings, data.problem, build is not None, wanted)
    space = fit_space(wanted, data.problem, settings.trainer)
    if settings.trainer == "population" and space != wanted:
        what = "no embeddings of numbers and no members are searched: the population trainer has none, native has"
        data = replace(data, notes=(*data.notes, what))
    if settings.quantiles:
        data = with_quantiles(data, settings.quantiles)
    space, remarks = trainable(space, settings, objective, data.problem.task)
    space, others = with_neighbours(space, data, settings)
    problem = with_metric(data.problem, data.splits[0], objective)
    data = replace(data, problem=problem, notes=(*data.notes, *remarks, *others))
    settings = with_epoch_rows(settings, data.problem, len(data.splits[0].y_train))
    settings = with_precision(with_rungs(settings, data.problem), data.problem)
    Screen.from_settings(settings, space, asdict(data.problem))  # refuses before anything is written
    check_settings(settings)
    settings = with_final_model(settings, data, space, usually=mean_by_default, validation_given=validation_given)
    check_repair(settings, space)
    genomes, data, source = apply_warm_start(data, space, settings, initial, warm_start, transfer, source or {})
    budget = budget or Budget.from_bounds()
    left = inf if budget.seconds is None else budget.seconds - (monotonic() - (heard.started or monotonic()))
    known = known_genomes(space, settings, data.problem.task, genomes)
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
    make = _make_by(evaluator, build=build, standby=standby, threads=threads, execution=placed)
    return run_session(store, space, budget, make, heard, build)


def resume(
    run_dir: str | Path,
    *,
    build: Any = None,
    space: Any = None,
    generations: int | str | None = None,
    evaluations: int | str | None = None,
    time: str | float | None = None,
    target: float | None = None,
    data: PreparedData | None = None,
    threads: int | None = None,
    execution: str | Execution | None = None,
    export: str | Path | None = None,
    baseline: bool = True,
    evaluator: EvaluatorFactory | None = None,
    callbacks: Sequence[Callback] = (),
    verbose: bool = False,
    mutations: Sequence[Any] = (),
    layer_kinds: Sequence[LayerKind] = (),
    **settings: Unpack[RunOptions],
) -> SearchResult:
    """Resumes a run that was stopped or killed, with the result that it would have had; or extends a finished one.

    Args:
        run_dir: the run directory; it holds everything needed except your own functions.
        build: the build function of the run, if it has one; its source must be unchanged.
        space: the space of the run, if it is of your own class, with unchanged settings.
        generations, evaluations, time: new bounds, counted from the start of the run; "+10" and "+5m" count from now.
            Other bounds stay as they were, unless they are used up.
        target: new score at which to stop.
        data: if given, must be the data of the run.
        threads, execution: as in `search`; may differ from before.
        export, baseline, callbacks: as in `search`; known baselines are not trained again.
        verbose: as in `search`.
        mutations, layer_kinds: those of your own that the run was given as objects; installed ones are found by name.
        **settings: fields of `evonas.api.session.Listeners`, such as `on_part`; and settings, which must be the run's;
            `strategy` and `objective` are needed where the run was given objects that are not known by a name.

    Raises:
        InputError: there is no run, another process runs it, or data or settings differ; says which.
        Interrupted: as `search`.
    """
    extensions = given_extensions(mutations, layer_kinds, settings.get("objective"), space)
    given: dict[str, Any] = named_objectives(settings)
    heard = {field.name: given.pop(field.name) for field in fields(Listeners) if field.name in given}
    heard |= {"export": None if export is None else Path(export), "callbacks": check_callbacks(callbacks)}
    heard["baseline"] = baseline
    if heard["export"] is not None:
        check_export(heard["export"])
    started, _ = monotonic(), launch.resolve_threads(threads)
    placed = Execution.from_arguments(execution)
    store = RunStore.open(run_dir)
    try:
        same_strategy(store, given.pop("strategy", None))
        same_extensions(store, extensions)
        check_same(store, data, given)
        check_origin(store.source)
        own = None if build is None else Build.from_function(build)
        check_build(own, store.source.get("build"), store.directory)
        changes = {"generations": generations, "evaluations": evaluations, "time": time, "target": target}
        budget = store.budget.extend(spent(store), changes)
        space = same_space(store, space)
    except BaseException:
        store.close()
        raise
    make = _make_by(evaluator, build=own, threads=threads, execution=placed)
    with follow_search(verbose, heard) as told:
        return run_session(store, space, budget, make, Listeners(**{"started": started, **told}), own)


def finalists(
    run_dir: str | Path,
    top: int = 5,
    seeds: int = 5,
    *,
    build: Any = None,
    threads: int | None = None,
    execution: str | Execution | None = None,
    on_finalists: OnRetraining | None = None,
    interruption: Interruption | None = None,
    evaluator: EvaluatorFactory | None = None,
) -> SearchResult:
    """Trains the best networks of a run again from scratch with other seeds, to see how good they are apart from luck.

    Earlier re-trainings are reused. The result's `finalists` hold the outcome; its `best`, and what
    `export` uses for rank 1, is from then on the finalist with the best mean re-score, until the search is
    resumed.

    Args:
        run_dir: the run directory.
        top: networks.
        seeds: re-trainings of each.
        build: the build function of the run, if it has one.
        threads, execution: as in `search`.
        on_finalists: called after every commit with the numbers of re-trainings done and planned.
        interruption: how to listen to signals.
        evaluator: trains the networks; a worker process by default.

    Raises:
        InputError: there is no run, another process runs it, or no network has a score.
        Interrupted: as `search`; what is trained is kept.
    """
    for name, value in (("top", top), ("seeds", seeds)):
        if not 1 <= value <= 1000:
            raise InputError(f"{name} must be at least 1 and at most 1000, not {value}: 5 is a good start")
    launch.resolve_threads(threads)
    placed = Execution.from_arguments(execution)
    with RunStore.open(run_dir) as store, interruption or Interruption() as listening:
        store.ranked(1)
        if not trains_networks(store):
            raise InputError(
                f"finalists must be networks that were trained, but the weights of {run_dir} were evolved "
                f"(--strategy {store.settings.strategy}): another seed would be another search"
            )
        own = None if build is None else Build.from_function(build)
        check_build(own, store.source.get("build"), store.directory)
        space = space_from_json(store.space_json)
        make = _make_by(evaluator, build=own, threads=threads, execution=placed)
        with closing(make(space, store.directory / DATA_NAME, store.settings)) as trainer:
            done = retrain_finalists(store, trainer, space, top, seeds, interruption=listening, on_part=on_finalists)
        store.write_reports()
    if not done:
        raise Interrupted(Path(run_dir), listening.exit_code)
    return SearchResult(run_dir, own, writes=True)


def load_run(run_dir: str | Path, *, build: Any = None) -> SearchResult:
    """The results of a run so far, also of one that is still running. Read-only.

    Args:
        run_dir: the run directory.
        build: the build function of the run, if it has one; needed only for the models.
    """
    return SearchResult(run_dir, None if build is None else Build.from_function(build))


def _make_by(evaluator: EvaluatorFactory | None, **options: Any) -> EvaluatorFactory:
    """What makes the evaluator of a run: the given one, or a worker process with those options that are not None."""
    options["execution"] = None if options["execution"].is_default else options["execution"]
    given = {name: value for name, value in options.items() if value is not None}
    return evaluator or (partial(_worker, **given) if given else _worker)
