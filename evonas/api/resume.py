"""Working with existing runs: `resume`, `finalists`, `load_run`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Unpack

from evonas.api.extensions import given_extensions, named_objectives
from evonas.api.options import RunOptions
from evonas.api.provenance import same_extensions, same_strategy, trains_networks
from evonas.api.result import SearchResult
from evonas.api.session import EvaluatorFactory, Listeners, run_session
from evonas.data.source import check_origin
from evonas.deploy.export import check_export
from evonas.display.following import follow_search
from evonas.errors import Interrupted
from evonas.evolution.finalists import OnRetraining, retrain_finalists
from evonas.evolution.loop import spent
from evonas.execution import launch
from evonas.execution_options import Execution
from evonas.interruption import Interruption
from evonas.runs.consistency import check_same, same_space
from evonas.runs.reader import DATA_NAME
from evonas.runs.store import RunStore
from evonas.trackers.callback import Callback
from evonas.trackers.notifier import check_callbacks
from evonas.user_model import Build, check_build
from genomes.encodings import space_from_json
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.data.prepared import PreparedData
    from genomes.architecture.layer_kind import LayerKind
from evonas.api.prepared_search import make_evaluator

__all__ = ["finalists", "load_run", "resume"]


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
    baseline: bool | None = None,
    evaluator: EvaluatorFactory | None = None,
    callbacks: Sequence[Callback] = (),
    verbose: bool = False,
    mutations: Sequence[Any] = (),
    layer_kinds: Sequence[LayerKind] = (),
    **settings: Unpack[RunOptions],
) -> SearchResult:
    """Resumes a run that was stopped or killed, with the same result as if uninterrupted; or extends a finished one.

    Args:
        run_dir: the run directory; it holds everything needed except your own functions.
        build: the build function of the run, if it has one; its source must be unchanged.
        space: the space of the run, if it is of your own class, with unchanged settings.
        generations, evaluations, time: new bounds, counted from the start of the run; "+10" and "+5m" count from now.
            Other bounds stay as they were, unless they are used up.
        target: new score at which to stop.
        data: if given, must be the data of the run.
        threads, execution: as in `search`; may differ from before.
        export, callbacks: as in `search`.
        baseline: as in `search`; none: as when the run was started. Known baselines are not trained again.
        verbose: as in `search`.
        mutations, layer_kinds: user-defined ones that were passed to the run as objects; installed ones are found by
            name.
        **settings: fields of `evonas.api.session.Listeners`, such as `on_part`; and settings, which must be the run's;
            `strategy` and `objective` are needed if they were passed to the run as objects.

    Raises:
        InputError: there is no run, another process runs it, or data or settings differ; the message names them.
        Interrupted: as in `search`.
    """
    extensions = given_extensions(mutations, layer_kinds, settings.get("objective"), space)
    given: dict[str, Any] = named_objectives(settings)
    hooks = {field.name: given.pop(field.name) for field in fields(Listeners) if field.name in given}
    hooks |= {"export": None if export is None else Path(export), "callbacks": check_callbacks(callbacks)}
    if hooks["export"] is not None:
        check_export(hooks["export"])
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
        hooks["baseline"] = store.source.get("baseline", True) if baseline is None else baseline
    except BaseException:
        store.close()
        raise
    make = make_evaluator(evaluator, build=own, threads=threads, execution=placed)
    with follow_search(verbose, hooks) as hooks:
        return run_session(store, space, budget, make, Listeners(**{"started": started, **hooks}), own)


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
    """Retrains the best networks of a run from scratch with other seeds, to separate their quality from luck.

    Earlier retrainings are reused. The outcome is in `finalists` of the result; its `best`, and rank 1 of `export`,
    become the finalist with the best mean score, until the search is resumed.

    Args:
        run_dir: the run directory.
        top: number of networks.
        seeds: retrainings of each.
        build: the build function of the run, if it has one.
        threads, execution: as in `search`.
        on_finalists: called after every commit with the numbers of re-trainings done and planned.
        interruption: how to listen to signals.
        evaluator: trains the networks; a worker process by default.

    Raises:
        InputError: there is no run, another process runs it, or no network has a score.
        Interrupted: as in `search`; trained networks are kept.
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
                f"finalists must be trained networks, but the weights of {run_dir} were evolved (--strategy "
                f"{store.settings.strategy}): another seed would be another search"
            )
        own = None if build is None else Build.from_function(build)
        check_build(own, store.source.get("build"), store.directory)
        space = space_from_json(store.space_json)
        make = make_evaluator(evaluator, build=own, threads=threads, execution=placed)
        with closing(make(space, store.directory / DATA_NAME, store.settings)) as trainer:
            done = retrain_finalists(store, trainer, space, top, seeds, interruption=listening, on_part=on_finalists)
        store.write_reports()
    if not done:
        raise Interrupted(Path(run_dir), listening.exit_code)
    return SearchResult(run_dir, own, writes=True)


def load_run(run_dir: str | Path, *, build: Any = None) -> SearchResult:
    """The results of a run so far, even while it is running. Read-only.

    Args:
        run_dir: the run directory.
        build: the build function of the run, if it has one; needed only to build models.
    """
    return SearchResult(run_dir, None if build is None else Build.from_function(build))
