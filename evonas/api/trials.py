"""`run_trials`: searches over user-defined trials, which build, fit and score by themselves. Imports no Keras.

The counterpart of `evonas.search` for a `Trial` (`evonas.training.single.trials`), with the same strategies, worker
process and run directory, but without prepared data.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from evonas.api.generations import run_generations
from evonas.api.provenance import same_strategy, strategy_provenance
from evonas.config import Budget, Settings
from evonas.devices import chosen_trainer
from evonas.errors import Interrupted
from evonas.evaluation import Status
from evonas.evolution.evaluation_cost import with_expected_seconds
from evonas.execution.launch import evaluator_for_trials, local_evaluator_for_trials
from evonas.execution_options import Execution
from evonas.interruption import Interruption
from evonas.objective import Objective
from evonas.protocols import Evaluator
from evonas.runs.directory import WORKER_LOG
from evonas.runs.progress import Progress, Stop
from evonas.runs.schema import DATABASE
from evonas.runs.store import RunStore
from evonas.strategies import check_given, make_strategy
from evonas.user_model import pack
from genomes import HyperparameterSpace
from genomes.errors import InputError

__all__ = ["Growth", "TrialSearch", "may_stay_here", "population_for", "run_trials", "trains_natively"]

#: Settings that may differ when a search is continued; the recorded ones are used.
_FREE = frozenset(("seed", "keep"))


#: Key of the record of revealed genes.
_LATE = "late"


class Growth(Protocol):
    """Extends the space of a search by genes that its trials reveal."""

    def __call__(self, late: Sequence[Any]) -> HyperparameterSpace:
        """The space with everything revealed so far: `notes["new"]` of all trials, in order.

        Raises:
            InputError: the space must not or cannot grow.
        """
        ...


@dataclass(frozen=True, eq=False)
class TrialSearch:
    """A search over trials.

    Attributes:
        trial: a `Trial`.
        name: of the searched function, for messages.
        parts: name -> user-defined part of the trial, sent with the module that defines it, see
            `evonas.user_model.pack`.
        space: of its genes.
        objective: the name of its score, and the direction in which that improves.
        identity: digests of functions and data that identify this search, as JSON values.
        settings: fields of `evonas.Settings`.
        initial: genomes to start with.
        evaluations: total number of trials.
        in_process: whether trials run in this process.
        seconds: wall-clock bound of the search, if any.
        most_failures: consecutive trials without a score after which the search ends; None for no bound.
        grown: extends the space; None if it does not grow.
        execution: where trials run, if not in this process.
    """

    trial: Any
    name: str
    parts: Mapping[str, Any]
    space: HyperparameterSpace
    objective: Objective
    identity: Mapping[str, Any]
    settings: Mapping[str, Any]
    initial: Sequence[Any]
    evaluations: int
    in_process: bool = False
    seconds: float | None = None
    most_failures: int | None = None
    grown: Growth | None = None
    execution: Execution = Execution()  # noqa: RUF009 (frozen)


def population_for(evaluations: int) -> int:
    """Population size for this number of evaluations, such that several generations follow the first one."""
    return min(evaluations, max(4, min(20, evaluations // 4)))


def run_trials(
    search: TrialSearch,
    directory: Path,
    *,
    overwrite: bool = False,
    on_part: Callable[[Progress], None] | None = None,
    interruption: Interruption | None = None,
) -> None:
    """Runs the search, or continues it if the directory contains it, until its trials are done.

    Args:
        search: description of the search.
        directory: of the run.
        overwrite: whether an existing run is deleted instead of continued.
        on_part: called after every commit.
        interruption: how to listen to signals.

    Raises:
        InputError: the directory contains another search, or all of the first trials failed in the same way.
        Interrupted: stopped by Ctrl-C or SIGTERM; everything up to then is committed.
    """
    with _store(search, directory, overwrite) as store, interruption or Interruption() as listening:
        with closing(_evaluator(search, store)) as evaluator:
            while _grew(search, store, evaluator, listening, on_part):
                pass
        stopped = store.stop == Stop.INTERRUPTED
    if stopped:
        raise Interrupted(directory, listening.exit_code)


def _grew(
    search: TrialSearch,
    store: RunStore,
    evaluator: Evaluator,
    listening: Interruption,
    on_part: Callable[[Progress], None] | None,
) -> bool:
    """Searches until the end, or until trials reveal more to search and the space grows; returns whether it grew."""
    late = list(store.source["trial"].get(_LATE, []))
    space = search.space if search.grown is None else search.grown(late)
    settings = store.settings
    strategy = make_strategy(settings.strategy, space, objective=search.objective, settings=settings)
    budget = Budget(evaluations=search.evaluations, seconds=search.seconds)
    listener = _FailureLimit(search.most_failures, on_part)
    log = "what was printed" if search.in_process else store.directory / WORKER_LOG
    options: dict[str, Any] = {"interruption": listening, "on_part": listener}
    with closing(run_generations(store, space, strategy, evaluator, budget, log=log, **options)) as generations:
        for generation in generations:
            found = [each for evaluation in generation.evaluations for each in evaluation.notes.get("new", ())]
            new = [each for index, each in enumerate(found) if each not in late and each not in found[:index]]
            if search.grown is None or not new:
                continue
            larger = search.grown([*late, *new])
            if larger != space:
                break
        else:
            return False
    store.grow(larger, {**store.source, "trial": {**store.source["trial"], _LATE: [*late, *new]}})
    return True


class _FailureLimit:
    """A listener that passes on progress, and ends a search after too many consecutive failures."""

    def __init__(self, most: int | None, on_part: Callable[[Progress], None] | None) -> None:
        self._most, self._on_part, self._failures = most, on_part, 0

    def __call__(self, progress: Progress) -> None:
        """Called after each commit.

        Raises:
            InputError: too many consecutive trials had no score.
        """
        if self._on_part is not None:
            self._on_part(progress)
        for evaluation in progress.part:
            self._failures = 0 if evaluation.status is Status.OK else self._failures + 1
            if self._most is not None and self._failures >= self._most:
                raise InputError(
                    f"trials in a row without a score must be fewer than {self._most} (max_consecutive_failed_trials), "
                    f"but the last ones had none: {evaluation.reason}. Fix the failure, or raise the limit"
                )


def _store(search: TrialSearch, directory: Path, overwrite: bool) -> RunStore:
    if overwrite or not (directory / DATABASE).exists():
        population = population_for(search.evaluations)
        sizes = {"strategy": "evolution", "population": population, "offspring": max(1, population // 2)}
        # The trial defines epochs, and retrains the best models if wanted.
        settings = Settings(**{**sizes, "finalists": 0, "epochs": 1, **search.settings})
        check_given(settings.strategy, search.settings)
        if search.grown is not None and settings.window not in (None, 1):
            raise InputError(
                f"window must be 1 in a search whose space may grow, which runs one trial at a time, not "
                f"{settings.window}: leave it out"
            )
        settings = settings.resolve(search.objective.name, own_models=True)
        settings = with_expected_seconds(settings, search.space, None)
        if settings.trainer == "population":
            raise InputError(
                "trainer must be auto, native or single for user-defined models, not population: leave it out"
            )
        strategy = make_strategy(
            settings.strategy,
            search.space,
            objective=search.objective,
            initial=tuple(search.initial),
            settings=settings,
        )
        return RunStore.create(
            directory,
            settings=settings,
            space=search.space,
            state=strategy.state(),
            source={
                "direction": search.objective.direction,
                "trial": dict(search.identity),
                "build": {"name": search.name, "trial": True},
                **strategy_provenance(settings.strategy),
            },
            overwrite=overwrite,
        )
    store = RunStore.open(directory)
    recorded = dict(store.source.get("trial", {}))
    given = dict(search.identity)
    if search.grown is None:
        recorded["space"], given["space"] = store.space_json, search.space.to_json()
    recorded.pop(_LATE, None)
    for name in search.settings.keys() - _FREE:
        recorded[name], given[name] = getattr(store.settings, name), search.settings[name]
    different = sorted(name for name in recorded.keys() | given.keys() if recorded.get(name) != given.get(name))
    if different:
        store.close()
        raise InputError(
            f"search must be that of {directory} to continue it, but these differ: "
            f"{', '.join(different)}. Overwrite it, or choose another directory"
        )
    try:
        same_strategy(store, search.settings.get("strategy"))
    except BaseException:
        store.close()
        raise
    return store


def _evaluator(search: TrialSearch, store: RunStore) -> Evaluator:
    if search.in_process:
        return local_evaluator_for_trials(search.space, search.trial, store.settings.trainer)
    trial = pack(search.trial, search.name, list(search.parts.values()), search.parts)
    return evaluator_for_trials(search.space, store.directory, store.settings, trial, search.execution)


def may_stay_here(settings: Mapping[str, Any]) -> bool:
    """Whether the settings allow natively trained trials to run in this process.

    They do if Keras is loaded already and no limits require another process. Not in threads, since layer names of Keras
    and global random generators are shared with the rest of the process.
    """
    limited = settings.get("candidate_timeout") is not None or settings.get("worker_memory") is not None
    alone = threading.current_thread() is threading.main_thread()
    return not limited and alone and trains_natively(settings) and "keras" in sys.modules


def trains_natively(settings: Mapping[str, Any]) -> bool:
    """Whether the settings allow the native trainer for user-defined models."""
    return chosen_trainer(str(settings.get("trainer", "auto")), own_models=True) == "native"
