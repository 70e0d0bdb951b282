"""The asynchronous loop, which proposes a network as soon as another one is trained, not generation by generation.

A candidate and its evaluation are committed before the next step; a tell is recorded with the following commit, which
is the first that depends on it. Proposals depend only on the order of asks and tells (`evonas.runs.events`). A killed
run is therefore resumed by replaying the asks and tells recorded since the last saved state and retraining the pending
candidates.

With a window, the strategy receives results in the order of asking, and only when the window of pending candidates is
full. The order, and thus the whole run, is then independent of speed and of the number of threads; other candidates are
trained meanwhile. Without a window, it receives results as they arrive, which depends on timing;
`evonas.evolution.candidate_streams.Repeated` reproduces the order of such a run.

The size of a generation is defined by the settings, and its candidates follow the order of asking; it is complete when
the strategy has received that many results. No random numbers are drawn here. Imports no Keras, pandas or DEAP.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, cast

from evonas.config import Budget
from evonas.evaluation import Candidate, Evaluation
from evonas.evolution.candidate_streams import stream_of
from evonas.evolution.deadline import Timetable, abandon_when
from evonas.evolution.loop import Session, best_of, evolve, restore
from evonas.evolution.training_progress import watching
from evonas.interruption import Abandoned, Interruption
from evonas.protocols import Evaluator, OneByOne, Strategy, Stream
from evonas.runs.events import ASKED
from evonas.runs.progress import Generation, Progress, Stop
from evonas.runs.store import RunStore
from genomes.errors import InputError
from genomes.space import SearchSpace

__all__ = ["evolve_asynchronously", "loop_of"]


def loop_of(
    strategy: Strategy, evaluator: Evaluator, store: RunStore, space: SearchSpace, budget: Budget, **options: Any
) -> Generator[Generation, None, None]:
    """The loop selected by the settings; `options` are those of `evonas.evolution.loop.evolve`."""
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
    """Like `evonas.evolution.loop.evolve`, for a strategy that proposes candidates one by one.

    Bounds on generations and evaluations are exact: no more candidates are asked for than they allow. If a time limit,
        a
    target or a request stops the search, training in progress is abandoned, and repeated if the run is resumed.
    """
    timetable = timetable or Timetable(store, budget.seconds)
    session = Session(evaluator, store, space, budget, interruption or Interruption(), on_part, timetable)
    store.begin_session(budget)
    stop = Stop.INTERRUPTED
    try:
        restore(strategy, store)
        evaluator.restore(store.evaluator_state)
        abandon_when(evaluator, session.should_abandon)
        loop = _Loop(strategy, store, space, session, budget, timetable)
        loop.replay()
        try:
            with session.interruption.waiting():
                stream = stream_of(evaluator)
        except Abandoned:
            stop = session.abandon_reason
        else:
            with closing(stream), watching(evaluator, store, space, loop.training):
                stop = yield from loop.run(stream)
    except GeneratorExit:
        store.end_session(stop, timetable.session_seconds)
        raise
    store.end_session(stop, timetable.session_seconds)


class _Loop:
    """Pending candidates, and the generation being completed."""

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
        #: Number of pending candidates, whose results are passed on in the order of asking; 0 to pass results on as
        #: they arrive.
        self._window = store.settings.window or 0
        #: Pending candidates by generation and index, in the order of asking. Of these: candidates to be trained,
        #: candidates in training by number, and (`_ready`) evaluated candidates in the order of arrival.
        self._out: dict[tuple[int, int], Candidate] = {}
        self._waiting: list[Candidate] = []
        self._training: dict[int, Candidate] = {}
        #: Keys of the candidates in training, and the numbers of the next candidates.
        self._busy: set[Any] = set()
        self._numbers = itertools.count()
        self._ready: list[Candidate] = []
        #: The generation being completed.
        self._told: list[tuple[Candidate, Evaluation]] = []
        self._trained = 0
        self._asked = store.events.asked

    def replay(self) -> None:
        """Replays the asks and tells recorded since the strategy's saved state."""
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
                    "without being asked for: restore the run from a copy"
                )
        self._waiting = list(self._out.values())

    def training(self, number: int) -> Candidate | None:
        """The candidate in training under a number of the stream; None if there is none."""
        return self._training.get(number)

    def run(self, stream: Stream) -> Generator[Generation, None, Stop]:
        """Yields generations until a bound is reached; returns the reason to stop."""
        self._timetable.begin_training()
        while True:
            if len(self._told) == self._size:
                yield self._complete()
            if (stop := self._stop()) is not None:
                return stop
            try:
                steps = (self._resolve_untrained, self._tell_next, self._give, self._ask, self._receive)
                if any(step(stream) for step in steps):
                    continue
            except Abandoned:
                return self._session.abandon_reason
            if (stop := self._session.stop()) is not None:
                return stop
            raise RuntimeError("the evaluator did not return all candidates: return each of them exactly once")

    def _stop(self) -> Stop | None:
        """The reason to stop, or None."""
        bound = self._budget.generations
        if bound is not None and self._store.generations >= bound:
            return Stop.GENERATIONS
        stop = self._session.stop() if self._told else self._session.stop_before_generation()
        return None if stop is Stop.EVALUATIONS and self._has_untold_results() else stop

    def _has_untold_results(self) -> bool:
        """Whether there are trained networks whose evaluations the strategy has not received yet.

        Networks that were known before do not count: in an exhausted space there are no others.
        """
        return any(self._store.events.was_trained(_place(candidate)) for candidate in self._ready)

    # Steps. Each returns whether it did anything.

    def _resolve_untrained(self, stream: Stream) -> bool:
        """Marks a waiting candidate as ready if it is already evaluated or exceeds a limit."""
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
        """Tells the strategy a result; with a window, in the order of asking and only if the window is full."""
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
        """Submits a waiting candidate if the evaluator has a free slot and the bounds allow it.

        Candidates equal to one in training keep waiting.
        """
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
        """Asks the strategy for a candidate, if another one may be pending."""
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
        """Whether another candidate may be pending and, without a window, the bounds allow it.

        With a window, candidates are asked for beyond the bounds until the window is full, but they are only trained if
        the run is extended, so that an extended run equals a longer one.
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
            raise RuntimeError(f"the evaluator returned candidates {unknown}, which were not requested")
        candidates = [self._training.pop(number) for number in sorted(part)]
        self._busy.difference_update(candidate.key for candidate in candidates)
        pairs = [
            (candidate, self._session.judge(candidate, part[number]))
            for number, candidate in zip(sorted(part), candidates, strict=True)
        ]
        if pairs:  # in one transaction, so that a slow disk does not delay each of many workers
            self._store.commit_part(pairs, self._timetable.session_seconds)
        for candidate, evaluation in pairs:
            self._timetable.note_results([evaluation])
            self._ready.append(candidate)
            done = min(self._trained + len(self._ready), self._size)
            self._session.report_progress(self._store.generations, done, self._size, [(candidate, evaluation)])
        return True

    def _tell(self, candidate: Candidate) -> None:
        # Read back from the store so that a resumed run passes on exactly the same values.
        evaluation = self._session.known(candidate)
        self._strategy.tell_one(candidate, evaluation)
        self._told.append((candidate, evaluation))
        self._trained += self._store.events.was_trained(_place(candidate))

    def _complete(self) -> Generation:
        """Commits the state after a generation."""
        store, number = self._store, self._store.generations
        # The strategy does not know of evaluated candidates whose results it has not received.
        retained = self._strategy.retained() | set(filter(store.events.was_trained, self._out))
        store.complete_generation(number, self._strategy.state(), self._timetable.session_seconds, None, retained)
        candidates, evaluations = zip(*self._told, strict=True)
        trained, self._told, self._trained = self._trained, [], 0
        return Generation(number, candidates, evaluations, trained, best_of(store), self._timetable.seconds)

    @property
    def _size(self) -> int:
        """Number of candidates of the generation being completed."""
        number = self._store.generations
        return self._candidates_in(number + 1) - self._candidates_in(number)

    def _candidates_in(self, generations: int) -> int:
        """Number of candidates in the first `generations` generations."""
        settings = self._store.settings
        later = settings.offspring or settings.population
        return settings.population + (generations - 1) * later if generations else 0


def _place(candidate: Candidate) -> tuple[int, int]:
    return candidate.generation, candidate.index
