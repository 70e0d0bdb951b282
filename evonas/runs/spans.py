"""When networks were trained, by the clock of the search: the tables `span` and, for retrained finalists,
`retraining_span`, which only this module reads and writes.

They are not part of any digest. Runs of earlier formats and networks of trainers that do not measure have none.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evonas.evaluation import Candidate, Evaluation
from evonas.runs.checksums import insert

__all__ = ["RetrainingSpan", "TrainingSpan", "add_retraining_spans", "add_spans", "drop_retraining_spans"]
__all__ += ["read_retraining_spans", "read_training_spans"]


@dataclass(frozen=True)
class TrainingSpan:
    """One training run of a network, on one fold and replicate.

    Attributes:
        place: generation and index of the network.
        process, thread: where it ran, as in `evonas.evaluation.Span`.
        started, ended: seconds since the search began, all sessions one after the other.
    """

    place: tuple[int, int]
    process: str
    thread: int
    started: float
    ended: float


@dataclass(frozen=True)
class RetrainingSpan:
    """One training run of a finalist with another seed.

    Attributes:
        digest: the network's digest.
        Others as in `TrainingSpan`.
    """

    digest: str
    process: str
    thread: int
    started: float
    ended: float


def read_training_spans(connection: sqlite3.Connection) -> Iterator[TrainingSpan]:
    """The spans in a run's database, in the order of the networks.

    Raises:
        ValueError: a row is invalid.
    """
    query = (
        "SELECT generation, position, process, thread, started, ended FROM span ORDER BY generation, position, number"
    )
    for generation, index, process, thread, started, ended in connection.execute(query):
        _check(started, ended)
        yield TrainingSpan((generation, index), process, thread, started, ended)


def read_retraining_spans(connection: sqlite3.Connection) -> Iterator[RetrainingSpan]:
    """The spans of finalists, ordered by start.

    Raises:
        ValueError: a row is invalid.
    """
    query = "SELECT digest, process, thread, started, ended FROM retraining_span ORDER BY started, digest, seed, number"
    for digest, process, thread, started, ended in connection.execute(query):
        _check(started, ended)
        yield RetrainingSpan(digest, process, thread, started, ended)


def _check(started: float, ended: float) -> None:
    if not 0.0 <= started <= ended < math.inf:
        raise ValueError(f"a training run lasted from {started!r:.40} s to {ended!r:.40} s")


def add_spans(
    connection: sqlite3.Connection, part: Sequence[tuple[Candidate, Evaluation]], began: float, seconds: float
) -> None:
    """Adds the spans of evaluations, in the open transaction.

    Spans are clipped to the session so far, since the clocks of other machines may be slightly off.

    Args:
        connection: connection to the run's database.
        part: candidates and their evaluations.
        began: seconds of the search at the beginning of this session.
        seconds: seconds of this session so far.
    """
    rows = [
        (candidate.generation, candidate.index, *row)
        for candidate, evaluation in part
        for row in _rows(evaluation, began, began + seconds)
    ]
    insert(connection, "span", rows)


def add_retraining_spans(
    connection: sqlite3.Connection, part: Sequence[tuple[Candidate, Evaluation]], began: float, seconds: float
) -> None:
    """The same for retrained finalists; see `add_spans`."""
    rows = [
        (candidate.digest, candidate.seed, candidate.epochs, *row)
        for candidate, evaluation in part
        for row in _rows(evaluation, began, began + seconds)
    ]
    insert(connection, "retraining_span", rows)


def drop_retraining_spans(connection: sqlite3.Connection) -> None:
    """Deletes the spans of deleted retraining runs, in the open transaction."""
    connection.execute(
        "DELETE FROM retraining_span WHERE NOT EXISTS (SELECT 1 FROM retraining r WHERE "
        "r.digest = retraining_span.digest AND r.seed = retraining_span.seed AND r.epochs = retraining_span.epochs)"
    )


def _rows(evaluation: Evaluation, began: float, now: float) -> Iterator[tuple[int, str, int, float, float]]:
    """Number, process, thread, start and end of each training run, by the clock of the search."""
    offset = now - time.time()
    for number, span in enumerate(evaluation.spans):
        ended = min(max(span.ended + offset, began), now)
        yield number, span.process, span.thread, min(max(span.started + offset, began), ended), ended
