"""Streams of candidates, for evaluators that train whole generations and for repeating the order of another run.

Streaming evaluators are in `evonas.execution`.
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
    """The evaluator's stream; for one without streams, each candidate is a generation of its own."""
    return evaluator.stream() if isinstance(evaluator, StreamingEvaluator) else OneAtATime(evaluator)


class OneAtATime:
    """Trains candidates one after the other. Implements `Stream`."""

    slots = 1

    def __init__(self, evaluator: Evaluator) -> None:
        """Trains with the evaluator."""
        self._evaluator = evaluator
        self._given: deque[tuple[int, Candidate, Start | None]] = deque()

    def give(self, number: int, candidate: Candidate, start: Start | None = None) -> None:
        """See `Stream.give`."""
        self._given.append((number, candidate, start))

    def wait(self) -> Mapping[int, Evaluation]:
        """See `Stream.wait`."""
        number, candidate, start = self._given.popleft()
        parts = self._evaluator.evaluate([candidate], frozenset(), {} if start is None else {0: start})
        found = {place: evaluation for part in parts for place, evaluation in part.items()}
        if found.keys() != {0}:
            raise RuntimeError(f"the evaluator was given one candidate, give it back once and not as {sorted(found)}")
        return {number: found[0]}

    def close(self) -> None:
        """Nothing is in training between two calls of `wait`."""
        self._given.clear()


class Repeated:
    """An evaluator that delivers results in the order of another run. Implements `StreamingEvaluator`.

    With everything else equal, this reproduces the run: each result is held back until its turn. After the last result
    of that run, results are delivered as they finish.
    """

    def __init__(self, evaluator: Evaluator, events: Events) -> None:
        """Trains with the evaluator, in the order of those events, from the beginning of the run."""
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
        """See `Evaluator.evaluate`; in generations there is no order to repeat."""
        return self._evaluator.evaluate(candidates, done, starts)

    def close(self) -> None:
        """See `Evaluator.close`."""
        self._evaluator.close()

    def stream(self) -> Stream:
        """See `StreamingEvaluator.stream`."""
        return _InOrder(stream_of(self._evaluator), *_turns(self._events))


def _turns(events: Events) -> tuple[list[tuple[int, int]], list[int]]:
    """The positions of trained candidates in the order of arrival, and the most pending candidates before each
    arrival.
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
    """Implements `Stream`."""

    def __init__(self, stream: Stream, places: Sequence[tuple[int, int]], most: Sequence[int]) -> None:
        self._stream, self._places, self._most = stream, places, most
        self._turn = 0
        self._numbers: dict[tuple[int, int], int] = {}
        self._back: dict[int, Evaluation] = {}

    @property
    def slots(self) -> int:
        return self._most[self._turn] if self._turn < len(self._most) else self._stream.slots

    def give(self, number: int, candidate: Candidate, start: Start | None = None) -> None:
        self._numbers[candidate.generation, candidate.index] = number
        self._stream.give(number, candidate, start)

    def wait(self) -> Mapping[int, Evaluation]:
        if self._turn == len(self._places):
            back, self._back = self._back, {}
            return back or self._stream.wait()
        number = self._numbers[self._places[self._turn]]
        if number not in self._back:
            self._back |= self._stream.wait()
        if number not in self._back:
            return {}
        self._turn += 1
        return {number: self._back.pop(number)}

    def close(self) -> None:
        self._stream.close()
