"""`RunReader`: what has been committed to a run directory. Reads beside a running search and changes nothing."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from evonas.config import Budget, Settings
from evonas.evaluation import Evaluation
from evonas.objective import METRICS, Objective
from evonas.runs import schema
from evonas.runs.lock import RunLock, owner_of
from evonas.runs.records import Record, evaluation_from_row
from evonas.runs.weights import WeightFiles
from genomes.errors import InputError

__all__ = ["DATA_NAME", "GenerationSummary", "RunReader"]

DATA_NAME = "data.npz"

_RECORD = """
SELECT e.generation, e.position, e.digest, e.seed, e.epochs, c.genome, c.parents, c.operator, e.status, e.result,
       e.train_seconds, e.loss, e.weights
FROM evaluation e JOIN candidate c ON c.generation = e.generation AND c.position = e.position
"""
_BY_RANK = " WHERE e.loss IS NOT NULL ORDER BY e.loss, e.generation, e.position"


@dataclass(frozen=True)
class GenerationSummary:
    """One generation in numbers. Losses are of what was trained in it, None when nothing succeeded."""

    generation: int
    candidates: int
    evaluations: int
    failed: int
    best_loss: float | None
    median_loss: float | None
    train_seconds: float


class RunReader:
    """A run directory, open for reading.

    Args:
        directory: of the run.

    Raises:
        InputError: there is no run in it, it is of a newer format, or damaged.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._connection = self._connect()
        self._weights = WeightFiles(self.directory)
        about = dict(self._connection.execute("SELECT key, value FROM about").fetchall())
        try:
            self.settings = Settings(**json.loads(about["settings"]))
            self.space_json: dict[str, Any] = json.loads(about["space"])
            self.problem_json: dict[str, Any] = json.loads(about["problem"])
            self.source: dict[str, Any] = json.loads(about["source"])
            self.fingerprint: str = about["fingerprint"]
            self.data_sha256: str = about["data_sha256"]
        except (KeyError, json.JSONDecodeError) as error:
            self.close()
            raise InputError(f"{self.directory} must hold a whole run, but {error} is missing from it") from None

    def _connect(self) -> sqlite3.Connection:
        path = self.directory / schema.DATABASE
        if schema.journal_of(path).exists() and self.owner is None:
            # A crash in the midst of a commit, which a reader cannot roll back.
            lock = RunLock(self.directory)
            try:
                schema.connect(path).close()
            finally:
                lock.release()
        return schema.connect_readonly(path)

    # The state of the run.

    @property
    def objective(self) -> Objective:
        """What is optimised."""
        name = self.settings.objective or ""
        return Objective(name, METRICS[name][0] if name in METRICS else "min")

    @property
    def budget(self) -> Budget:
        """The budget of the latest session."""
        row = self._row("SELECT budget FROM session ORDER BY number DESC LIMIT 1")
        return Budget(**json.loads(row[0])) if row else Budget()

    @property
    def stop(self) -> str | None:
        """Why the latest session stopped; None while it runs, or when it was killed."""
        row = self._row("SELECT stop FROM session ORDER BY number DESC LIMIT 1")
        return row[0] if row else None

    @property
    def environment(self) -> dict[str, str]:
        """Versions of what the latest session ran with."""
        row = self._row("SELECT environment FROM session ORDER BY number DESC LIMIT 1")
        return dict(json.loads(row[0])) if row else {}

    @property
    def owner(self) -> int | None:
        """Process id of the search that is running in this directory, if any."""
        return owner_of(self.directory)

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of search, all sessions together, up to the last commit."""
        return float(self._value("SELECT total(seconds) FROM session"))

    @property
    def generations(self) -> int:
        """Generations completed."""
        return int(self._value("SELECT generations FROM state"))

    @property
    def state(self) -> dict[str, Any]:
        """The strategy's state after the last completed generation."""
        return dict(json.loads(self._value("SELECT value FROM state"))["strategy"])

    @property
    def evaluator_state(self) -> Any:
        """The evaluator's state after the last completed generation; None at the beginning."""
        return json.loads(self._value("SELECT value FROM state"))["evaluator"]

    @property
    def evaluated(self) -> int:
        """Networks trained, the failed ones included."""
        return int(self._value("SELECT count(*) FROM evaluation"))

    @property
    def failed(self) -> int:
        """Networks trained that have no score."""
        return int(self._value("SELECT count(*) FROM evaluation WHERE loss IS NULL"))

    @property
    def last_new_generation(self) -> int:
        """The latest generation in which a network was trained; -1 before any."""
        return int(self._value("SELECT coalesce(max(generation), -1) FROM evaluation"))

    # Evaluations.

    def evaluation(self, digest: str, seed: int, epochs: int) -> tuple[int, Evaluation] | None:
        """The generation in which that training was done and its evaluation, or None if it never was."""
        row = self._row(
            "SELECT generation, status, result, train_seconds FROM evaluation "
            "WHERE digest = ? AND seed = ? AND epochs = ?",
            (digest, seed, epochs),
        )
        return None if row is None else (row[0], evaluation_from_row(*row[1:]))

    def records(self) -> Iterator[Record]:
        """Every evaluation, in the order of the candidates."""
        return self._records(_RECORD + " ORDER BY e.generation, e.position")

    def best(self, count: int = 1) -> list[Record]:
        """The best `count` evaluations, best first; of equals, the older leads. Failed ones are never among them."""
        return list(self._records(_RECORD + _BY_RANK + " LIMIT ?", (count,)))

    def ranked(self, rank: int) -> Record:
        """The evaluation of that rank, from 1.

        Raises:
            InputError: there is no such rank.
        """
        scored = self.evaluated - self.failed
        if not 1 <= rank <= scored:
            mend = f"choose one from 1 to {scored}" if scored else "no network has a score yet, resume the run"
            raise InputError(f"rank must be at least 1 and at most the number of scored networks, not {rank}: {mend}")
        return next(self._records(_RECORD + _BY_RANK + " LIMIT 1 OFFSET ?", (rank - 1,)))

    def weights(self, record: Record) -> dict[str, NDArray[Any]]:
        """The weights that were scored, by name.

        Raises:
            InputError: they were not kept, or the file is gone or changed.
        """
        if record.weights is None:
            raise InputError(
                f"weights are kept for the best {self.settings.keep} networks, and this one ({record.digest[:12]}) is "
                "not among them: choose a better rank, retrain it, or run with a larger `keep`"
            )
        return self._weights.get(record.weights)

    def summaries(self) -> list[GenerationSummary]:
        """One summary a generation, in order."""
        losses: dict[int, list[float | None]] = {}
        seconds: dict[int, float] = {}
        for generation, loss, spent in self._connection.execute(
            "SELECT generation, loss, train_seconds FROM evaluation ORDER BY generation, loss"
        ):
            losses.setdefault(generation, []).append(loss)
            seconds[generation] = seconds.get(generation, 0.0) + spent
        counts = self._connection.execute(
            "SELECT generation, count(*) FROM candidate GROUP BY generation ORDER BY generation"
        )
        return [_summary(number, count, losses.get(number, []), seconds.get(number, 0.0)) for number, count in counts]

    def digest(self) -> str:
        """SHA-256 of everything that a repetition of the run must reproduce: all but wall-clock times and sessions."""
        sha = hashlib.sha256()
        for query in (
            "SELECT key, value FROM about WHERE key IN ('settings', 'space', 'problem', 'fingerprint') ORDER BY key",
            "SELECT * FROM candidate ORDER BY generation, position",
            "SELECT generation, position, digest, seed, epochs, status, loss, result, weights FROM evaluation "
            "ORDER BY generation, position",
            "SELECT generations, value FROM state",
        ):
            for row in self._connection.execute(query):
                sha.update(repr(row).encode())
            sha.update(b"\n")
        return sha.hexdigest()

    def _records(self, query: str, values: tuple[Any, ...] = ()) -> Iterator[Record]:
        for row in self._connection.execute(query, values):
            yield Record(
                generation=row[0],
                index=row[1],
                digest=row[2],
                seed=row[3],
                epochs=row[4],
                genome=json.loads(row[5]),
                parents=tuple(json.loads(row[6])),
                operator=row[7],
                evaluation=evaluation_from_row(*row[8:11]),
                loss=row[11],
                weights=row[12],
            )

    def _row(self, query: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
        return row

    def _value(self, query: str) -> Any:
        row = self._row(query)
        if row is None:
            raise InputError(
                f"{self.directory} must hold a whole run, but a part of it is missing: restore it from a copy"
            )
        return row[0]

    # Life.

    def close(self) -> None:
        """Closes the database. May be called twice."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _summary(number: int, candidates: int, losses: list[float | None], seconds: float) -> GenerationSummary:
    scored = sorted(loss for loss in losses if loss is not None)
    middle = len(scored) // 2
    median = None if not scored else scored[middle] if len(scored) % 2 else (scored[middle - 1] + scored[middle]) / 2
    best = scored[0] if scored else None
    return GenerationSummary(number, candidates, len(losses), len(losses) - len(scored), best, median, seconds)
