"""`run_trials`: searches over something of a user's that builds, fits and scores by itself. Imports no Keras.

What `evonas.search` is for models that evonas trains, this is for a `Trial` (`evonas.training.trials`): the same
strategies, the same worker process and the same run directory, without data of evonas's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evonas.building import check_first, pack
from evonas.config import Budget, Settings
from evonas.errors import Interrupted
from evonas.evaluation import Evaluator
from evonas.evolution import Progress, Stop, evolve
from evonas.interruption import Interruption
from evonas.objective import Objective
from evonas.runs.directory import WORKER_LOG, log_of
from evonas.runs.schema import DATABASE
from evonas.runs.store import RunStore
from evonas.strategies import make_strategy
from evonas.training.trainer import TrainingSettings
from genomes.errors import InputError
from genomes.hyperparameters import HyperparameterSpace

__all__ = ["TrialSearch", "population_for", "run_trials"]

#: Settings that may differ when a search is gone on with: the recorded ones count.
_FREE = frozenset(("seed", "keep"))


@dataclass(frozen=True, eq=False)
class TrialSearch:
    """A search over trials.

    Attributes:
        trial: a `Trial`.
        name: of what is searched, for messages.
        users: what in the trial is a user's, see `evonas.building.pack`.
        space: of its genes.
        objective: the name of its score, and the direction in which that improves.
        identity: what tells this search from another one (digests of functions and data); JSON values.
        settings: of the strategy, fields of `evonas.Settings`.
        initial: genomes to begin with.
        evaluations: how many trials in all.
        in_process: whether trials run in this process.
    """

    trial: Any
    name: str
    users: Sequence[Any]
    space: HyperparameterSpace
    objective: Objective
    identity: Mapping[str, Any]
    settings: Mapping[str, Any]
    initial: Sequence[Any]
    evaluations: int
    in_process: bool = False


def population_for(evaluations: int) -> int:
    """How many networks survive a generation of a search of so few: some generations are to follow the first one."""
    return min(evaluations, max(4, min(20, evaluations // 4)))


def run_trials(
    search: TrialSearch,
    directory: Path,
    *,
    overwrite: bool = False,
    on_part: Callable[[Progress], None] | None = None,
    interruption: Interruption | None = None,
) -> None:
    """Runs the search, or goes on with it where the directory holds it already, until its trials are done.

    Args:
        search: what to do.
        directory: of the run.
        overwrite: whether a run that is there is deleted, not gone on with.
        on_part: called after every commit.
        interruption: how to listen to signals.

    Raises:
        InputError: the directory holds another search, or all of the first trials failed alike.
        Interrupted: Ctrl-C or SIGTERM, after everything was committed.
    """
    with _store(search, directory, overwrite) as store, interruption or Interruption() as listening:
        strategy = make_strategy(
            store.settings.strategy, search.space, objective=search.objective, settings=store.settings
        )
        budget = Budget(evaluations=search.evaluations)
        with closing(_evaluator(search, store)) as evaluator:
            loop = evolve(strategy, evaluator, store, search.space, budget, interruption=listening, on_part=on_part)
            with closing(loop) as generations:
                for generation in generations:
                    if generation.number == 0:
                        reasons = [evaluation.reason for evaluation in generation.evaluations]
                        check_first(reasons, "what was printed" if search.in_process else directory / WORKER_LOG)
        stopped = store.stop == Stop.INTERRUPTED
    if stopped:
        raise Interrupted(directory, listening.exit_code)


def _store(search: TrialSearch, directory: Path, overwrite: bool) -> RunStore:
    if overwrite or not (directory / DATABASE).exists():
        population = population_for(search.evaluations)
        sizes = {"strategy": "evolution", "population": population, "offspring": max(1, population // 2)}
        # The trial decides what an epoch is, and trains the best ones again if that is wanted.
        settings = Settings(**{**sizes, "finalists": 0, "trainer": "single", "epochs": 1, **search.settings})
        settings = settings.resolved(search.objective.name)
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
            },
            overwrite=overwrite,
        )
    store = RunStore.open(directory)
    recorded = {"space": store.space_json, **store.source.get("trial", {})}
    given = {"space": search.space.to_json(), **search.identity}
    for name in search.settings.keys() - _FREE:
        recorded[name], given[name] = getattr(store.settings, name), search.settings[name]
    different = sorted(name for name in recorded.keys() | given.keys() if recorded.get(name) != given.get(name))
    if different:
        store.close()
        raise InputError(
            f"search must be the one that {directory} holds, to go on with it, but these differ: "
            f"{', '.join(different)}. Overwrite it, or choose another directory"
        )
    return store


def _evaluator(search: TrialSearch, store: RunStore) -> Evaluator:
    if search.in_process:
        from evonas.execution.here import LocalEvaluator

        return LocalEvaluator(search.space, lambda: _local_trainer(search.trial))
    from evonas.execution import Limits, WorkerEvaluator

    return WorkerEvaluator(
        search.space,
        None,
        TrainingSettings(trainer="single"),
        log=log_of(store.directory),
        limits=Limits(candidate_seconds=store.settings.candidate_timeout, memory_bytes=store.settings.worker_memory),
        build=pack(search.trial, search.name, search.users),
    )


def _local_trainer(trial: Any) -> Any:
    from evonas.training.trials import TrialTrainer

    return TrialTrainer(trial)
