"""The loop: ask -> evaluate and commit, part by part -> tell -> commit the strategy's state -> yield the generation.

It connects a strategy, an evaluator and a store through protocols. A killed run resumes after the last completed
generation: the restored strategy proposes the same candidates again, and committed ones are not retrained. No random
numbers are drawn, and results do not depend on time. Imports no Keras, pandas or DEAP.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evonas.config import Budget
from evonas.evaluation import Candidate, Evaluation, Start, Status
from evonas.evolution.commits import CommitPacing
from evonas.evolution.constraints import Screen
from evonas.evolution.deadline import Timetable, abandon_when
from evonas.evolution.training_progress import watching
from evonas.interruption import Abandoned, Interruption
from evonas.protocols import Evaluator, Strategy
from evonas.runs.progress import IDLE_GENERATIONS, IDLE_NETWORKS, Generation, Progress, Stop
from evonas.runs.records import Record
from evonas.runs.store import RunStore
from genomes.errors import InputError
from genomes.space import SearchSpace

__all__ = ["Session", "best_of", "evolve", "restore", "spent"]


def spent(store: RunStore) -> Budget:
    """The budget spent so far; the target is set if it was reached."""
    generations, evaluations, target = store.generations, store.evaluated, store.budget.target
    return Budget(
        generations=generations or None,
        evaluations=evaluations or None,
        seconds=store.seconds or None,
        target=target if _target_reached(store, target) else None,
    )


def evolve(
    strategy: Strategy,
    evaluator: Evaluator,
    store: RunStore,
    space: SearchSpace,
    budget: Budget,
    *,
    interruption: Interruption | None = None,
    on_part: Callable[[Progress], None] | None = None,
    timetable: Timetable | None = None,
) -> Generator[Generation, None, None]:
    """Starts or continues a run until a bound of `budget` is reached or a stop is requested.

    Afterwards, the reason is in `store.stop`. Bounds on evaluations are exact. Targets, time limits and requests to
    stop are checked between results; the latter two also while waiting, if the evaluator supports that
    (`evonas.evolution.deadline`). Networks whose results were not committed are retrained in the next session. Closing
    the generator counts as an interruption.

    Args:
        strategy: the strategy, which is restored from the store.
        evaluator: the evaluator, which is not closed here.
        store: the run's open store.
        space: the space of the genomes.
        budget: bounds that count from the start of the run, not of this session.
        interruption: may request a stop.
        on_part: called after every commit.
        timetable: the session's time budget; by default, created from `budget`.

    Yields:
        Each generation, once it is committed.
    """
    timetable = timetable or Timetable(store, budget.seconds)
    session = Session(evaluator, store, space, budget, interruption or Interruption(), on_part, timetable)
    store.begin_session(budget)
    stop = Stop.INTERRUPTED
    try:
        restore(strategy, store)
        evaluator.restore(store.evaluator_state)
        abandon_when(evaluator, session.should_abandon)
        while (reason := session.stop_before_generation()) is None:
            try:
                with timetable.asking():
                    candidates = [store.locate(candidate) for candidate in strategy.ask()]
            except Abandoned:  # during the repair of children
                reason = session.abandon_reason
                break
            store.add_candidates(candidates, space)
            number = candidates[0].generation
            planned = session.plan(candidates)
            if (reason := session.train(planned)) is not None:
                break
            # Read back from the store so that a resumed run tells exactly the same values.
            evaluations = [session.known(candidate) for candidate in candidates]
            strategy.tell(evaluations)
            store.complete_generation(
                number, strategy.state(), timetable.session_seconds, evaluator.state(), strategy.retained()
            )
            best = best_of(store)
            yield Generation(number, tuple(candidates), tuple(evaluations), len(planned), best, timetable.seconds)
        stop = reason
    except GeneratorExit:
        store.end_session(stop, timetable.session_seconds)
        raise
    store.end_session(stop, timetable.session_seconds)


def restore(strategy: Strategy, store: RunStore) -> None:
    """Restores the strategy from the run's state. Raises InputError if the state belongs to another strategy."""
    try:
        strategy.restore(store.state)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(
            f"state of the strategy in {store.directory} must be one that {store.settings.strategy} wrote, but "
            f"{type(error).__name__}: {error!s:.200}: restore the run from a copy"
        ) from error


class Session:
    """Trains generations in one session, and checks the conditions to stop."""

    def __init__(
        self,
        evaluator: Evaluator,
        store: RunStore,
        space: SearchSpace,
        budget: Budget,
        interruption: Interruption,
        on_part: Callable[[Progress], None] | None,
        timetable: Timetable,
    ) -> None:
        self._evaluator, self._store, self._space, self._budget = evaluator, store, space, budget
        self.interruption, self._on_part, self._timetable = interruption, on_part, timetable
        self._screen = Screen.from_settings(store.settings, space, store.problem_json)
        self._pacing = CommitPacing(evaluator)

    def known(self, candidate: Candidate) -> Evaluation:
        """The committed evaluation of a candidate, whichever generation it was trained in."""
        found = self._store.evaluation(candidate)
        assert found is not None, "every candidate of a told generation is committed"
        return found[1]

    def plan(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates of a generation to train, without duplicates and networks known from earlier generations.

        Networks over a limit are committed as infeasible and not planned. The plan does not depend on how much of the
        generation is already committed, so that a resumed run has the same plan.
        """
        planned: dict[Any, Candidate] = {}
        for candidate in candidates:
            known = self._store.evaluation(candidate)
            if known is None or known[0] == candidate.generation:
                planned.setdefault(candidate.key, candidate)
        rejected = {key: self.reject(candidate) for key, candidate in planned.items()}
        new = [
            (planned[key], evaluation)
            for key, evaluation in rejected.items()
            if evaluation is not None and self._store.evaluation(planned[key]) is None
        ]
        if new:
            self._store.commit_part(new, self._timetable.session_seconds)
        return [candidate for key, candidate in planned.items() if rejected[key] is None]

    def reject(self, candidate: Candidate) -> Evaluation | None:
        """The evaluation of a candidate that exceeds a limit; None if it should be trained."""
        return self._screen.reject(candidate)

    def train(self, planned: Sequence[Candidate]) -> Stop | None:
        """Trains and commits the rest of a generation; returns the reason if it has to stop early."""
        store, budget = self._store, self._budget
        missing = [index for index, candidate in enumerate(planned) if store.evaluation(candidate) is None]
        allowed = len(missing) if budget.evaluations is None else max(0, budget.evaluations - store.evaluated)
        waiting = set(missing[:allowed])
        # Called even if nothing is missing, so that the evaluator updates its state as in an uninterrupted run.
        parts = self._evaluator.evaluate(planned, frozenset(range(len(planned))) - waiting, self._starts(planned))
        self._timetable.begin_training()
        with watching(
            self._evaluator, store, self._space, lambda number: planned[number] if number in waiting else None
        ):
            if (stop := self._take_parts(planned, parts, waiting)) is not None:
                return stop
        if waiting:
            raise RuntimeError(f"the evaluator ended with {len(waiting)} candidates left: return each exactly once")
        if len(missing) <= allowed:
            return None
        # Networks that turned out to exceed a limit do not count, so that there is room for others.
        return self.train(planned) if store.evaluated < (budget.evaluations or 0) else Stop.EVALUATIONS

    def _take_parts(
        self, planned: Sequence[Candidate], parts: Iterator[Mapping[int, Evaluation]], waiting: set[int]
    ) -> Stop | None:
        """Commits the results of a generation as they arrive; returns the reason if it has to stop early.

        Several parts may be committed together (`evonas.evolution.commits`); at the end, all of them are committed.
        """
        held: dict[int, Evaluation] = {}
        try:
            while True:
                try:
                    with self.interruption.waiting():
                        part = next(parts, None)
                except Abandoned:
                    return self.abandon_reason
                if part is None:
                    return None
                if not part.keys() <= waiting - held.keys():
                    wrong = sorted(part.keys() - (waiting - held.keys()))
                    raise RuntimeError(f"the evaluator returned candidates {wrong}, which were not requested")
                held |= part  # empty if nothing has finished for a while
                if len(held) == len(waiting) or self._pacing.is_due:
                    self._commit(planned, held, waiting)
                if len(held) < len(waiting) and (stop := self.stop()) is not None:
                    return stop
        finally:
            self._commit(planned, held, waiting)

    def _starts(self, planned: Sequence[Candidate]) -> dict[int, Start]:
        """Index -> saved state of the candidate's origin, for origins that succeeded and were saved."""
        starts = {index: self.start_of(candidate) for index, candidate in enumerate(planned)}
        return {index: start for index, start in starts.items() if start is not None}

    def start_of(self, candidate: Candidate) -> Start | None:
        """The saved state of the candidate's origin; None if the origin failed or was not saved."""
        kept = None if candidate.origin is None else self._store.kept(candidate.origin)
        return None if kept is None else Start(self._space.genome_from_json(kept[0]), kept[1])

    def stop_before_generation(self) -> Stop | None:
        """The reason not to start another generation, or None."""
        store, budget = self._store, self._budget
        if (stop := self.stop()) is not None:
            return stop
        if self._timetable.is_too_late_to_ask:
            return Stop.TIME
        if budget.generations is not None and store.generations >= budget.generations:
            return Stop.GENERATIONS
        idle, latest = store.idle, store.generations - 1
        if latest - idle.tried >= IDLE_GENERATIONS:
            return Stop.EXHAUSTED
        if latest - idle.trained >= IDLE_GENERATIONS and idle.infeasible >= IDLE_NETWORKS:
            return Stop.LIMITS
        return None

    def stop(self) -> Stop | None:
        """The reason to stop training, or None."""
        store, budget = self._store, self._budget
        if self.interruption.requested:
            return Stop.INTERRUPTED
        if _target_reached(store, budget.target):
            return Stop.TARGET
        if budget.evaluations is not None and store.evaluated >= budget.evaluations:
            return Stop.EVALUATIONS
        return Stop.TIME if self._timetable.search_is_over else None

    def should_abandon(self) -> bool:
        """Whether to stop waiting for results; polled frequently, by this thread only."""
        return self.interruption.requested or self._timetable.search_is_over

    @property
    def abandon_reason(self) -> Stop:
        """The reason why a wait was abandoned."""
        late = self._timetable.search_is_over and not self.interruption.requested
        return Stop.TIME if late else Stop.INTERRUPTED

    def _commit(self, planned: Sequence[Candidate], held: dict[int, Evaluation], waiting: set[int]) -> None:
        """Commits the results held, if any, and removes them from `held` and `waiting`."""
        if not held:
            return
        part, began = dict(held), time.monotonic()
        held.clear()  # so that a failed commit is not retried
        pairs = [(planned[index], self.judge(planned[index], part[index])) for index in sorted(part)]
        self._store.commit_part(pairs, self._timetable.session_seconds)
        self._pacing.note_commit(time.monotonic() - began)
        self._timetable.note_results(list(part.values()))
        waiting.difference_update(part)
        self.report_progress(planned[0].generation, len(planned) - len(waiting), len(planned), pairs)

    def report_progress(
        self, generation: int, trained: int, planned: int, pairs: Sequence[tuple[Candidate, Evaluation]]
    ) -> None:
        """Reports a commit to the listener, see `Progress`."""
        if self._on_part is not None:
            store = self._store
            self._on_part(
                Progress(
                    generation=generation,
                    trained=trained,
                    planned=planned,
                    evaluated=store.evaluated,
                    failed=store.failed,
                    best=best_of(store),
                    part=tuple(evaluation for _, evaluation in pairs),
                    seconds=self._timetable.seconds,
                    candidates=tuple(candidate for candidate, _ in pairs),
                )
            )

    def judge(self, candidate: Candidate, evaluation: Evaluation) -> Evaluation:
        """Adds the candidate's cost measures to its evaluation; without a finite score, an OK one becomes FAILED."""
        name = self._store.objective.name
        score = evaluation.scores.get(name)
        if evaluation.status is not Status.OK:
            return evaluation
        if score is not None and math.isfinite(score):
            return replace(evaluation, scores={**evaluation.scores, **self._screen.measures(candidate)})
        reason = f"no score {name}" if score is None else f"{name} is {score}"
        return replace(evaluation, status=Status.FAILED, reason=reason, weights=None, snapshots=())


def best_of(store: RunStore) -> Record | None:
    """The best evaluation of the run so far."""
    return next(iter(store.best(1)), None)


def _target_reached(store: RunStore, target: float | None) -> bool:
    if target is None:  # called before every step: the best network is read from the database only if needed
        return False
    best = best_of(store)
    if best is None:
        return False
    return store.objective.reached(best.evaluation.scores.get(store.objective.name), target)
