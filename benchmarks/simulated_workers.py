"""Evaluators that do not train: one answers immediately, one simulates the time of many workers. For `cluster.py`."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from evonas.evaluation import Candidate, Evaluation, Start, Status

#: Standard deviation of the log ratio of true to expected time; 0.32 for 48 random networks of the default space.
FORETOLD = 0.32


def score(candidate: Candidate) -> Evaluation:
    """A pure function of the genome; for other than toy genomes, of its digest."""
    if isinstance(candidate.genome, tuple):
        value = float(sum((number - 40) ** 2 for number in candidate.genome[:3]))
    else:
        value = int(candidate.digest[:8], 16) / 2**32
    return Evaluation(Status.OK, {"rmse": value}, epochs=1, curve=(value,), train_seconds=1.0, parameters=10)


class Immediate:
    """Evaluates immediately, in parts of a tenth of a generation. Implements `Evaluator`."""

    part_seconds = 0.0  # like the workers' evaluator, so that results may be committed together

    def state(self) -> None:
        """Stateless."""

    def restore(self, state: Any) -> None:
        """Has nothing to restore."""

    def close(self) -> None:
        """Has nothing to close."""

    def evaluate(
        self,
        candidates: Sequence[Candidate],
        done: frozenset[int] = frozenset(),
        starts: Mapping[int, Start] = MappingProxyType({}),
    ) -> Iterator[Mapping[int, Evaluation]]:
        """See `Evaluator.evaluate`."""
        places = [place for place in range(len(candidates)) if place not in done]
        size = max(1, len(places) // 10)
        for first in range(0, len(places), size):
            yield {place: score(candidates[place]) for place in places[first : first + size]}


class Simulated(Immediate):
    """Workers whose time is simulated: each takes the next candidate when it is free.

    In a generation that is the one with the longest expected time, as in evonas (`evonas.execution.order`); the
    expected time is off by a log-normal factor. If `foretold` is None, it is the next one in the order of asking.
    """

    def __init__(self, workers: int, spread: float, foretold: float | None = FORETOLD, seed: int = 0) -> None:
        self.slots, self._spread, self._foretold, self._seed = workers, spread, foretold, seed
        self.now = 0.0
        self.spans: list[tuple[float, float]] = []
        self._out: list[tuple[float, int, Candidate]] = []

    def seconds(self, candidate: Candidate) -> float:
        """Log-normal, and the same for a network in every loop, since its digest determines it."""
        rng = np.random.default_rng([self._seed, int(candidate.digest[:8], 16)])
        return float(rng.lognormal(0.0, self._spread))

    def evaluate(
        self,
        candidates: Sequence[Candidate],
        done: frozenset[int] = frozenset(),
        starts: Mapping[int, Start] = MappingProxyType({}),
    ) -> Iterator[Mapping[int, Evaluation]]:
        """See `Evaluator.evaluate`."""
        free = [self.now] * self.slots
        times = [self.seconds(candidate) for index, candidate in enumerate(candidates) if index not in done]
        if self._foretold is not None:
            off = np.random.default_rng(self._seed).lognormal(0.0, self._foretold, len(times))
            times = [times[k] for k in np.argsort(-off * times, kind="stable")]
        for seconds in times:
            began = heapq.heappop(free)
            heapq.heappush(free, began + seconds)
            self.spans.append((began, began + seconds))
        self.now = max(free)
        yield {index: score(each) for index, each in enumerate(candidates) if index not in done}

    def stream(self) -> Simulated:
        """Returns itself. Implements `Stream`."""
        return self

    def give(self, number: int, candidate: Candidate, start: Start | None = None) -> None:
        """See `Stream.give`."""
        seconds = self.seconds(candidate)
        self.spans.append((self.now, self.now + seconds))
        heapq.heappush(self._out, (self.now + seconds, number, candidate))

    def wait(self) -> Mapping[int, Evaluation]:
        """See `Stream.wait`."""
        self.now, number, candidate = heapq.heappop(self._out)
        return {number: score(candidate)}
