"""`RunReader`: read-only access to the committed state of a run, even during a search."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from evonas.config import Budget, Settings
from evonas.evaluation import Candidate, Evaluation, Origin, Snapshot, snapshots_from_arrays
from evonas.io.closing import Closing
from evonas.objective import METRICS, Objective, objectives_of, pareto_front
from evonas.runs import schema
from evonas.runs.about import SOURCE, known_problem
from evonas.runs.baselines import BaselinesReader
from evonas.runs.digest import run_digest
from evonas.runs.directory import DATA_NAME, check_links
from evonas.runs.events import Events
from evonas.runs.final_model import FinalModel, FinalTest, final_model
from evonas.runs.finalists import Finalist, Retrainings, rank_finalists
from evonas.runs.in_training import NetworkInTraining, read_in_training
from evonas.runs.lock import owner_of
from evonas.runs.records import JSON, RECORDS, WORDS, Record, evaluation_from_row, from_text, record_from_row
from evonas.runs.spans import RetrainingSpan, TrainingSpan, read_retraining_spans, read_training_spans
from evonas.runs.summaries import Counts, GenerationSummary, Idle, count_evaluations, generation_summaries, idle_since
from evonas.runs.times import Times
from evonas.runs.weights import WeightFiles
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.data.prepared import PreparedData

__all__ = ["DATA_NAME", "RunReader"]

_OF_KEY = "WHERE digest = ? AND seed = ? AND epochs = ? AND horizon = ? AND origin = ?"
_BY_RANK = (
    "SELECT loss, generation, position, digest FROM evaluation WHERE loss IS NOT NULL "
    "ORDER BY loss, generation, position LIMIT ?"
)


class RunReader(Closing):
    """A run directory, open for reading.

    Args:
        directory: the run directory.

    Raises:
        InputError: there is no run in it, or the run has a newer format or is damaged.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._connection = self._connect()
        self._weights = WeightFiles(self.directory)
        self.retrainings, self.events = Retrainings(self._connection), Events(self._connection)
        self.times = Times(self._connection)
        self.baselines = BaselinesReader(self._connection)
        self.final_test = FinalTest(self._connection)
        self._counted: Counts | None = None
        try:
            with self._reading():
                about = dict(self._connection.execute("SELECT key, value FROM about"))
                self.settings = Settings(**from_text(JSON, about["settings"]))
                self.space_json: dict[str, Any] = from_text(JSON, about["space"])
                self.problem_json: dict[str, Any] = known_problem(from_text(JSON, about["problem"]))
                self.source: dict[str, Any] = dict(from_text(SOURCE, about["source"]))
                self.fingerprint: str = about["fingerprint"]
                self.data_sha256: str = about["data_sha256"]
                self.trainer: str = about["trainer"]
        except BaseException:
            self.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        check_links(self.directory)
        # A live owner has verified its database, and a reader must not block it.
        return schema.connect_readonly(self.directory / schema.DATABASE, trusted=self.owner is not None)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Raises InputError for content that evonas would not write."""
        try:
            yield
        except KeyError as error:
            raise InputError(f"{self.directory} must hold a complete run, but lacks {error}") from None
        except (ValueError, TypeError, sqlite3.DatabaseError) as error:
            raise InputError(
                f"{self.directory / schema.DATABASE} must hold what evonas wrote, but {error}: restore it from a copy"
            ) from None

    # The state of the run.

    def data(self) -> PreparedData:
        """Reads the prepared data of the run."""
        from evonas.data.prepared import PreparedData

        return PreparedData.load(self.directory / DATA_NAME)

    @property
    def objective(self) -> Objective:
        """The objective: a built-in metric, or a user-defined score with its recorded direction."""
        name = self.settings.objective or ""
        if self.problem_json.get("metric") == name and self.problem_json.get("direction") in ("min", "max"):
            return Objective(name, self.problem_json["direction"])
        if self.source.get("direction") in ("min", "max"):
            return Objective(name, self.source["direction"])
        return Objective(name, METRICS[name][0] if name in METRICS else "min")

    @property
    def budget(self) -> Budget:
        """The budget of the latest session."""
        row = self._row("SELECT budget FROM session ORDER BY number DESC LIMIT 1")
        with self._reading():
            return Budget(**from_text(JSON, row[0])) if row else Budget()

    @property
    def stop(self) -> str | None:
        """Why the latest session stopped; None if it is running or was killed."""
        row = self._row("SELECT stop FROM session ORDER BY number DESC LIMIT 1")
        return row[0] if row else None

    @property
    def environment(self) -> dict[str, str]:
        """Versions of the environment of the latest session."""
        row = self._row("SELECT environment FROM session ORDER BY number DESC LIMIT 1")
        with self._reading():
            return from_text(WORDS, row[0]) if row else {}

    @property
    def owner(self) -> int | None:
        """Process id of the search that is running in this directory, if any."""
        return owner_of(self.directory)

    @property
    def in_training(self) -> tuple[NetworkInTraining, ...]:
        """Networks in training and their progress, at most two seconds old; empty for a run without a live owner."""
        return () if self.owner is None else read_in_training(self.directory)

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of search up to the last commit, all sessions together."""
        return float(self._value("SELECT total(seconds) FROM session"))

    @property
    def generations(self) -> int:
        """Number of completed generations."""
        return int(self._value("SELECT generations FROM state"))

    @property
    def state(self) -> dict[str, Any]:
        """The strategy's state after the last completed generation."""
        with self._reading():
            return dict(from_text(JSON, self._value("SELECT value FROM state"))["strategy"])

    @property
    def evaluator_state(self) -> Any:
        """The evaluator's state after the last completed generation; None at the beginning."""
        with self._reading():
            return from_text(JSON, self._value("SELECT value FROM state"))["evaluator"]

    @property
    def events_in_state(self) -> int:
        """Number of events that the strategy's state of an asynchronous run includes."""
        with self._reading():
            return int(from_text(JSON, self._value("SELECT value FROM state")).get("events", 0))

    @property
    def counts(self) -> Counts:
        """Counts of evaluations; cached by a store, since counting reads every row."""
        return self._counted or count_evaluations(self._connection)

    @property
    def evaluated(self) -> int:
        """Number of networks trained, including failed ones; those over a limit are not trained."""
        return self.counts.trained

    @property
    def failed(self) -> int:
        """Number of trained networks without a score."""
        return self.counts.failed

    @property
    def infeasible(self) -> int:
        """Number of networks over a limit."""
        return self.counts.infeasible

    @property
    def idle(self) -> Idle:
        """Counts since a network was last trained."""
        return idle_since(self._connection)

    # Evaluations.

    def evaluation(self, candidate: Candidate) -> tuple[int, Evaluation] | None:
        """The evaluation with the candidate's key and the generation in which it was trained; None if there is none."""
        row = self._row(f"SELECT generation, status, result, train_seconds FROM evaluation {_OF_KEY}", candidate.key)
        with self._reading():
            return None if row is None else (row[0], evaluation_from_row(*row[1:]))

    def kept(self, origin: Origin) -> tuple[dict[str, Any], tuple[Snapshot, ...]] | None:
        """The genome (as JSON values) trained at the origin and the final state of its training; None if not kept.

        Raises:
            InputError: the file is missing or was changed.
        """
        row = self._row(
            "SELECT c.genome, e.snapshots FROM evaluation e JOIN candidate c "
            "ON c.generation = e.generation AND c.position = e.position WHERE e.generation = ? AND e.position = ?",
            origin.place,
        )
        if row is None or row[1] is None:
            return None
        with self._reading():
            return from_text(JSON, row[0]), snapshots_from_arrays(self._weights.get(row[1]))

    def epochs_behind(self, record: Record) -> int:
        """Epochs that led to the record's weights, including those of training from which they were inherited.

        At most its horizon, since training from scratch has no learning rates beyond that.
        """
        total, at = record.evaluation.best_epoch, record
        while at.origin is not None and total < record.horizon:
            inherited = at.origin.kind == "inherit"
            (at,) = self._records(RECORDS + " WHERE e.generation = ? AND e.position = ?", at.origin.place)
            # The epochs of the continuing training run include those of the one that it continued.
            total += at.evaluation.best_epoch if inherited else 0
        return min(total, record.horizon)

    def records(self) -> Iterator[Record]:
        """Every evaluation, in the order of the candidates."""
        return self._records(RECORDS + " ORDER BY e.generation, e.position")

    def trainings(self) -> list[TrainingSpan]:
        """When and where networks were trained; empty for runs of earlier formats."""
        with self._reading():
            return list(read_training_spans(self._connection))

    def retraining_spans(self) -> list[RetrainingSpan]:
        """When finalists were retrained; empty if that was not recorded."""
        with self._reading():
            return list(read_retraining_spans(self._connection))

    def best(self, count: int = 1) -> list[Record]:
        """The best `count` networks, best first, each with its best evaluation; of equal ones, the older is first.

        Failed networks are excluded.
        """
        query = RECORDS + " WHERE e.generation = ? AND e.position = ?"
        return [record for _, *place, _ in self.best_places(count) for record in self._records(query, tuple(place))]

    def front(self) -> list[Record]:
        """The Pareto front, best in the first objective first.

        Only the best network if there is one objective.
        """
        objectives = objectives_of(self.objective, self.settings.objectives or (self.objective.name,))
        if len(objectives) == 1:
            return self.best(1)
        ranked = self.best(self.evaluated)
        losses = [tuple(each.loss(record.evaluation.value_of(each.name)) for each in objectives) for record in ranked]
        return [ranked[place] for place in pareto_front(losses)]

    def best_places(self, count: int) -> list[tuple[float, int, int, str]]:
        """(loss, generation, index, digest) of `best`."""
        limit = count
        while True:
            rows = self._connection.execute(_BY_RANK, (limit,)).fetchall()
            networks: dict[str, tuple[float, int, int, str]] = {}
            for row in rows:
                networks.setdefault(row[3], row)
            if len(networks) >= count or len(rows) < limit:
                return list(networks.values())[:count]
            limit *= 2  # networks that were evaluated several times, after more epochs each time

    @property
    def retrainings_wanted(self) -> tuple[int, int]:
        """Finalists and seeds: as last requested if the search has not continued since, else from the settings."""
        asked = self.retrainings.asked
        if asked is not None and asked[0] == self.evaluated:
            return asked[1:]
        return self.settings.finalists, self.settings.finalist_seeds

    @property
    def retrainings_progress(self) -> tuple[int, int] | None:
        """Retraining runs of finalists, done and planned; None before any request, or if the search continued since."""
        asked = self.retrainings.asked
        if asked is None or asked[0] != self.evaluated:
            return None
        gathered = self._gather(*asked[1:])
        done = [each for finalist in gathered for each in finalist.retrainings if each.test is not None]
        return len(done), len(gathered) * asked[2]

    @property
    def finalists(self) -> list[Finalist]:
        """The retrained finalists, best first; empty before that, or if the search continued since."""
        asked, progress = self.retrainings.asked, self.retrainings_progress
        if asked is None or progress is None or progress[0] < progress[1]:
            return []
        return rank_finalists(self._gather(*asked[1:]))

    def _gather(self, top: int, seeds: int) -> list[Finalist]:
        """The `top` networks of the search with their completed retraining runs, in the search's order."""
        settings = self.settings
        return [
            Finalist(
                record, self.retrainings.done(record.digest, settings.seed or 0, seeds, settings.epochs), self.objective
            )
            for record in self.best(top)
        ]

    def ranked(self, rank: int) -> Record:
        """The network of that rank, from 1: finalists first, by mean score, then all others, by score.

        A finalist's record has the scores and weights of its median retraining run.

        Raises:
            InputError: there is no such rank.
        """
        scored = int(self._value("SELECT count(DISTINCT digest) FROM evaluation WHERE loss IS NOT NULL"))
        if not 1 <= rank <= scored:
            fix = f"choose one from 1 to {scored}" if scored else "no network has a score yet, resume the run"
            raise InputError(f"rank must be at least 1 and at most the number of scored networks, not {rank}: {fix}")
        leaders = [finalist.champion for finalist in self.finalists]
        known = {record.digest for record in leaders}
        ranking = leaders + [record for record in self.best(rank) if record.digest not in known]
        return ranking[:rank][-1]

    @property
    def final_model(self) -> FinalModel | None:
        """The networks whose mean is the final model; None if that is the best network itself."""
        return final_model(self)

    def weights(self, record: Record) -> dict[str, NDArray[Any]]:
        """The weights that were scored, by name.

        Raises:
            InputError: they were not kept, or the file is missing or was changed.
        """
        if record.weights is None:
            raise InputError(
                f"weights are kept for the best {self.settings.keep} networks, but this one ({record.digest[:12]}) is "
                "not among them: choose a better rank, retrain it, or run with a larger `keep`"
            )
        return self.weights_named(record.weights)

    def weights_named(self, name: str) -> dict[str, NDArray[Any]]:
        """The weights in the named file. Raises InputError if it is missing or was changed."""
        return self._weights.get(name)

    def summaries(self) -> list[GenerationSummary]:
        """One summary per generation, in order."""
        return generation_summaries(self._connection, ahead=bool(self.settings.asynchronous))

    def digest(self) -> str:
        """SHA-256 of everything that a repetition of the run must reproduce: all except wall-clock times and
        sessions.
        """
        return run_digest(self._connection, asynchronous=bool(self.events.count))

    def _records(self, query: str, values: tuple[Any, ...] = ()) -> Iterator[Record]:
        objective = self.objective
        for row in self._connection.execute(query, values):
            with self._reading():
                record = record_from_row(row, objective)
            yield record

    def _row(self, query: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
        return row

    def _value(self, query: str) -> Any:
        row = self._row(query)
        if row is None:
            raise InputError(
                f"{self.directory} must hold a complete run, but a part of it is missing: restore it from a copy"
            )
        return row[0]

    # Closing.

    def close(self) -> None:
        """Closes the database. Idempotent."""
        self._connection.close()
