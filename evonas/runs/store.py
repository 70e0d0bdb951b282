"""`RunStore`: the only writer of a run directory.

Every public method that writes is one commit: it returns when the rows and the files they reference are on the disk.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evonas.config import Budget, Settings
from evonas.data.prepared import PreparedData
from evonas.evaluation import TRAINER_VERSION, Candidate, Evaluation, Status, snapshots_to_arrays
from evonas.io.atomic import is_temporary
from evonas.runs import schema
from evonas.runs.baselines import BaselinesWriter
from evonas.runs.checksums import insert, update
from evonas.runs.directory import (
    DATA_NAME,
    MARKS,
    POPULATION,
    RESULTS,
    check_links,
    check_reports,
    claim,
    open_log,
    sha256,
)
from evonas.runs.disk_faults import durably, storing
from evonas.runs.disk_reserve import reserve_disk
from evonas.runs.events import EventsWriter
from evonas.runs.final_model import FinalTestWriter
from evonas.runs.finalists import RetrainingsWriter
from evonas.runs.in_training import NetworkInTraining, TrainingNotes
from evonas.runs.lock import RunLock
from evonas.runs.reader import RunReader
from evonas.runs.records import candidate_to_row, check_repetition, result_to_json, trained_at
from evonas.runs.reports import population_text, results_csv, write_report
from evonas.runs.retention import drop_files, within_quota, worth_keeping
from evonas.runs.spans import add_spans
from evonas.runs.times import TimesWriter
from evonas.runs.versions import environment_versions
from genomes.codec import canonical_json
from genomes.errors import InputError
from genomes.space import SearchSpace

__all__ = ["RunStore"]


class RunStore(RunReader):
    """A run directory, owned by this process until `close`. Created by `create` and `open`.

    Attributes:
        report_share: results.csv and population.json are written with every part while that takes at most this share of
            the time; in a long run they may lag until the session ends. `report_seconds` is the duration of the last
            write.
        training_notes: writer of the networks in training, for displays.
    """

    report_share = 0.05

    def __init__(self, directory: str | Path, lock: RunLock) -> None:
        self._lock, self._process = lock, os.getpid()
        self.training_notes = TrainingNotes(Path(directory))  # `close` needs it, also after a failure below
        check_reports(Path(directory))
        super().__init__(directory)
        self._key = (self.fingerprint[:16], str(TRAINER_VERSION))
        self.retrainings: RetrainingsWriter = RetrainingsWriter(
            self._connection, self._weights, self.objective, self._commit
        )
        self.events: EventsWriter = EventsWriter(self._connection, self._commit)
        self.times: TimesWriter = TimesWriter(self._connection, self._commit)
        self.baselines: BaselinesWriter = BaselinesWriter(self._connection, self._commit)
        self.final_test: FinalTestWriter = FinalTestWriter(self._connection, self._commit)
        self._session, self._counted, self._reported_at, self.report_seconds = 0, self.counts, 0.0, 0.0
        self._began = self.seconds
        self._weights.collect(self._named_weights())
        for path in self.directory.iterdir():
            if is_temporary(path.name):
                path.unlink(missing_ok=True)
        reserve_disk(self.directory)
        open_log(self.directory)

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
        """Creates a run.

        Args:
            directory: created if necessary; must be empty.
            settings: resolved settings.
            space: the search space.
            state: the strategy's state before its first `ask`.
            data: the training data, copied into the directory.
            source: origin of the data, for displays and the command line; JSON values.
            overwrite: whether an existing run may be replaced: only its own files are deleted.

        Raises:
            InputError: the directory holds a run or other files, is used by a live process, or cannot be written.
        """
        directory = Path(directory)

        def rows(digest: str) -> dict[str, list[tuple[Any, ...]]]:
            about = {
                MARKS: "1",
                "trainer": str(TRAINER_VERSION),
                "settings": canonical_json(settings.model_dump()),
                "space": canonical_json(space.to_json()),
                "problem": canonical_json(asdict(data.problem) if data is not None else {}),
                "source": canonical_json(dict(source or {})),
                "fingerprint": data.fingerprint if data is not None else "",
                "data_sha256": digest,
            }
            state_row = (0, canonical_json({"strategy": state, "evaluator": None}))
            return {"about": list(about.items()), "state": [state_row]}

        with storing(directory, exists=False):
            lock = claim(directory, overwrite, rows, None if data is None else data.save)
        try:
            with storing(directory):
                return cls(directory, lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def open(cls, directory: str | Path) -> RunStore:
        """Opens the run in the directory to continue it.

        Raises:
            InputError: there is none, it is in use, has a newer format or is damaged, its data were changed, or its
                networks were trained by another version of the trainer.
        """
        directory = Path(directory)
        check_links(directory)
        schema.check_header(directory / schema.DATABASE)
        schema.check_journal(directory / schema.DATABASE)
        with storing(directory):
            lock = RunLock(directory)
        try:
            with storing(directory):
                store = cls(directory, lock)
            if store.trainer != str(TRAINER_VERSION):
                wanted = store.environment.get("evonas", "")
                store.close()
                raise InputError(
                    f"run must have been trained by version {TRAINER_VERSION} of the trainer to be continued, but "
                    f"{directory} was trained by version {store.trainer}, which gives other weights: resume it with "
                    f"evonas {wanted}, or start a new run"
                )
            if store.data_sha256 and sha256(directory / DATA_NAME) != store.data_sha256:
                store.close()
                raise InputError(
                    f"{directory / DATA_NAME} must be as the run wrote it, but it was changed: restore the file"
                )
            return store
        except BaseException:
            lock.release()
            raise

    @property
    def in_training(self) -> tuple[NetworkInTraining, ...]:
        """The networks in training as last reported."""
        return self.training_notes.latest

    # Commits.

    def begin_session(self, budget: Budget) -> None:
        """Records the start or continuation of a search, its versions and its budget."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        number = int(self._value("SELECT coalesce(max(number), 0) + 1 FROM session"))
        self._began = self.seconds
        row = (number, now, canonical_json(environment_versions()), canonical_json(budget.model_dump()), 0.0, None)
        self._commit(lambda: insert(self._connection, "session", [row]))
        self._session = number
        self.write_reports()

    def end_session(self, stop: str, seconds: float) -> None:
        """Records why the search stopped, and updates the reports."""
        changes = {"stop": stop, "seconds": float(seconds)}
        self._commit(lambda: update(self._connection, "session", {"number": self._session}, changes))
        self.write_reports()

    def add_candidates(self, candidates: Sequence[Candidate], space: SearchSpace) -> None:
        """Commits the candidates of a generation before training. A repetition after a resume changes nothing.

        Raises:
            InputError: the generation exists and differs.
        """
        rows = [candidate_to_row(candidate, space) for candidate in candidates]
        query = "SELECT * FROM candidate WHERE generation = ? ORDER BY position"
        there = self._connection.execute(query, (candidates[0].generation,)).fetchall()
        if there:
            check_repetition(self, there, rows)
        else:
            self._commit(lambda: insert(self._connection, "candidate", rows))

    def add_candidate(self, candidate: Candidate, space: SearchSpace) -> None:
        """Commits the ask event of a candidate in an asynchronous run. A repetition after a resume changes nothing.

        Raises:
            InputError: the candidate exists and differs.
        """
        row = candidate_to_row(candidate, space)
        there = self.events.candidate((candidate.generation, candidate.index))
        if there is None:
            self.events.ask(row)
        else:
            check_repetition(self, [there], [row])

    def commit_part(self, part: Sequence[tuple[Candidate, Evaluation]], seconds: float) -> None:
        """Commits evaluations in one transaction; the weights of the best `keep` networks of the run are kept.

        So are the snapshots of candidates with `keep_snapshots`, until `complete_generation` drops them.

        Args:
            part: previously added candidates, and their evaluations.
            seconds: seconds of this session so far.
        """
        losses = [None if candidate.is_reduced else self._loss(evaluation) for candidate, evaluation in part]
        kept = worth_keeping(self.best_places(self.settings.keep), self.settings.keep, part, losses)
        before = self._named_weights()
        files: dict[int, str] = {}
        states: dict[int, str] = {}

        def put() -> None:
            files.update((index, self._weights.put(part[index][1].weights or {})) for index in sorted(kept))
            for index, (candidate, evaluation) in enumerate(part):
                if candidate.keep_snapshots and evaluation.snapshots and evaluation.status is Status.OK:
                    states[index] = self._weights.put(snapshots_to_arrays(evaluation.snapshots))

        def add() -> None:
            rows = [
                (
                    candidate.generation,
                    candidate.index,
                    *candidate.key,
                    *self._key,
                    evaluation.status.value,
                    loss,
                    result_to_json(evaluation),
                    float(evaluation.train_seconds),
                    files.get(index),
                    states.get(index),
                )
                for index, ((candidate, evaluation), loss) in enumerate(zip(part, losses, strict=True))
            ]
            insert(self._connection, "evaluation", rows)
            add_spans(self._connection, part, self._began, seconds)
            drop_files(self._connection, "weights", self._within_quota())
            self._spend(seconds)

        counts, self._counted = self.counts, None  # recounted should the commit fail
        self._commit(add, before=put)
        self._counted = counts.plus(
            (evaluation.status, loss is not None or (candidate.is_reduced and evaluation.status is Status.OK))
            for (candidate, evaluation), loss in zip(part, losses, strict=True)
        )
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
        """Commits the states of strategy and evaluator after the generation, from which a resumed run continues.

        Snapshots of candidates that are not `retained` are dropped.
        """
        before = self._named_weights()
        places = {trained_at(self._connection, place) for place in retained}
        events = {"events": self.events.count} if self.settings.asynchronous else {}
        value = canonical_json({"strategy": state, "evaluator": evaluator_state, **events})

        def add() -> None:
            drop_files(self._connection, "snapshots", places)
            update(self._connection, "state", {}, {"generations": generation + 1, "value": value})
            self._spend(seconds)

        self._commit(add)
        self._weights.remove(before - self._named_weights())

    def grow(self, space: SearchSpace, source: Mapping[str, Any]) -> None:
        """Commits an extended space and the corresponding source between generations.

        Args:
            space: contains all genomes of the run so far.
            source: as in `create`.
        """
        texts = {"space": canonical_json(space.to_json()), "source": canonical_json(dict(source))}

        def change() -> None:
            for name, text in texts.items():
                update(self._connection, "about", {"key": name}, {"value": text})

        self._commit(change)
        self.space_json, self.source = json.loads(texts["space"]), json.loads(texts["source"])

    def locate(self, candidate: Candidate) -> Candidate:
        """The candidate with its origin replaced by the candidate that was trained, if the origin was a repetition.

        Raises:
            RuntimeError: the origin is not an evaluated candidate.
        """
        if candidate.origin is None:
            return candidate
        generation, index = trained_at(self._connection, candidate.origin.place)
        return replace(candidate, origin=replace(candidate.origin, generation=generation, index=index))

    def close(self) -> None:
        """Closes the database and releases the lock. Idempotent."""
        super().close()
        self.training_notes.clear()
        self._lock.release()

    # Side effects of commits.

    def _commit(self, work: Callable[[], None], before: Callable[[], None] | None = None) -> None:
        """Executes `work` in one transaction, after `before`, which writes the files that its rows reference."""

        if os.getpid() != self._process:
            raise RuntimeError("a run must be written by the process that opened it, not by a fork of it")

        def commit() -> None:
            if before is not None:
                before()
            with schema.transaction(self._connection):
                self.events.write_told()
                work()

        durably(self.directory, commit)
        self.events.forget_told()

    def _within_quota(self) -> set[tuple[int, int]]:
        """Positions of the best `keep` networks whose weights fit the quota; always at least the best one."""
        best = self.best_places(self.settings.keep)
        return within_quota(self._connection, best, self._weights.size, self.settings.keep_bytes)

    def write_reports(self) -> None:
        """Rewrites results.csv and population.json."""
        started = time.monotonic()
        best = self.best(self.settings.population)
        population = population_text(best, self.space_json, self.objective.name)
        with storing(self.directory):
            write_report(self.directory / RESULTS, results_csv(self.records()).encode())
            write_report(self.directory / POPULATION, population.encode())
        self._reported_at = time.monotonic()
        self.report_seconds = self._reported_at - started

    def _report_if_cheap(self) -> None:
        if time.monotonic() - self._reported_at >= self.report_seconds * (1 / self.report_share - 1):
            self.write_reports()

    def _spend(self, seconds: float) -> None:
        update(self._connection, "session", {"number": self._session}, {"seconds": float(seconds)})

    def _loss(self, evaluation: Evaluation) -> float | None:
        score = evaluation.scores.get(self.objective.name) if evaluation.status is Status.OK else None
        loss = self.objective.loss(score)
        return loss if loss != float("inf") else None

    def _named_weights(self) -> set[str]:
        """Weights and snapshot files referenced by rows."""
        return self.retrainings.named_weights() | {
            name
            for column in ("weights", "snapshots")
            for (name,) in self._connection.execute(f"SELECT {column} FROM evaluation WHERE {column} IS NOT NULL")
        }
