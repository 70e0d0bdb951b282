"""Streams of candidates for evaluators that train whole generations, and for repeating the order of another run.

Evaluators with their own streams are in `evonas.execution`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from evonas.evaluation import Candidate, Evaluation, Start
from evonas.protocols import Evaluator, Stream, StreamingEvaluator
from evonas.runs.events import ASKED, Events

__all__ = ["OneAtATime", "Repeated", "stream_of"]


def stream_of(evaluator: Evaluator) -> Stream:
    """The evaluator's stream; an evaluator without streams trains each candidate as a separate generation."""
    return evaluator.stream() if isinstance(evaluator, StreamingEvaluator) else OneAtATime(evaluator)


class OneAtATime:
    """Trains candidates one after the other. Implements `Stream`."""

    slots = 1

    def __init__(self, evaluator: Evaluator) -> None:
        """Creates a stream that trains with the evaluator."""
        self._evaluator = evaluator
        self._given: deque[tuple[int, Candidate, Start | None]] = deque()

    def give(self, number: int, candidate: Candidate, start: Start | None = None) -> None:
        """See `Stream.give`."""
        self._given.append((number, candidate, start))

    def wait(self) -> Mapping[int, Evaluation]:
        """See `Stream.wait`."""
        number, candidate, start = self._given.popleft()
        parts = self._evaluator.evaluate([candidate], frozenset(), {} if start is None else {0: start})
        found = {index: evaluation for part in parts for index, evaluation in part.items()}
        if found.keys() != {0}:
            raise RuntimeError(f"the evaluator got one candidate and must return it exactly once, not {sorted(found)}")
        return {number: found[0]}

    def close(self) -> None:
        """See `Stream.close`; nothing is in training between two calls of `wait`."""
        self._given.clear()


class Repeated:
    """An evaluator that delivers results in the order of another run. Implements `StreamingEvaluator`.

    Each result is held back until its turn, which reproduces the run if everything else is equal. After the last result
    of that run, results are delivered as they arrive.
    """

    def __init__(self, evaluator: Evaluator, events: Events) -> None:
        """Creates an evaluator that trains with another one, in the order of a run's events from its beginning."""
        self._evaluator, self._events = evaluator, events

    def state(self) -> Any:
        """See `Evaluator.state`."""
        return self._evaluator.state()

    def restore(self, state: Any) -> None:
        """See `Evaluator.restore`."""
        self._evaluator.restore(state)

    def evaluate(
        self,
        candidates: Sequence[Candidate],
        done: frozenset[int] = frozenset(),
        starts: Mapping[int, Start] = MappingProxyType({}),
    ) -> Iterator[Mapping[int, Evaluation]]:
        """See `Evaluator.evaluate`; whole generations have no order to repeat."""
        return self._evaluator.evaluate(candidates, done, starts)

    def close(self) -> None:
        """See `Evaluator.close`."""
        self._evaluator.close()

    def stream(self) -> Stream:
        """See `StreamingEvaluator.stream`."""
        return _InOrder(stream_of(self._evaluator), *_arrivals(self._events))


def _arrivals(events: Events) -> tuple[list[tuple[int, int]], list[int]]:
    """Trained candidates (generation and index) in the order of arrival.

    Also, for each arrival, the largest number of pending candidates since the one before.
    """
    places: list[tuple[int, int]] = []
    most: list[int] = []
    out = peak = 0
    for event in events.since():
        out += 1 if event.kind == ASKED else -1
        peak = max(peak, out)
        if event.kind != ASKED and events.was_trained(event.place):
            places.append(event.place)
            most.append(peak)
            peak = out
    return places, most


class _InOrder:
    """A stream whose results arrive in a given order. Implements `Stream`."""

    def __init__(self, stream: Stream, places: Sequence[tuple[int, int]], most: Sequence[int]) -> None:
        self._stream, self._places, self._most = stream, places, most
        self._turn = 0
        self._numbers: dict[tuple[int, int], int] = {}
        self._held: dict[int, Evaluation] = {}

    @property
    def slots(self) -> int:
        return self._most[self._turn] if self._turn < len(self._most) else self._stream.slots

    def give(self, number: int, candidate: Candidate, start: Start | None = None) -> None:
        self._numbers[candidate.generation, candidate.index] = number
        self._stream.give(number, candidate, start)

    def wait(self) -> Mapping[int, Evaluation]:
        if self._turn == len(self._places):
            held, self._held = self._held, {}
            return held or self._stream.wait()
        number = self._numbers[self._places[self._turn]]
        if number not in self._held:
            self._held |= self._stream.wait()
        if number not in self._held:
            return {}
        self._turn += 1
        return {number: self._held.pop(number)}

    def close(self) -> None:
        self._stream.close()
