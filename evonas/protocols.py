"""Protocols connected by the loop: strategies propose candidates, evaluators train and score them.

`Strategy` proposes generations, `OneByOne` single candidates while others are pending; `Evaluator` trains generations,
`StreamingEvaluator` also candidates one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from evonas.evaluation import Candidate, Evaluation, Start

__all__ = ["Evaluator", "OneByOne", "Strategy", "Stream", "StreamingEvaluator"]


class Evaluator(Protocol):
    """Trains whole generations."""

    def state(self) -> Any:
        """The state that depends on earlier generations, as JSON values, after the last part of a generation was
        yielded.
        """
        ...

    def restore(self, state: Any) -> None:
        """Restores `state` (None: the initial state), so that a resumed run is identical to an uninterrupted one."""
        ...

    def evaluate(
        self,
        candidates: Sequence[Candidate],
        done: frozenset[int] = frozenset(),
        starts: Mapping[int, Start] = MappingProxyType({}),
    ) -> Iterator[Mapping[int, Evaluation]]:
        """Trains the candidates and yields their evaluations in parts, as they finish.

        The result of a candidate does not depend on `done`: an evaluator plans the whole generation and then skips what
        is done, so that a run resumed within a generation gives identical results. If all are done, it only plans, to
        update its state.

        Args:
            candidates: the whole generation.
            done: positions in `candidates` that are already evaluated and need not be yielded.
            starts: position -> kept state of the candidate's origin. Candidates with an origin but no start train from
                their initial weights; for a continued network the result is the same, but takes longer.

        Yields: position in `candidates` -> evaluation; each position outside `done` exactly once.
        """
        ...

    def close(self) -> None:
        """Ends worker processes. Idempotent."""
        ...


class Strategy(Protocol):
    """Proposes candidates, for any `SearchSpace` and evaluator, also in your own loop."""

    def ask(self, count: int | None = None) -> list[Candidate]:
        """The next generation, with `count` candidates; by default as many as in the settings.

        Raises:
            RuntimeError: the results of the last generation are missing.
            ValueError: count is below 1.
        """
        ...

    def tell(self, evaluations: Sequence[Evaluation | float]) -> None:
        """Reports the results of the last `ask` in the same order: evaluations, or plain scores (NaN for a failure).

        Raises:
            RuntimeError: nothing was asked.
            ValueError: the number differs from that of the last `ask`.
        """
        ...

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs, as JSON values. May be called only between `tell` and `ask`."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores `state`: the next `ask` returns what it would have returned then."""
        ...

    def retained(self) -> frozenset[tuple[int, int]]:
        """(generation, index) of evaluated candidates with `keep_snapshots` that later ones may still start from.

        Called after every `tell`; the kept states of all others are dropped.
        """
        ...


class Stream(Protocol):
    """A stream of candidates in training, which are submitted one by one and returned as they finish."""

    @property
    def slots(self) -> int:
        """Number of candidates trained at a time; further ones wait."""
        ...

    def give(self, number: int, candidate: Candidate, start: Start | None = None) -> None:
        """Starts the training of a candidate.

        Args:
            number: identifies it in results; not in use by another one in training.
            candidate: the candidate to train.
            start: the kept state of its origin, if any.
        """
        ...

    def wait(self) -> Mapping[int, Evaluation]:
        """Finished evaluations by number, each candidate once; empty on a timeout."""
        ...

    def close(self) -> None:
        """Stops all training. Idempotent."""
        ...


@runtime_checkable
class StreamingEvaluator(Protocol):
    """An evaluator that can also train candidates one by one as they are given."""

    def stream(self) -> Stream:
        """A new stream, empty at first. The evaluator must not be used otherwise until it is closed."""
        ...


class OneByOne(Strategy, Protocol):
    """A strategy that can propose while other candidates are pending, instead of waiting for the slowest one.

    Pending candidates count as proposed: no network is proposed twice while the space has others. Ask a strategy one by
    one or for generations, not both; `state` may be taken at any time between two calls of `ask_one` and `tell_one`.
    Candidates get consecutive numbers of generation and index, see `evonas.strategies.pending`.
    """

    def ask_one(self) -> Candidate:
        """The next candidate; depends only on the previous calls and their order.

        Raises:
            RuntimeError: generations were asked for before.
        """
        ...

    @property
    def out(self) -> Sequence[Candidate]:
        """The pending candidates, asked for but without a result, in the order of asking."""
        ...

    def tell_one(self, candidate: Candidate, evaluation: Evaluation | float) -> None:
        """Reports the result of a pending candidate: an evaluation, or a plain score (NaN for a failure).

        Raises:
            RuntimeError: the candidate is not pending.
        """
        ...
