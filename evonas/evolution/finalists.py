"""Finalists: retraining of the best networks of a search from scratch with other seeds, and their test scores.

All retraining runs form one batch and are committed one by one, so that a killed run resumes within the batch. If there
is not enough time, as many as possible are trained, see `evonas.evolution.retraining_plan`: those that fit by the times
measured in the search, and then, by their own times, as many others as fit. Imports no Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, runtime_checkable

from evonas.evaluation import Candidate, Evaluation, Status, Weights
from evonas.evolution.deadline import Timetable, abandon_when
from evonas.evolution.retraining_plan import forecast_costs, forecast_members, next_retrainings
from evonas.evolution.training_progress import watching
from evonas.interruption import Abandoned, Interruption
from evonas.protocols import Evaluator
from evonas.runs.finalists import Finalist, Retraining, all_rows_members, ensemble_members, retraining_seeds
from evonas.runs.store import RunStore
from evonas.training_tasks import ALL_ROWS
from genomes.space import SearchSpace

__all__ = ["OnRetraining", "Tester", "retrain_finalists", "train_ensemble_members", "train_on_all_rows"]

#: Called with the number of retraining runs that are done, and the number that are planned.
OnRetraining = Callable[[int, int], None]

_TOO_LATE = Evaluation(Status.STOPPED, reason="the time limit was reached before it was trained")


@runtime_checkable
class Tester(Protocol):
    """An evaluator that can also score weights on the test split."""

    def test(self, genome: Any, weights: Weights) -> dict[str, float]:
        """Scores on the test split; empty if there is none."""
        ...


def retrain_finalists(
    store: RunStore,
    evaluator: Evaluator,
    space: SearchSpace,
    top: int,
    seeds: int,
    *,
    interruption: Interruption | None = None,
    on_part: OnRetraining | None = None,
    timetable: Timetable | None = None,
) -> bool:
    """Retrains the best networks of a run and commits the results; committed results are not recomputed.

    Args:
        store: the run's open store.
        evaluator: the evaluator, which is not closed here. Unless it is a `Tester`, finalists have no test scores.
        space: the space of the genomes.
        top: number of networks, >= 1; fewer if fewer have a score.
        seeds: number of seeds for each network, >= 1.
        interruption: may request a stop.
        on_part: called after every commit.
        timetable: the session's time budget; by default, without a limit.

    Returns:
        False if a stop was requested before everything that the time allows was done.
    """
    interruption, timetable = interruption or Interruption(), timetable or Timetable(store, None, counts=False)
    store.retrainings.ask(store.evaluated, top, seeds)
    candidates = _candidates(store, space, top, seeds)

    def fitting() -> tuple[frozenset[int], frozenset[int]]:
        costs = forecast_costs(store, top, seeds, timetable.members, timetable.test_seconds)
        plan, done = timetable.plan_retrainings(costs), _done(store, candidates)
        missing = frozenset(range(costs.networks)) - done
        now = next_retrainings(plan, done, missing, timetable.members > 0, timetable.retrainings_are_over)
        return now, plan.finalists | now

    def test() -> bool:
        abandon_when(evaluator, lambda: interruption.requested or timetable.finalist_tests_are_over)
        return _test(store, evaluator, candidates, interruption, timetable)

    with watching(evaluator, store, space, lambda number: candidates[number], "finalist"):
        left = _train_fitting(store, evaluator, candidates, fitting, interruption, timetable, on_part, test)
    if left and interruption.requested:
        return False
    if left:
        store.retrainings.commit([(candidates[index], _TOO_LATE) for index in sorted(left)])
    return test()


def train_ensemble_members(
    store: RunStore,
    evaluator: Evaluator,
    space: SearchSpace,
    count: int,
    *,
    interruption: Interruption | None = None,
    timetable: Timetable | None = None,
) -> bool:
    """Trains the best network from further seeds, for an ensemble, and commits the results.

    With cross-validation, each member is trained on one fold (see `ensemble_members`). Members for which there is no
    time are skipped. Members do not affect the ranking.

    Args:
        store, evaluator, space, interruption, timetable: as for `retrain_finalists`, which must have been called
            before.
        count: number of further seeds, >= 1.

    Returns:
        False if a stop was requested before everything that the time allows was done.
    """
    interruption, timetable = interruption or Interruption(), timetable or Timetable(store, None, counts=False)
    if not store.finalists:
        return not interruption.requested
    best, settings, (_, seeds) = store.ranked(1), store.settings, store.retrainings_wanted
    first = Candidate(space.genome_from_json(best.genome), best.digest, 0, settings.epochs, operator="member")
    members = ensemble_members(settings.seed or 0, best.digest, seeds, count, settings.cv)
    candidates = [
        replace(first, seed=seed, fold=fold, generation=store.generations, index=index)
        for index, (seed, fold) in enumerate(members)
    ]
    return _train_members(store, evaluator, space, store.finalists, candidates, interruption, timetable)


def train_on_all_rows(
    store: RunStore,
    evaluator: Evaluator,
    space: SearchSpace,
    count: int,
    *,
    interruption: Interruption | None = None,
    timetable: Timetable | None = None,
) -> bool:
    """Trains the finalists in turn on training and validation rows together, for the mean of these networks.

    Each is trained for the median best epoch of its retraining runs, since no rows are left for early stopping.

    Args:
        store, evaluator, space, interruption, timetable: as for `retrain_finalists`, which must have been called
            before.
        count: number of networks, >= 1; those for which there is no time are skipped.

    Returns:
        False if a stop was requested before everything that the time allows was done.
    """
    interruption, timetable = interruption or Interruption(), timetable or Timetable(store, None, counts=False)
    finalists = store.finalists
    if not finalists:
        return not interruption.requested
    settings, (_, seeds) = store.settings, store.retrainings_wanted
    candidates = [
        Candidate(
            space.genome_from_json(finalist.record.genome),
            finalist.record.digest,
            seed,
            finalist.best_epoch,
            generation=store.generations,
            index=index,
            operator="member",
            horizon=settings.epochs,
            fold=ALL_ROWS,
        )
        for index, (finalist, seed) in enumerate(all_rows_members(finalists, settings.seed or 0, seeds, count))
    ]
    return _train_members(store, evaluator, space, finalists, candidates, interruption, timetable)


def _train_members(
    store: RunStore,
    evaluator: Evaluator,
    space: SearchSpace,
    finalists: Sequence[Finalist],
    candidates: Sequence[Candidate],
    interruption: Interruption,
    timetable: Timetable,
) -> bool:
    """Trains the new candidates that fit into the time; returns False if a stop was requested before all were done."""

    def fitting() -> tuple[frozenset[int], frozenset[int]]:
        plan = timetable.plan_retrainings(forecast_members(store, finalists, candidates))
        return plan.members, plan.members

    with watching(evaluator, store, space, lambda number: candidates[number], "member"):
        left = _train_fitting(store, evaluator, candidates, fitting, interruption, timetable)
    return not (left and interruption.requested)


def _candidates(store: RunStore, space: SearchSpace, top: int, seeds: int) -> list[Candidate]:
    """One candidate per network and seed: all networks with their first seed, best first, then their second, etc."""
    settings = store.settings
    networks = []
    for record in store.best(top):
        genome = space.genome_from_json(record.genome)
        first = replace(Candidate(genome, record.digest, 0, settings.epochs), operator="finalist")
        networks.append((first, retraining_seeds(settings.seed or 0, record.digest, seeds)))
    candidates: list[Candidate] = []
    for which in range(seeds):
        for first, numbers in networks:
            index = len(candidates)
            candidates.append(replace(first, seed=numbers[which], generation=store.generations, index=index))
    return candidates


def _done(store: RunStore, candidates: Sequence[Candidate]) -> frozenset[int]:
    """Indices of the candidates that are trained."""
    return frozenset(index for index, each in enumerate(candidates) if _find_retraining(store, each) is not None)


def _train_fitting(
    store: RunStore,
    evaluator: Evaluator,
    candidates: Sequence[Candidate],
    fitting: Callable[[], tuple[frozenset[int], frozenset[int]]],
    interruption: Interruption,
    timetable: Timetable,
    on_part: OnRetraining | None = None,
    test: Callable[[], bool] = lambda: True,
) -> frozenset[int]:
    """Trains and commits candidates as long as any fits into the time; returns the indices of those that are left.

    Results do not depend on which candidates are trained together.

    Args:
        fitting: plans, from the times of all that is trained so far, which candidates to train now and which in all.
        test: called whenever what was planned is trained; returns False if a stop was requested.
        Others as in `_train`.
    """
    everything, is_first = frozenset(range(len(candidates))), True
    while True:
        done, (now, in_all) = _done(store, candidates), fitting()
        if on_part is not None and is_first:
            on_part(len(done), len(done | in_all))
        if not now - done:
            return everything - done
        abandon_when(evaluator, lambda: interruption.requested or timetable.retrainings_are_over)
        # The state after the last generation, so that the plan, and thus the results, are the same on every attempt.
        evaluator.restore(store.evaluator_state)
        tell = None if on_part is None else partial(_tell, on_part, len(done | in_all))
        is_late = bool(_train(store, evaluator, candidates, now - done, interruption, timetable, tell))
        if is_late or interruption.requested or not test():
            return everything - _done(store, candidates)
        is_first = False


def _tell(on_part: OnRetraining, in_all: int, done: int, planned: int) -> None:
    on_part(done, max(in_all, planned))


def _train(
    store: RunStore,
    evaluator: Evaluator,
    candidates: Sequence[Candidate],
    fitting: frozenset[int],
    interruption: Interruption,
    timetable: Timetable,
    on_part: OnRetraining | None,
) -> frozenset[int]:
    """Trains and commits the fitting candidates; returns the indices of those left if it has to stop."""
    left, before = set(fitting), sum(_find_retraining(store, each) is not None for each in candidates)
    parts = evaluator.evaluate(candidates, frozenset(range(len(candidates))) - fitting) if fitting else iter(())
    while True:
        try:
            with interruption.waiting():
                part = next(parts, None)
        except Abandoned:
            break
        if part is None:
            if left:
                raise RuntimeError(f"the evaluator ended with {len(left)} candidates left: return each exactly once")
            break
        if part:
            done = [(candidates[index], part[index]) for index in sorted(part)]
            store.retrainings.commit(done, timetable.began, timetable.session_seconds)
            left -= part.keys()
            if timetable.counts:
                timetable.note()
            if on_part is not None:
                on_part(before + len(fitting) - len(left), before + len(fitting))
        if left and (interruption.requested or timetable.retrainings_are_over):
            break
    return frozenset(left)


def _test(
    store: RunStore,
    evaluator: Evaluator,
    candidates: Sequence[Candidate],
    interruption: Interruption,
    timetable: Timetable,
) -> bool:
    """Scores retrained networks on the test split while there is time; returns False if a stop was requested."""
    for candidate in candidates:
        retraining = _find_retraining(store, candidate)
        if retraining is None or retraining.test is not None:
            continue
        scores: dict[str, float] = {}
        trained = retraining.evaluation.status is Status.OK and not timetable.finalist_tests_are_over
        if isinstance(evaluator, Tester) and trained and retraining.weights:
            try:
                with interruption.waiting(), timetable.testing():
                    scores = evaluator.test(candidate.genome, store.weights_named(retraining.weights))
            except Abandoned:
                if not timetable.finalist_tests_are_over:
                    return False
        store.retrainings.commit_test(retraining, scores)
    return True


def _find_retraining(store: RunStore, candidate: Candidate) -> Retraining | None:
    return store.retrainings.retraining(candidate.digest, candidate.seed, candidate.epochs)
