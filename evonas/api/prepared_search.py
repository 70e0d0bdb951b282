"""Search with data that are still to be read (`search_data`) or already prepared (`search_prepared`).

Combines space, strategy, evaluator and store, and runs the session. Shared by `evonas.search`, the command line and
the estimators. Imports no Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from math import inf
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from evonas.api.extensions import with_mutations
from evonas.api.final_model import with_final_model
from evonas.api.provenance import extension_provenance, strategy_provenance
from evonas.api.request import SearchRequest
from evonas.api.resolve import (
    Space,
    as_space,
    chosen_space,
    encoding_of,
    fit_space,
    resolve_samples,
    space_and_numbers,
    trainable,
    with_learned_neighbours,
    with_neighbours,
)
from evonas.api.resolved_settings import (
    resolve_objectives,
    with_epoch_rows,
    with_precision,
    with_reduced_rungs,
    with_rungs,
    with_usual_epochs,
)
from evonas.api.result import SearchResult
from evonas.api.session import EvaluatorFactory, Listeners, run_session
from evonas.config import Budget, Settings
from evonas.data.load import read_data
from evonas.data.options import DataOptions
from evonas.data.preparation_time import limited_preparation
from evonas.data.quantiles import with_quantiles
from evonas.data.sample_kind import chosen_architecture
from evonas.deploy.export import check_export
from evonas.evolution.constraints import Screen
from evonas.evolution.evaluation_cost import with_expected_seconds
from evonas.evolution.first_generation import first_generation
from evonas.evolution.rate_repair import check_repair
from evonas.evolution.warm_start import apply_warm_start, known_genomes
from evonas.execution import launch
from evonas.execution.launch import start_worker as _worker
from evonas.execution_options import Execution
from evonas.metrics.named import with_metric
from evonas.runs.consistency import space_class
from evonas.runs.directory import new_directory
from evonas.runs.store import RunStore
from evonas.strategies import check_given, check_settings, given_settings, make_strategy
from evonas.user_model import Build, check_fits
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.data.prepared import PreparedData
    from evonas.execution.worker_process import WorkerProcess
    from evonas.objective import Objective
    from genomes.space import SearchSpace

__all__ = ["make_evaluator", "search_data", "search_prepared"]


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
    on_reading: Callable[[str], None] | None = None,
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
        on_reading: called with messages while reading takes long.
        **listeners: fields of `evonas.api.session.Listeners`.
    """
    build, settings = None if request.build is None else Build.from_function(request.build), request.settings
    asked_for = (data.architecture, data.series, data.series_id, data.split)
    wanted, asked, _ = resolve_samples(request.space, build, *asked_for)
    searched, forms = space_and_numbers(wanted, request.numbers, build, request.neighbours is not False)
    if isinstance(x, (str, Path)) and Path(x).is_dir() and build is None:  # refused before many images are read
        _check_dense_options(request, chosen_architecture("image", asked.architecture))
    seconds = None if request.budget is None else request.budget.seconds
    ends = None if seconds is None else (listeners.get("started") or monotonic()) + seconds
    with limited_preparation(ends, seconds, on_reading):
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
    if build is None and prepared.problem.sample_shape:
        _check_dense_options(request, encoding_of(space))
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
        mean_by_default=seconds is not None,
        validation_given=parts.get("validation") is not None,
        **listeners,
    )


def _check_dense_options(request: SearchRequest, architecture: str) -> None:
    """Raises InputError if an option of dense networks is given with networks of another architecture."""
    for name in ("numbers", "neighbours"):
        value = getattr(request, name)
        if value is not None and architecture != "dense":
            raise InputError(
                f"{name} must be given with dense networks, not with {architecture or 'other'} ones: leave it out"
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
        mean_by_default: whether the final model is a mean of networks by default.
        validation_given: whether the user gave the validation rows.
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
    first = first_generation(space, data, settings, objective, genomes, left, at_once, known=known)
    if first and (usual := with_usual_epochs(settings, data.problem)) != settings:  # more networks are worth more
        settings = usual
        first = first_generation(space, data, settings, objective, genomes, left, at_once, known=known)
    if first:
        measured = sorted(set(first.settings()) - settings.model_fields_set)
        genomes, settings = first.genomes, settings.model_copy(update=first.settings())
        source = {**source, "first_generation": {**first.to_json(), "measured": measured}}
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
            **strategy_provenance(settings.strategy),
            **extension_provenance(space, settings.objective),
            **({} if build is None else {"build": build.to_json()}),
            **({} if hooks.baseline else {"baseline": False}),
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
        build: user-defined build function, if any.
        space: as given.
        settings: as given.
        checks_fit: whether a built-in trainer is used, which must fit the space.

    Raises:
        InputError: they are incompatible; nothing has been written.
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
            "embeddings of numbers and members are not searched: the population trainer does not support them, native "
            "does"
        )
    if settings.quantiles:
        data = with_quantiles(data, settings.quantiles)
    fitted, remarks = trainable(fitted, settings, objective, data.problem.task)
    fitted, learned = with_learned_neighbours(fitted, data, settings)
    fitted, others = with_neighbours(fitted, data, settings)
    problem = with_metric(data.problem, data.splits[0], objective)
    data = replace(data, problem=problem, notes=(*notes, *remarks, *learned, *others))
    rows = len(data.splits[0].y_train)
    settings = with_rungs(with_epoch_rows(settings, data.problem, rows), data.problem)
    settings = with_precision(with_reduced_rungs(settings, data.problem, rows), data.problem)
    Screen.from_settings(settings, fitted, asdict(data.problem))
    check_settings(settings)
    check_repair(settings, fitted)
    return objective, settings, fitted, data


def make_evaluator(evaluator: EvaluatorFactory | None, **options: Any) -> EvaluatorFactory:
    """The evaluator factory of a run: the given one, or a worker process with the options that are not None."""
    options["execution"] = None if options["execution"].is_default else options["execution"]
    given = {name: value for name, value in options.items() if value is not None}
    return evaluator or (partial(_worker, **given) if given else _worker)
