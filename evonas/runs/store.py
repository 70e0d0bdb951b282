"""`RunStore`: the one writer of a run directory.

Every public method that writes is one commit: it returns when the rows, and the files that they name, are on the disk.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import sqlite3
import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evonas.config import Budget, Settings
from evonas.data.prepared import PreparedData
from evonas.evaluation import Candidate, Evaluation, Status
from evonas.runs import schema
from evonas.runs.environment import environment_versions
from evonas.runs.files import TEMPORARY, sync_directory, write_atomically
from evonas.runs.lock import LOCK_NAME, RunLock
from evonas.runs.reader import DATA_NAME, RunReader
from evonas.runs.records import result_to_json
from evonas.runs.reports import population_text, results_csv
from evonas.snapshot import snapshots_to_arrays
from genomes.codec import canonical_json
from genomes.errors import InputError
from genomes.space import SearchSpace

__all__ = ["RunStore"]

_RESULTS, _POPULATION = "results.csv", "population.json"
_NEW_DATABASE = schema.DATABASE + TEMPORARY
#: Everything that a run writes beside `weights/`, in the order in which an overwritten run is removed: a journal must
#: never outlive its database, or the next one would be "rolled back" with it.
_FILES = (
    *(name + suffix for name in (schema.DATABASE, _NEW_DATABASE) for suffix in ("-journal", "")),
    *(DATA_NAME, _RESULTS, _POPULATION, "worker.log"),
)


class RunStore(RunReader):
    """A run directory, owned by this process until `close`. Made by `create` and `open`.

    Attributes:
        report_share: results.csv and population.json are written anew with every part as long as that takes at most
            this share of the time; in a very long run they may lag by seconds until the session ends.
    """

    report_share = 0.05

    def __init__(self, directory: str | Path, lock: RunLock) -> None:
        self._lock = lock
        super().__init__(directory)
        self._session = 0
        self._reported_at, self._report_seconds = 0.0, 0.0
        self._weights.collect(self._named_weights())
        for path in self.directory.glob(f".*{TEMPORARY}"):
            path.unlink(missing_ok=True)

    def _connect(self) -> sqlite3.Connection:
        return schema.connect(self.directory / schema.DATABASE)

    @classmethod
    def create(
        cls,
        directory: str | Path,
        *,
        settings: Settings,
        space: SearchSpace,
        state: Mapping[str, Any],
        data: PreparedData | None = None,
        source: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> RunStore:
        """A new run.

        Args:
            directory: made if need be; must hold nothing else.
            settings: resolved.
            space: that is searched.
            state: of the strategy before its first `ask`.
            data: what the networks are trained on, copied into the directory.
            source: where the data came from, for people and the command line; JSON values.
            overwrite: whether a run that is there may be deleted.

        Raises:
            InputError: the directory holds a run or other files, is used by a live process, or cannot be written.
        """
        directory = Path(directory)
        _make_directory(directory)
        lock = RunLock(directory)
        try:
            _make_room(directory, overwrite)
            digest = ""
            if data is not None:
                data.save(directory / DATA_NAME)
                digest = _sha256(directory / DATA_NAME)
                with (directory / DATA_NAME).open("rb") as file:
                    os.fsync(file.fileno())
            about = {
                "settings": canonical_json(settings.model_dump()),
                "space": canonical_json(space.to_json()),
                "problem": canonical_json(asdict(data.problem) if data is not None else {}),
                "source": canonical_json(dict(source or {})),
                "fingerprint": data.fingerprint if data is not None else "",
                "data_sha256": digest,
            }
            connection = schema.create(directory / _NEW_DATABASE)
            with schema.transaction(connection):
                connection.executemany("INSERT INTO about VALUES (?, ?)", about.items())
                held = canonical_json({"strategy": state, "evaluator": None})
                connection.execute("INSERT INTO state VALUES (0, ?)", (held,))
            connection.close()
            # With this rename the run exists; whatever a crash leaves before it, `create` may take.
            (directory / _NEW_DATABASE).rename(directory / schema.DATABASE)
            sync_directory(directory)
            return cls(directory, lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def open(cls, directory: str | Path) -> RunStore:
        """The run in the directory, to go on with it.

        Raises:
            InputError: there is none, it is in use, of a newer format or damaged, or its data were changed.
        """
        directory = Path(directory)
        schema.check_header(directory / schema.DATABASE)
        lock = RunLock(directory)
        try:
            store = cls(directory, lock)
            if store.data_sha256 and _sha256(directory / DATA_NAME) != store.data_sha256:
                store.close()
                raise InputError(
                    f"{directory / DATA_NAME} must be as the run wrote it, but it was changed: restore the file"
                )
            return store
        except BaseException:
            lock.release()
            raise

    # Commits.

    def begin_session(self, budget: Budget) -> None:
        """Notes that a search starts or goes on, with what versions and until when."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        row = (now, canonical_json(environment_versions()), canonical_json(budget.model_dump()))
        with schema.transaction(self._connection):
            self._connection.execute(
                "INSERT INTO session (started_at, environment, budget, seconds) VALUES (?, ?, ?, 0)", row
            )
        self._session = int(self._value("SELECT max(number) FROM session"))
        self.write_reports()

    def end_session(self, stop: str, seconds: float) -> None:
        """Notes why the search stopped, and brings the reports up to date."""
        with schema.transaction(self._connection):
            self._connection.execute(
                "UPDATE session SET stop = ?, seconds = ? WHERE number = ?", (stop, seconds, self._session)
            )
        self.write_reports()

    def add_candidates(self, candidates: Sequence[Candidate], space: SearchSpace) -> None:
        """Commits a generation as asked for, before any of it is trained. A repetition after a resume changes nothing.

        Raises:
            InputError: the generation is there, and different.
        """
        rows = [
            (
                candidate.generation,
                candidate.index,
                candidate.digest,
                candidate.seed,
                *candidate.key[2:],
                canonical_json(space.genome_to_json(candidate.genome)),
                canonical_json(list(candidate.parents)),
                candidate.operator,
            )
            for candidate in candidates
        ]
        query = "SELECT * FROM candidate WHERE generation = ? ORDER BY position"
        there = self._connection.execute(query, (candidates[0].generation,)).fetchall()
        if there and there != rows:
            raise InputError(
                f"generation {candidates[0].generation} of {self.directory} must be asked for as before the run "
                "stopped, but the strategy asks for other networks now: resume with the versions that it ran with "
                f"({', '.join(' '.join(item) for item in self.environment.items())})"
            )
        if not there:
            with schema.transaction(self._connection):
                self._connection.executemany(f"INSERT INTO candidate VALUES ({_marks(10)})", rows)

    def commit_part(self, part: Sequence[tuple[Candidate, Evaluation]], seconds: float) -> None:
        """Commits evaluations, in one transaction; the weights of the best `keep` networks of the run are kept.

        So are the snapshots of candidates with `keep`, until `complete_generation` drops them.

        Args:
            part: what was trained; candidates of the generation added last.
            seconds: of this session so far.
        """
        losses = [self._loss(evaluation) for _, evaluation in part]
        kept = self._worth_keeping(part, losses)
        files = {place: self._weights.put(part[place][1].weights or {}) for place in sorted(kept)}
        states = {
            place: self._weights.put(snapshots_to_arrays(evaluation.snapshots))
            for place, (candidate, evaluation) in enumerate(part)
            if candidate.keep and evaluation.snapshots and evaluation.status is Status.OK
        }
        before = self._named_weights()
        with schema.transaction(self._connection):
            for place, ((candidate, evaluation), loss) in enumerate(zip(part, losses, strict=True)):
                self._connection.execute(
                    f"INSERT INTO evaluation VALUES ({_marks(13)})",
                    (
                        candidate.generation,
                        candidate.index,
                        *candidate.key,
                        evaluation.status.value,
                        loss,
                        result_to_json(evaluation),
                        float(evaluation.train_seconds),
                        files.get(place),
                        states.get(place),
                    ),
                )
            self._drop("weights", {(row[1], row[2]) for row in self.best_places(self.settings.keep)})
            self._spend(seconds)
        self._weights.remove((before | set(files.values())) - self._named_weights())
        self._report_if_cheap()

    def complete_generation(
        self,
        generation: int,
        state: Mapping[str, Any],
        seconds: float,
        evaluator_state: Any = None,
        retained: AbstractSet[tuple[int, int]] = frozenset(),
    ) -> None:
        """Commits the strategy's and the evaluator's state after the generation: from here a resumed run goes on.

        Snapshots of candidates whose places are not `retained` are dropped.
        """
        before = self._named_weights()
        retained = {self._trained_at(place) for place in retained}
        with schema.transaction(self._connection):
            self._drop("snapshots", retained)
            self._connection.execute(
                "UPDATE state SET generations = ?, value = ?",
                (generation + 1, canonical_json({"strategy": state, "evaluator": evaluator_state})),
            )
            self._spend(seconds)
        self._weights.remove(before - self._named_weights())

    def located(self, candidate: Candidate) -> Candidate:
        """The candidate with its origin at the place where that was trained: asked for again, it was not.

        Raises:
            RuntimeError: the origin is no candidate that was evaluated.
        """
        if candidate.origin is None:
            return candidate
        generation, index = self._trained_at(candidate.origin.place)
        return replace(candidate, origin=replace(candidate.origin, generation=generation, index=index))

    def close(self) -> None:
        """Closes the database and lets other processes in. May be called twice."""
        super().close()
        self._lock.release()

    # What hangs on a commit.

    def write_reports(self) -> None:
        """Writes results.csv and population.json anew."""
        started = time.monotonic()
        write_atomically(self.directory / _RESULTS, results_csv(self.records()).encode())
        best = self.best(self.settings.population)
        population = population_text(best, self.space_json, self.objective.name)
        write_atomically(self.directory / _POPULATION, population.encode())
        self._reported_at = time.monotonic()
        self._report_seconds = self._reported_at - started

    def _report_if_cheap(self) -> None:
        if time.monotonic() - self._reported_at >= self._report_seconds * (1 / self.report_share - 1):
            self.write_reports()

    def _spend(self, seconds: float) -> None:
        self._connection.execute("UPDATE session SET seconds = ? WHERE number = ?", (seconds, self._session))

    def _loss(self, evaluation: Evaluation) -> float | None:
        score = evaluation.scores.get(self.objective.name) if evaluation.status is Status.OK else None
        loss = self.objective.loss(score)
        return loss if loss != float("inf") else None

    def _worth_keeping(self, part: Sequence[tuple[Candidate, Evaluation]], losses: Sequence[float | None]) -> set[int]:
        """Places in `part` of those that are among the run's best `keep` and came with weights.

        Ranks are (loss, generation, position): a total order, so that what is kept does not depend on how a generation
        was cut into parts.
        """
        ranks = [(*row, -1) for row in self.best_places(self.settings.keep)]
        for place, ((candidate, _), loss) in enumerate(zip(part, losses, strict=True)):
            if loss is not None:
                ranks.append((loss, candidate.generation, candidate.index, candidate.digest, place))
        networks: dict[str, int] = {}
        for *_, digest, place in sorted(ranks):
            networks.setdefault(digest, place)
        best = {place for place in list(networks.values())[: self.settings.keep] if place >= 0}
        return {place for place in best if part[place][1].weights is not None}

    def _named_weights(self) -> set[str]:
        """Files that rows name, weights and snapshots."""
        return {
            name
            for column in ("weights", "snapshots")
            for (name,) in self._connection.execute(f"SELECT {column} FROM evaluation WHERE {column} IS NOT NULL")
        }

    def _drop(self, column: str, kept: AbstractSet[tuple[int, int]]) -> None:
        """Rows outside `kept` (generation, position) name no file in the column any more."""
        query = f"SELECT generation, position FROM evaluation WHERE {column} IS NOT NULL"
        dropped = [place for place in self._connection.execute(query) if place not in kept]
        self._connection.executemany(
            f"UPDATE evaluation SET {column} = NULL WHERE generation = ? AND position = ?", dropped
        )

    def _trained_at(self, place: tuple[int, int]) -> tuple[int, int]:
        """Where the training of a candidate was done: in an earlier generation, if it had been asked for before."""
        row = self._row(
            "SELECT e.generation, e.position FROM candidate c JOIN evaluation e ON e.digest = c.digest "
            "AND e.seed = c.seed AND e.epochs = c.epochs AND e.horizon = c.horizon AND e.origin = c.origin "
            "WHERE c.generation = ? AND c.position = ?",
            place,
        )
        if row is None:
            raise RuntimeError(
                f"an origin must be a candidate that was evaluated, not number {place[1]} of generation {place[0]}"
            )
        return row[0], row[1]


def _marks(count: int) -> str:
    """Placeholders of a row."""
    return ", ".join("?" * count)


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"run directory must be a directory that can be written, but {directory} cannot be made "
            f"({error.strerror}): choose another place"
        ) from None


def _make_room(directory: Path, overwrite: bool) -> None:
    """Refuses a directory that holds a run or anything else; deletes a run that may be overwritten."""
    place = shlex.quote(str(directory))
    if (directory / schema.DATABASE).exists() and not overwrite:
        raise InputError(
            f"run directory must be new, but {directory} holds a run: go on with it (evonas resume {place}), replace "
            "it (--overwrite), or choose another directory (--out)"
        )
    known = {*_FILES, LOCK_NAME, "weights", "models"}
    strange = sorted(path.name for path in directory.iterdir() if path.name not in known and not _is_left_over(path))
    if strange and not (directory / schema.DATABASE).exists():
        raise InputError(
            f"run directory must be new or empty, but {directory} holds {', '.join(strange[:3])}"
            f"{' and more' if len(strange) > 3 else ''}: choose another directory (--out)"
        )
    for name in _FILES:
        (directory / name).unlink(missing_ok=True)
    for folder in ("weights", "models"):
        for path in (directory / folder).glob("*"):
            if path.is_file():
                path.unlink()
    sync_directory(directory)


def _is_left_over(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(TEMPORARY)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} must be readable ({error.strerror}): restore the file") from None
