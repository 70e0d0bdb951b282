"""One session of a run: search, finalists and export, within one time budget. Imports no Keras and no pandas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.api.final_model import chooses_members, members_after_finalists
from evonas.api.generations import run_generations
from evonas.api.provenance import trains_networks
from evonas.api.result import SearchResult
from evonas.baselines.start import BaselineProcess, baselines_wanted, reason_against
from evonas.config import Budget, Settings
from evonas.data.prepared import PreparedData
from evonas.deploy.export import Exporter, export, export_ensemble
from evonas.deploy.final_model import choose_ensemble, score_final_model
from evonas.errors import Interrupted
from evonas.evolution.deadline import Abandonable, Timetable
from evonas.evolution.finalists import (
    OnRetraining,
    Tester,
    retrain_finalists,
    train_ensemble_members,
    train_on_all_rows,
)
from evonas.evolution.rate_repair import repair_of
from evonas.execution.pool import PoolEvaluator
from evonas.interruption import Abandoned, Interruption
from evonas.protocols import Evaluator
from evonas.runs.baselines import Baselines
from evonas.runs.directory import WORKER_LOG
from evonas.runs.final_model import is_single_network
from evonas.runs.progress import Generation, Progress, Stop
from evonas.runs.reader import DATA_NAME, RunReader
from evonas.runs.store import RunStore
from evonas.strategies import make_strategy
from evonas.trackers.callback import Callback
from evonas.trackers.notifier import Notifier, check_callbacks
from evonas.user_model import Build
from genomes.space import SearchSpace

if TYPE_CHECKING:
    from evonas.export_tasks import Exported

__all__ = ["EvaluatorFactory", "Listeners", "run_session"]

#: Makes an evaluator: (space, path of the prepared data, settings) -> evaluator.
EvaluatorFactory = Callable[[SearchSpace, Path, Settings], Evaluator]


#: Share of a run's time that is reserved for its caller at the end.
_MOST_RESERVED = 0.05
#: Seconds that a run waits at its end for unfinished baselines, if it has time left, and the same as a share of the
#: session's seconds: a run of two seconds does not double for them.
_BASELINE_SECONDS, _BASELINE_SHARE = 2.0, 0.4


@dataclass(frozen=True)
class Listeners:
    """The listeners of a session; all are optional.

    Attributes:
        on_start: called once, before anything is trained, with the run and its budget.
        on_part, on_generation: called after each commit and each generation.
        on_finalists: called while finalists are retrained, with the numbers of retrainings done and planned.
        on_end: called at the end, with the run, its best network as a file, and its scores on the test split. Without
            `export`, a file is only written for user-defined models; None if there was no time for it. Counts as time
            of the run.
        export: file for the best network at the end, with a model card, as by `evonas.export`; Keras is loaded while
            the last generation and the finalists are trained.
        interruption: how to listen to signals.
        callbacks: called at the start, after each evaluation and generation, and at the end, see `evonas.Callback`.
        started: when the session began, as `time.monotonic()` counts; now if None.
        baseline: whether to train baselines during the search, see `evonas.baselines`.
        reserved: seconds that the listeners need at the end, at most a twentieth of the run's time.
    """

    on_start: Callable[[RunReader, Budget], None] | None = None
    on_part: Callable[[Progress], None] | None = None
    on_generation: Callable[[Generation], None] | None = None
    on_finalists: OnRetraining | None = None
    on_end: Callable[[RunReader, Exported | None, Mapping[str, float]], None] | None = None
    export: Path | None = None
    interruption: Interruption | None = None
    callbacks: Sequence[Callback] = ()
    started: float | None = None
    reserved: float = 0.0
    baseline: bool = False

    def __post_init__(self) -> None:
        check_callbacks(self.callbacks)


def run_session(
    store: RunStore,
    space: SearchSpace,
    budget: Budget,
    make: EvaluatorFactory,
    listeners: Listeners,
    build: Build | None = None,
) -> SearchResult:
    """Searches, retrains the finalists, and passes the outcome to `listeners.on_end`.

    Args:
        store: open store of the run; closed at the end.
        space: of the genomes.
        budget: of the run.
        make: makes the evaluator.
        listeners: called as the session proceeds.
        build: the build function of user-defined models.

    Raises:
        Interrupted: stopped by Ctrl-C or SIGTERM; everything up to then is committed.
    """
    with store, listeners.interruption or Interruption() as listening:
        telling = Notifier(listeners.callbacks, space)
        end = telling.end
        listeners = _with_callbacks(listeners, telling)
        if listeners.interruption is None:  # the listeners are the caller's, not a display of evonas
            listeners, end = _with_callers_signals(listeners, listening), listening.aside(end)
        if listeners.on_start is not None:
            listeners.on_start(store, budget)
        trains = trains_networks(store)
        retrainings = store.retrainings_wanted if trains else (0, 0)
        members = members_after_finalists(store.settings) if trains else 0
        own: dict[str, Any] = {"members": members, "has_choice": trains and chooses_members(store)}
        timetable = Timetable(store, budget.seconds, listeners.started, retrainings, has_end=True, **own)
        timetable.ending = lambda: min(listeners.reserved, _MOST_RESERVED * timetable.bound)
        trainer = make(space, store.directory / DATA_NAME, store.settings)
        if isinstance(trainer, PoolEvaluator):
            timetable.most_slots = lambda: trainer.slots
        exporter = None
        wanted = listeners.export is not None or (listeners.on_end is not None and build is not None)
        if wanted and isinstance(trainer, Abandonable):
            exporter = Exporter(store, space, build, timetable, lambda: listening.requested)
        baselines = _start_baselines(store, budget, listeners.baseline)
        with exporter or nullcontext(), baselines or nullcontext():
            listeners = _with_baseline_notes(listeners, store, baselines)
            try:
                stopped = _search(store, space, budget, trainer, timetable, listening, listeners, build, exporter)
                if not stopped and trains and all(store.retrainings_wanted):
                    stopped = not _retrain(store, space, trainer, timetable, listening, listeners, exporter, members)
                scores = {} if stopped or build is not None else _test_scores(store, space, trainer, timetable)
            finally:
                trainer.close()
            if baselines is not None:
                _note_baselines(store, baselines, timetable, stopped)
            timetable.note()
            exported = None
            if not stopped and (wanted or listeners.on_end is not None):
                exported = _export(store, build, exporter, listeners.export) if wanted else None
                stopped = exported is None and listening.requested
                timetable.note()
                if not stopped and listeners.on_end is not None:
                    listeners.on_end(store, exported, scores)
                    timetable.note()
            end(store, exported)
            timetable.note()
    if stopped:
        raise Interrupted(store.directory, listening.exit_code)
    return SearchResult(store.directory, build, writes=True)


def _start_baselines(store: RunStore, budget: Budget, asked: bool) -> BaselineProcess | None:
    """Starts the process that trains baselines; None if they are not requested, already known, or not applicable."""
    known, data = store.baselines.found, store.directory / DATA_NAME
    if not baselines_wanted(asked) or (known is not None and known.complete) or not data.is_file():
        return None
    if store.problem_json.get("input_shapes"):
        return None  # baselines support tables only
    if reason := reason_against(data, budget.seconds):
        store.baselines.note(Baselines(missing=reason))
        return None
    try:
        return BaselineProcess(data, store.settings.seed or 0, budget.seconds, bool(store.settings.all_rows))
    except OSError as error:
        store.baselines.note(Baselines(missing=f"their process cannot start ({error.strerror})"))
        return None


def _with_baseline_notes(listeners: Listeners, store: RunStore, baselines: BaselineProcess | None) -> Listeners:
    """The listeners, with new results of the baselines committed after each generation."""
    if baselines is None:
        return listeners
    on_generation = listeners.on_generation

    def note(generation: Generation) -> None:
        if (news := baselines.news()) is not None:
            store.baselines.note(news)
        if on_generation is not None:
            on_generation(generation)

    return replace(listeners, on_generation=note)


def _note_baselines(store: RunStore, baselines: BaselineProcess, timetable: Timetable, stopped: bool) -> None:
    """Commits the outcome of the baselines, for which a run with time left waits briefly."""
    spare = timetable.left - timetable.end_seconds
    outcome = baselines.outcome(
        0.0 if stopped else min(_BASELINE_SECONDS, _BASELINE_SHARE * timetable.session_seconds, spare)
    )
    store.baselines.note(replace(outcome, missing="the search was stopped") if stopped else outcome)


def _test_scores(store: RunStore, space: SearchSpace, trainer: Evaluator, timetable: Timetable) -> dict[str, float]:
    """Test scores of the final model, or of the best network if there is no time for the mean of several.

    Empty if there is none, or no time for it.
    """
    if (store.settings.ensemble and store.finalists) or store.settings.average:
        _choose_ensemble(store, timetable)
    if (model := store.final_model) is not None:
        data = PreparedData.load(store.directory / DATA_NAME)
        if scores := score_final_model(store, model, data, lambda: timetable.tests_are_over):
            store.final_test.note(model, scores)
            return scores
    if not isinstance(trainer, Tester) or not store.best(1):
        return {}
    record = store.ranked(1)
    if record.weights is None:
        return {}
    try:
        return trainer.test(space.genome_from_json(record.genome), store.weights(record))
    except Abandoned:
        return {}


def _choose_ensemble(store: RunStore, timetable: Timetable) -> None:
    """Commits the members of the ensemble; none if there is no time to compare them."""
    data = PreparedData.load(store.directory / DATA_NAME)
    left = timetable.tests_left
    end = max(left - timetable.choice_seconds, left / 2.0)  # the rest is for test scores and the report
    names, shares = choose_ensemble(store, data, lambda: timetable.tests_left < end)
    if names:
        store.final_test.choose(names, shares)


def _with_callbacks(listeners: Listeners, telling: Notifier) -> Listeners:
    """The same listeners, each followed by the callbacks."""
    own: dict[str, Any] = {
        "on_start": telling.start,
        "on_part": telling.part,
        "on_generation": telling.generation,
    }

    def both(first: Callable[..., None] | None, second: Callable[..., None]) -> Callable[..., None]:
        def call(*values: Any) -> None:
            if first is not None:
                first(*values)
            second(*values)

        return call

    joined: dict[str, Any] = {name: both(getattr(listeners, name), each) for name, each in own.items()}
    return replace(listeners, **joined) if listeners.callbacks else listeners


def _with_callers_signals(listeners: Listeners, listening: Interruption) -> Listeners:
    """The listeners, called with the caller's signal handlers."""
    names = ("on_start", "on_part", "on_generation", "on_finalists", "on_end")
    given: dict[str, Any] = {name: getattr(listeners, name) for name in names}
    options: dict[str, Any] = {name: listening.aside(each) for name, each in given.items() if each is not None}
    return replace(listeners, **options)


def _search(
    store: RunStore,
    space: SearchSpace,
    budget: Budget,
    trainer: Evaluator,
    timetable: Timetable,
    interruption: Interruption,
    listeners: Listeners,
    build: Build | None,
    exporter: Exporter | None,
) -> bool:
    """Runs the search; returns whether it was interrupted."""
    strategy = make_strategy(
        store.settings.strategy,
        space,
        objective=store.objective,
        settings=store.settings,
        repair=repair_of(store.settings, space, trainer, interruption),
    )
    log = None if build is None else store.directory / WORKER_LOG
    options: dict[str, Any] = {"interruption": interruption, "on_part": listeners.on_part, "timetable": timetable}
    loop = run_generations(store, space, strategy, trainer, budget, log=log, **options)
    with timetable.part("search"), closing(loop) as generations:
        for generation in generations:
            if listeners.on_generation is not None:
                listeners.on_generation(generation)
            if exporter is not None and budget.generations is not None and generation.number + 2 >= budget.generations:
                exporter.start()  # the last generation is next
    return store.stop == Stop.INTERRUPTED


def _retrain(
    store: RunStore,
    space: SearchSpace,
    trainer: Evaluator,
    timetable: Timetable,
    interruption: Interruption,
    listeners: Listeners,
    exporter: Exporter | None,
    members: int,
) -> bool:
    """Retrains the finalists, and trains the members of an ensemble or a mean; returns whether that was completed."""
    if exporter is not None:
        exporter.start()
    options: dict[str, Any] = {"interruption": interruption, "timetable": timetable}
    top, seeds = store.retrainings_wanted
    with timetable.part("finalists"):
        done = retrain_finalists(store, trainer, space, top, seeds, on_part=listeners.on_finalists, **options)
        further = train_on_all_rows if store.settings.all_rows else train_ensemble_members
        return done and (not members or further(store, trainer, space, members, **options))


def _export(store: RunStore, build: Build | None, exporter: Exporter | None, path: Path | None) -> Exported | None:
    """The best network as a file, in the run directory unless a path is given; None if there is none, or no time."""
    if not store.best(1):
        return None
    if exporter is not None:
        exporter.start()
    try:
        worker = None if exporter is None else exporter.worker
        if path is not None and store.settings.ensemble and store.final_model is None and not is_single_network(store):
            return export_ensemble(store.directory, path, store.settings.ensemble, worker=worker)
        if path is not None:
            return export(store.directory, path, build=build, worker=worker)
        return SearchResult(store.directory, build, worker, writes=True).exported
    except Abandoned:
        if exporter is not None:
            exporter.abandon()
        return None
