"""The asynchronous loop: a network is proposed as soon as another one is trained, and nobody waits for a generation.

Every step is committed before the next one: a candidate as asked for, a result as told. What a strategy proposes
depends on the order of these events alone (`evonas.runs.events`). So a run that was killed at any moment goes on by
asking and telling again what is on record since its last state; what was out then, it trains again. With one candidate
at a time the order is always the same, and so is the whole run. With more it depends on who is ready first;
`evonas.streams.Repeated` repeats a run in the order of another.

A generation is as many candidates as the settings say, in the order in which they are asked for; it is complete when so
many results were told. Nothing here draws random numbers. Imports no Keras, pandas or DEAP.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, cast

from evonas.config import Budget
from evonas.deadline import Timetable, abandon_when
from evonas.evaluation import Candidate, Evaluation, Evaluator, OneByOne, Strategy, Stream
from evonas.evolution import Generation, Progress, Session, Stop, best_of, evolve, restore
from evonas.interruption import Abandoned, Interruption
from evonas.runs.events import ASKED
from evonas.runs.store import RunStore
from evonas.streams import stream_of
from genomes.errors import InputError
from genomes.space import SearchSpace

__all__ = ["evolve_asynchronously", "loop_of"]


def loop_of(
    strategy: Strategy, evaluator: Evaluator, store: RunStore, space: SearchSpace, budget: Budget, **options: Any
) -> Generator[Generation, None, None]:
    """The loop that the run's settings ask for; `options` as of `evonas.evolution.evolve`."""
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
    """As `evonas.evolution.evolve`, for a strategy that proposes one by one.

    Bounds on generations and evaluations are exact: no more candidates are asked for than they allow. Where time, a
    target or a request stops the search, what is in training is given up, and trained again should the run go on.
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
            with closing(stream):
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
        #: Asked for and not given to the evaluator yet; and what it has, by number.
        self._waiting: list[Candidate] = []
        self._training: dict[int, Candidate] = {}
        self._told: list[tuple[Candidate, Evaluation]] = []
        self._trained = 0
        self._asked = store.events.asked

    def replay(self) -> None:
        """Asks and tells what is on record since the strategy's state."""
        store = self._store
        out = {_place(candidate): store.located(candidate) for candidate in self._strategy.out}
        for event in store.events.since(store.events_in_state):
            if event.kind == ASKED:
                candidate = store.located(self._strategy.ask_one())
                store.add_candidate(candidate, self._space)
                out[_place(candidate)] = candidate
            elif event.place in out:
                self._tell(out.pop(event.place))
            else:
                raise InputError(
                    f"events of {store.directory} must be as evonas wrote them, but candidate {event.place} was told "
                    "and not asked: restore the run from a copy"
                )
        self._waiting = list(out.values())

    def run(self, stream: Stream) -> Generator[Generation, None, Stop]:
        """Generation after generation, until it is to stop; returns why."""
        self._timetable.begin_training()
        while True:
            if len(self._told) == self._size:
                yield self._complete()
            if (stop := self._stop()) is not None:
                return stop
            try:
                if not (self._settle() or self._give(stream) or self._ask(stream) or self._receive(stream)):
                    raise RuntimeError("the evaluator left candidates out, give each of them back once")
            except Abandoned:
                return self._session.given_up

    def _stop(self) -> Stop | None:
        """Why nothing more is to be done, or None."""
        bound = self._budget.generations
        if bound is not None and self._store.generations >= bound:
            return Stop.GENERATIONS
        return self._session.stop() if self._told else self._session.stop_before_generation()

    def _is_spent(self, out: int) -> bool:
        """Whether with so many that are out all evaluations are done that the budget allows."""
        bound = self._budget.evaluations
        return bound is not None and self._store.evaluated + out >= bound

    def _settle(self) -> bool:
        """Tells of a waiting candidate that need not be trained; whether there is one."""
        for candidate in self._waiting:
            if self._store.evaluation(candidate) is not None:
                self._store.events.tell(_place(candidate))
            elif (evaluation := self._session.rejected(candidate)) is not None:
                self._store.commit_part([(candidate, evaluation)], self._timetable.session_seconds)
            else:
                continue
            self._waiting.remove(candidate)
            self._tell(candidate)
            return True
        return False

    def _give(self, stream: Stream) -> bool:
        """Gives the evaluator a waiting candidate, if it has room for one; not what it is training already."""
        if len(self._training) >= stream.slots or self._is_spent(len(self._training)):
            return False
        busy = {candidate.key for candidate in self._training.values()}
        candidate = next((each for each in self._waiting if each.key not in busy), None)
        if candidate is None:
            return False
        number = max(self._training, default=-1) + 1
        stream.give(number, candidate, self._session.start_of(candidate))
        self._waiting.remove(candidate)
        self._training[number] = candidate
        return True

    def _ask(self, stream: Stream) -> bool:
        """Asks for a candidate, if the evaluator has room for it and the bounds allow it; whether it did."""
        out, budget = len(self._waiting) + len(self._training), self._budget
        if out >= stream.slots or self._is_spent(out):
            return False
        if budget.generations is not None and self._asked >= self._candidates_in(budget.generations):
            return False
        with self._timetable.asking():
            candidate = self._store.located(self._strategy.ask_one())
        self._store.add_candidate(candidate, self._space)
        self._asked += 1
        self._waiting.append(candidate)
        return True

    def _receive(self, stream: Stream) -> bool:
        """Waits for results, commits and tells them; whether there was anything to wait for."""
        if not self._training:
            return False
        with self._session.interruption.waiting():
            part = stream.wait()
        if not part.keys() <= self._training.keys():
            unknown = sorted(part.keys() - self._training.keys())
            raise RuntimeError(f"the evaluator gave candidates {unknown}, which are not wanted")
        for number in sorted(part):
            candidate = self._training.pop(number)
            evaluation = self._session.judged(candidate, part[number])
            self._store.commit_part([(candidate, evaluation)], self._timetable.session_seconds)
            self._timetable.note_results([evaluation])
            self._tell(candidate)
            self._session.progressed(self._store.generations, self._trained, self._size, [evaluation])
        return True

    def _tell(self, candidate: Candidate) -> None:
        # As read back from the store, so that a resumed run tells the very same values.
        evaluation = self._session.known(candidate)
        self._strategy.tell_one(candidate, evaluation)
        self._told.append((candidate, evaluation))
        self._trained += self._store.events.was_trained(_place(candidate))

    def _complete(self) -> Generation:
        """Commits the state after a generation."""
        store, number = self._store, self._store.generations
        seconds = self._timetable.session_seconds
        store.complete_generation(number, self._strategy.state(), seconds, None, self._strategy.retained())
        candidates, evaluations = zip(*self._told, strict=True)
        trained, self._told, self._trained = self._trained, [], 0
        return Generation(number, candidates, evaluations, trained, best_of(store), self._timetable.seconds)

    @property
    def _size(self) -> int:
        """Candidates of the generation that is being completed."""
        number = self._store.generations
        return self._candidates_in(number + 1) - self._candidates_in(number)

    def _candidates_in(self, generations: int) -> int:
        """Candidates of so many generations."""
        settings = self._store.settings
        later = settings.offspring or settings.population
        return settings.population + (generations - 1) * later if generations else 0


def _place(candidate: Candidate) -> tuple[int, int]:
    return candidate.generation, candidate.index
