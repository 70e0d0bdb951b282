"""The asynchronous loop: a network is proposed as soon as another one is trained, without waiting for a generation.

A candidate and its evaluation are committed before the next step; that it was told, with the next commit,
which is the first that depends on it. What a strategy proposes depends on the order of asking and telling alone
(`evonas.runs.events`). So a run that was killed at any moment continues by asking and telling again what is on record
since its last state; what was out then, it trains again.

With a window, results are told in order of asking, only when the window of pending candidates is full: the order
is the same at any speed and on any number of threads, and so is the whole run. Others are trained meanwhile, so that a
slow one keeps nobody waiting before the window is full. Without one, results are told as they arrive, which depends on
who is ready first; `evonas.evolution.candidate_streams.Repeated` repeats such a run in its order.

A generation is as many candidates as the settings say, in the order in which they are asked for; it is complete when so
many results were told. Nothing here draws random numbers. Imports no Keras, pandas or DEAP.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, cast

from evonas.config import Budget
from evonas.evaluation import Candidate, Evaluation, Evaluator, OneByOne, Strategy, Stream
from evonas.evolution.candidate_streams import stream_of
from evonas.evolution.deadline import Timetable, abandon_when
from evonas.evolution.loop import Generation, Progress, Session, Stop, best_of, evolve, restore
from evonas.evolution.progress import watching
from evonas.interruption import Abandoned, Interruption
from evonas.runs.events import ASKED
from evonas.runs.store import RunStore
from genomes.errors import InputError
from genomes.space import SearchSpace

__all__ = ["evolve_asynchronously", "loop_of"]


def loop_of(
    strategy: Strategy, evaluator: Evaluator, store: RunStore, space: SearchSpace, budget: Budget, **options: Any
) -> Generator[Generation, None, None]:
    """The loop that the run's settings ask for; `options` as of `evonas.evolution.loop.evolve`."""
    if store.settings.asynchronous:
        return evolve_asynchronously(cast(OneByOne, strategy), evaluator, store, space, budget, **options)
    return evolve(strategy, evaluator, store, space, budget, **options)


def evolve_asynchronously(
    strategy: OneByOne,
    evaluator: Evaluator,
    store: RunStore,
    space: SearchSpace,
    budget: Budget,
    *,
    interruption: Interruption | None = None,
    on_part: Callable[[Progress], None] | None = None,
    timetable: Timetable | None = None,
) -> Generator[Generation, None, None]:
    """As `evonas.evolution.loop.evolve`, for a strategy that proposes one by one.

    Bounds on generations and evaluations are exact: no more candidates are asked for than they allow. Where time, a
    target or a request stops the search, what is in training is given up, and trained again should the run continue.
    """
    timetable = timetable or Timetable(store, budget.seconds)
    session = Session(evaluator, store, space, budget, interruption or Interruption(), on_part, timetable)
    store.begin_session(budget)
    stop = Stop.INTERRUPTED
    try:
        restore(strategy, store)
        evaluator.restore(store.evaluator_state)
        abandon_when(evaluator, session.gives_up)
        loop = _Loop(strategy, store, space, session, budget, timetable)
        loop.replay()
        try:
            with session.interruption.waiting():
                stream = stream_of(evaluator)
        except Abandoned:
            stop = session.given_up
        else:
            with closing(stream), watching(evaluator, store, space, loop.training):
                stop = yield from loop.run(stream)
    except GeneratorExit:
        store.end_session(stop, timetable.session_seconds)
        raise
    store.end_session(stop, timetable.session_seconds)


class _Loop:
    """What is out, and the generation that is being completed."""

    def __init__(
        self,
        strategy: OneByOne,
        store: RunStore,
        space: SearchSpace,
        session: Session,
        budget: Budget,
        timetable: Timetable,
    ) -> None:
        self._strategy, self._store, self._space, self._session = strategy, store, space, session
        self._budget, self._timetable = budget, timetable
        #: Pending candidates, told in the order of asking; 0 tells them as they finish.
        self._window = store.settings.window or 0
        #: Pending candidates by their position in the order of asking: to be trained, in training by number,
        #: and evaluated, in the order of arrival.
        self._out: dict[tuple[int, int], Candidate] = {}
        self._waiting: list[Candidate] = []
        self._training: dict[int, Candidate] = {}
        #: Keys of what is in training, no two of which are equal; and numbers of what is to come.
        self._busy: set[Any] = set()
        self._numbers = itertools.count()
        self._ready: list[Candidate] = []
        #: Of the generation that is being completed.
        self._told: list[tuple[Candidate, Evaluation]] = []
        self._trained = 0
        self._asked = store.events.asked

    def replay(self) -> None:
        """Replays the recorded asks and tells since the strategy's state."""
        store = self._store
        self._out = {_place(candidate): store.locate(candidate) for candidate in self._strategy.out}
        for event in store.events.since(store.events_in_state):
            if event.kind == ASKED:
                candidate = store.locate(self._strategy.ask_one())
                store.add_candidate(candidate, self._space)
                self._out[_place(candidate)] = candidate
            elif event.place in self._out:
                self._tell(self._out.pop(event.place))
            else:
                raise InputError(
                    f"events of {store.directory} must be as evonas wrote them, but candidate {event.place} was told "
                    "and not asked: restore the run from a copy"
                )
        self._waiting = list(self._out.values())

    def training(self, number: int) -> Candidate | None:
        """What is in training under a number of the stream."""
        return self._training.get(number)

    def run(self, stream: Stream) -> Generator[Generation, None, Stop]:
        """Generation after generation, until it is to stop; returns why."""
        self._timetable.begin_training()
        while True:
            if len(self._told) == self._size:
                yield self._complete()
            if (stop := self._stop()) is not None:
                return stop
            try:
                steps = (self._sort_out, self._tell_next, self._give, self._ask, self._receive)
                if any(step(stream) for step in steps):
                    continue
            except Abandoned:
                return self._session.given_up
            if (stop := self._session.stop()) is not None:
                return stop
            raise RuntimeError("the evaluator left candidates out, give each of them back once")

    def _stop(self) -> Stop | None:
        """Why nothing more is to be done, or None."""
        bound = self._budget.generations
        if bound is not None and self._store.generations >= bound:
            return Stop.GENERATIONS
        stop = self._session.stop() if self._told else self._session.stop_before_generation()
        return None if stop is Stop.EVALUATIONS and self._owes_news() else stop

    def _owes_news(self) -> bool:
        """Whether a network was trained whose evaluation the strategy has not received yet.

        Networks that were known before do not count: where the space holds no more, others are never asked for.
        """
        return any(self._store.events.was_trained(_place(candidate)) for candidate in self._ready)

    # Steps: each says whether there was anything to do.

    def _sort_out(self, stream: Stream) -> bool:
        """Takes a candidate that need not be trained from those that wait."""
        for candidate in self._waiting:
            if self._store.evaluation(candidate) is None:
                if (evaluation := self._session.reject(candidate)) is None:
                    continue
                self._store.commit_part([(candidate, evaluation)], self._timetable.session_seconds)
            self._waiting.remove(candidate)
            self._ready.append(candidate)
            return True
        return False

    def _tell_next(self, stream: Stream) -> bool:
        """Tells of what has arrived; in the order of asking, when as many are out as the window holds."""
        if not self._ready or len(self._out) < self._window:
            return False
        candidate = next(iter(self._out.values())) if self._window else self._ready[0]
        if candidate not in self._ready:
            return False
        self._store.events.tell(_place(candidate))
        self._ready.remove(candidate)
        del self._out[_place(candidate)]
        self._tell(candidate)
        return True

    def _give(self, stream: Stream) -> bool:
        """Gives the evaluator what waits, if it has room and the bounds allow it; not what it is training already."""
        bound, training = self._budget.evaluations, len(self._training)
        if training >= stream.slots or (bound is not None and self._store.evaluated + training >= bound):
            return False
        waiting = (each for each in self._waiting if each.generation < (self._budget.generations or math.inf))
        candidate = next((each for each in waiting if each.key not in self._busy), None)
        if candidate is None:
            return False
        number = next(self._numbers)
        stream.give(number, candidate, self._session.start_of(candidate))
        self._waiting.remove(candidate)
        self._training[number] = candidate
        self._busy.add(candidate.key)
        return True

    def _ask(self, stream: Stream) -> bool:
        """Asks for a candidate."""
        if not self._may_ask(stream):
            return False
        with self._timetable.asking():
            candidate = self._store.locate(self._strategy.ask_one())
        self._store.add_candidate(candidate, self._space)
        self._asked += 1
        self._out[_place(candidate)] = candidate
        self._waiting.append(candidate)
        return True

    def _may_ask(self, stream: Stream) -> bool:
        """Whether another candidate may be pending, and, where results are told as they finish, the bounds allow it.

        In the order of asking, candidates are asked for beyond the bounds until the window is full, and trained should
        the run be extended, which then becomes what a longer one would have been.
        """
        if self._window:
            return len(self._out) < self._window
        if len(self._out) >= stream.slots:
            return False
        generations, evaluations = self._budget.generations, self._budget.evaluations
        if generations is not None and self._asked >= self._candidates_in(generations):
            return False
        waiting = {candidate.key for candidate in self._waiting} - self._busy
        return evaluations is None or self._store.evaluated + len(self._busy) + len(waiting) < evaluations

    def _receive(self, stream: Stream) -> bool:
        """Waits for results, and commits them."""
        if not self._training:
            return False
        with self._session.interruption.waiting():
            part = stream.wait()
        if not part.keys() <= self._training.keys():
            unknown = sorted(part.keys() - self._training.keys())
            raise RuntimeError(f"the evaluator gave candidates {unknown}, which are not wanted")
        candidates = [self._training.pop(number) for number in sorted(part)]
        self._busy.difference_update(candidate.key for candidate in candidates)
        pairs = [
            (candidate, self._session.judge(candidate, part[number]))
            for number, candidate in zip(sorted(part), candidates, strict=True)
        ]
        if pairs:  # in one transaction: a disk that takes its time is not waited for once for each of many workers
            self._store.commit_part(pairs, self._timetable.session_seconds)
        for candidate, evaluation in pairs:
            self._timetable.note_results([evaluation])
            self._ready.append(candidate)
            done = min(self._trained + len(self._ready), self._size)
            self._session.report_progress(self._store.generations, done, self._size, [(candidate, evaluation)])
        return True

    def _tell(self, candidate: Candidate) -> None:
        # As read back from the store, so that a resumed run tells exactly the same values.
        evaluation = self._session.known(candidate)
        self._strategy.tell_one(candidate, evaluation)
        self._told.append((candidate, evaluation))
        self._trained += self._store.events.was_trained(_place(candidate))

    def _complete(self) -> Generation:
        """Commits the state after a generation."""
        store, number = self._store, self._store.generations
        # What is evaluated and not told, the strategy cannot name yet.
        retained = self._strategy.retained() | set(filter(store.events.was_trained, self._out))
        store.complete_generation(number, self._strategy.state(), self._timetable.session_seconds, None, retained)
        candidates, evaluations = zip(*self._told, strict=True)
        trained, self._told, self._trained = self._trained, [], 0
        return Generation(number, candidates, evaluations, trained, best_of(store), self._timetable.seconds)

    @property
    def _size(self) -> int:
        """Candidates of the generation that is being completed."""
        number = self._store.generations
        return self._candidates_in(number + 1) - self._candidates_in(number)

    def _candidates_in(self, generations: int) -> int:
        """Number of candidates in that many generations."""
        settings = self._store.settings
        later = settings.offspring or settings.population
        return settings.population + (generations - 1) * later if generations else 0


def _place(candidate: Candidate) -> tuple[int, int]:
    return candidate.generation, candidate.index
