"""Which files of weights and snapshots a run keeps: those of its best networks, within a quota."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet

from evonas.evaluation import Candidate, Evaluation
from evonas.runs.checksums import update

__all__ = ["drop_files", "within_quota", "worth_keeping"]

_WEIGHTS_AT = "SELECT weights FROM evaluation WHERE generation = ? AND position = ?"


def worth_keeping(
    best: Iterable[tuple[float, int, int, str]],
    keep: int,
    part: Sequence[tuple[Candidate, Evaluation]],
    losses: Sequence[float | None],
) -> set[int]:
    """Positions in `part` of networks that are among the best `keep` of a run and have weights.

    Ranks are (loss, generation, position), a total order, so that the result does not depend on how a generation is
    split into parts.

    Args:
        best: (loss, generation, position, digest) of the best networks committed so far.
        keep: number of networks whose weights are kept.
        part: candidates and evaluations to commit.
        losses: losses of `part`; None without a score.
    """
    ranks = [(*row, -1) for row in best]
    for index, ((candidate, _), loss) in enumerate(zip(part, losses, strict=True)):
        if loss is not None:
            ranks.append((loss, candidate.generation, candidate.index, candidate.digest, index))
    networks: dict[str, int] = {}
    for *_, digest, index in sorted(ranks):
        networks.setdefault(digest, index)
    leading = {index for index in list(networks.values())[:keep] if index >= 0}
    return {index for index in leading if part[index][1].weights is not None}


def within_quota(
    connection: sqlite3.Connection,
    best: Iterable[tuple[float, int, int, str]],
    size_of: Callable[[str], int],
    quota_bytes: int,
) -> set[tuple[int, int]]:
    """(generation, position) of the best networks whose weights fit the quota; always at least the best one.

    Args:
        connection: connection to the run's database.
        best: (loss, generation, position, digest), best first.
        size_of: name of a weights file -> its size in bytes.
        quota_bytes: limit for all of them together.
    """
    places: set[tuple[int, int]] = set()
    for _, generation, position, _ in best:
        (name,) = connection.execute(_WEIGHTS_AT, (generation, position)).fetchone() or (None,)
        quota_bytes -= size_of(name) if name else 0
        if quota_bytes < 0 and places:
            break
        places.add((generation, position))
    return places


def drop_files(connection: sqlite3.Connection, column: str, kept: AbstractSet[tuple[int, int]]) -> None:
    """Clears the file references of a column in rows outside `kept` (generation, position)."""
    query = f"SELECT generation, position FROM evaluation WHERE {column} IS NOT NULL"
    for place in [place for place in connection.execute(query) if place not in kept]:
        key = dict(zip(("generation", "position"), place, strict=True))
        update(connection, "evaluation", key, {column: None})
