"""When networks were trained, by the clock of the search: the table `span`, which is read and written here only.

No digest counts it. Runs of earlier formats have none, nor have networks of trainers that measure none.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evonas.evaluation import Candidate, Evaluation
from evonas.runs.checksums import insert

__all__ = ["TrainingSpan", "add_spans", "read_training_spans"]


@dataclass(frozen=True)
class TrainingSpan:
    """One training of a network: of one fold and replicate.

    Attributes:
        place: generation and index of the network.
        process, thread: where, as `evonas.evaluation.Span`.
        started, ended: seconds since the search began, all sessions one behind the other.
    """

    place: tuple[int, int]
    process: str
    thread: int
    started: float
    ended: float


def read_training_spans(connection: sqlite3.Connection) -> Iterator[TrainingSpan]:
    """Those of a run's database, in the order of the networks.

    Raises:
        ValueError: a row is not as it was written.
    """
    query = (
        "SELECT generation, position, process, thread, started, ended FROM span ORDER BY generation, position, number"
    )
    for generation, index, process, thread, started, ended in connection.execute(query):
        if not 0.0 <= started <= ended < math.inf:
            raise ValueError(f"a training lasted from {started!r:.40} s to {ended!r:.40} s")
        yield TrainingSpan((generation, index), process, thread, started, ended)


def add_spans(
    connection: sqlite3.Connection, part: Sequence[tuple[Candidate, Evaluation]], began: float, seconds: float
) -> None:
    """Adds the spans of evaluations, in the transaction that is open.

    The clocks of other machines may be a little off: no training is said to have begun before its session, or to end
    after now.

    Args:
        connection: of the run.
        part: what was trained.
        began: seconds of the search when this session began.
        seconds: of this session so far.
    """
    now, offset = began + seconds, began + seconds - time.time()
    rows = []
    for candidate, evaluation in part:
        for number, span in enumerate(evaluation.spans):
            ended = min(max(span.ended + offset, began), now)
            started = min(max(span.started + offset, began), ended)
            rows.append((candidate.generation, candidate.index, number, span.process, span.thread, started, ended))
    insert(connection, "span", rows)
