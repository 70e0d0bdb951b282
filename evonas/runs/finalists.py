"""The finals of a run: its best networks, retrained from scratch with other seeds, and the results.

A search picks the best of many scores, which is partly luck: retraining measures by how much. Only this module reads
and writes the tables `finals` (the request, and the number of evaluations at that time) and `retraining`.
"""

from __future__ import annotations

import math
import sqlite3
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from pydantic import TypeAdapter

from evonas.evaluation import Candidate, Evaluation, Status
from evonas.objective import Objective
from evonas.runs.checksums import insert, update
from evonas.runs.records import Record, evaluation_from_row, from_text, result_to_json
from evonas.runs.spans import add_retraining_spans, drop_retraining_spans
from evonas.runs.weights import WeightFiles
from evonas.seeds import candidate_seed
from genomes.codec import canonical_json

__all__ = [
    "Finalist",
    "Retraining",
    "Retrainings",
    "RetrainingsWriter",
    "all_rows_members",
    "ensemble_members",
    "is_near",
    "near_the_best",
    "rank_finalists",
    "record_of_retraining",
    "retraining_seeds",
]


Commit = Callable[..., None]

#: Maximum difference of a finalist from the best one, as a share of its loss, for being a member of the final model.
_NEAR = 0.05

_SCORES = TypeAdapter(dict[str, float])


@dataclass(frozen=True)
class Retraining:
    """A finalist's network, trained from scratch with another seed.

    Attributes:
        digest, seed, epochs: the network, the seed and the number of epochs.
        evaluation: the result, without weights. STOPPED if the time ended first; a session with more time repeats it.
        test: scores of these weights on the test split; empty without one, None if not computed yet.
        weights: name of the weights file; None if it failed.
    """

    digest: str
    seed: int
    epochs: int
    evaluation: Evaluation
    test: Mapping[str, float] | None = None
    weights: str | None = None


@dataclass(frozen=True)
class Finalist:
    """One of the best networks of a search, and its retraining runs.

    Attributes:
        record: the evaluation that made it a finalist.
        retrainings: shape `(num_seeds,)`; includes those for which there was no time.
        objective: the objective.
    """

    record: Record
    retrainings: tuple[Retraining, ...]
    objective: Objective

    @property
    def search_score(self) -> float:
        """Its score in the search."""
        return self.record.evaluation.scores[self.objective.name]

    @property
    def scores(self) -> tuple[float, ...]:
        """Scores of the successful retraining runs."""
        return tuple(each.evaluation.scores[self.objective.name] for each in self._scored)

    @property
    def failed(self) -> int:
        """Number of retraining runs without a score."""
        return len(self.retrainings) - len(self._scored) - self.stopped

    @property
    def stopped(self) -> int:
        """Number of retraining runs for which there was no time."""
        return sum(each.evaluation.status is Status.STOPPED for each in self.retrainings)

    @property
    def mean(self) -> float | None:
        """Mean of `scores`; None if all failed."""
        return _mean(self.scores)

    @property
    def spread(self) -> float | None:
        """Standard deviation of `scores` between seeds; None for fewer than two scores."""
        return _spread(self.scores)

    @property
    def gap(self) -> float | None:
        """By how much retraining is worse than the search's score, in units of the score: the winner's curse."""
        mean = self.mean
        return None if mean is None else self.objective.loss(mean) - self.objective.loss(self.search_score)

    @property
    def test_scores(self) -> tuple[float, ...]:
        """Scores of the retraining runs on the test split, if there is one."""
        name = self.objective.name
        return tuple(each.test[name] for each in self._scored if each.test is not None and name in each.test)

    @property
    def test_mean(self) -> float | None:
        """Mean of `test_scores`."""
        return _mean(self.test_scores)

    @property
    def test_spread(self) -> float | None:
        """Standard deviation of `test_scores`."""
        return _spread(self.test_scores)

    @property
    def loss(self) -> tuple[int, float, float]:
        """Sort key of finalists, lowest first: failures, mean loss, the search's loss."""
        mean = self.objective.loss(self.mean)
        return self.failed, mean, self.objective.loss(self.search_score)

    @property
    def champion(self) -> Record:
        """The record with the evaluation, seed and weights of the median retraining run instead of the search's.

        Not the best retraining run, which would be lucky again. Unchanged if none has a score.
        """
        ranked = sorted(self._scored, key=lambda each: self.objective.loss(each.evaluation.scores[self.objective.name]))
        if not ranked:
            return self.record
        chosen = ranked[(len(ranked) - 1) // 2]
        loss = self.objective.loss(chosen.evaluation.scores[self.objective.name])
        return replace(record_of_retraining(self.record, chosen), loss=loss)

    @property
    def best_epoch(self) -> int:
        """The median best epoch of the successful retraining runs; the search's if there are none."""
        epochs = sorted(each.evaluation.best_epoch for each in self._scored)
        return max(1, epochs[(len(epochs) - 1) // 2] if epochs else self.record.evaluation.best_epoch)

    @property
    def members(self) -> tuple[Record, ...]:
        """A record for each retraining run with weights, with its evaluation, seed and weights."""
        return tuple(record_of_retraining(self.record, each) for each in self._scored if each.weights)

    @property
    def _scored(self) -> list[Retraining]:
        return [each for each in self.retrainings if each.evaluation.status is Status.OK]


class Retrainings:
    """Reads the finals from the database of a run."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def asked(self) -> tuple[int, int, int] | None:
        """(evaluations of the run at that time, networks, seeds) of the latest request; None before any."""
        row: tuple[int, int, int] | None = self._connection.execute(
            "SELECT evaluated, top, seeds FROM finals"
        ).fetchone()
        return row

    def retraining(self, digest: str, seed: int, epochs: int) -> Retraining | None:
        """The retraining run; None before it is done."""
        row = self._connection.execute(
            "SELECT status, result, train_seconds, test, weights FROM retraining "
            "WHERE digest = ? AND seed = ? AND epochs = ?",
            (digest, seed, epochs),
        ).fetchone()
        if row is None:
            return None
        test = None if row[3] is None else from_text(_SCORES, row[3])
        return Retraining(digest, seed, epochs, evaluation_from_row(*row[:3]), test, row[4])

    @property
    def stopped(self) -> int:
        """Number of re-trainings for which there was no time."""
        query = "SELECT count(*) FROM retraining WHERE status = ?"
        return int(self._connection.execute(query, (Status.STOPPED.value,)).fetchone()[0])

    def named_weights(self) -> set[str]:
        """Names of the weights files of retraining runs."""
        rows = self._connection.execute("SELECT weights FROM retraining WHERE weights IS NOT NULL")
        return {name for (name,) in rows}

    def trained(self, digest: str) -> tuple[Retraining, ...]:
        """All retraining runs of a network with weights, ordered by seed, including those for an ensemble."""
        query = "SELECT seed, epochs FROM retraining WHERE digest = ? AND weights IS NOT NULL ORDER BY seed, epochs"
        found = (self.retraining(digest, *row) for row in self._connection.execute(query, (digest,)).fetchall())
        return tuple(each for each in found if each is not None)

    def done(self, digest: str, run_seed: int, count: int, epochs: int) -> tuple[Retraining, ...]:
        """The completed ones of a network's first `count` retraining runs."""
        found = (self.retraining(digest, seed, epochs) for seed in retraining_seeds(run_seed, digest, count))
        return tuple(each for each in found if each is not None)


class RetrainingsWriter(Retrainings):
    """Also writes them; for the run's single writer. Each method is a commit."""

    def __init__(
        self, connection: sqlite3.Connection, weights: WeightFiles, objective: Objective, commit: Commit
    ) -> None:
        """`commit(rows, before=files)` calls both, the second in a transaction."""
        super().__init__(connection)
        self._weights, self._objective, self._commit = weights, objective, commit

    def ask(self, evaluated: int, top: int, seeds: int) -> None:
        """Records a request, replacing the previous one; deletes retraining runs if the search has continued since.

        They were trained together with other networks, while an extended run must end with the same bits as one that
        never stopped. Runs for which there was no time are repeated.
        """
        stale = self.named_weights() if self.asked is not None and self.asked[0] != evaluated else set()

        def note() -> None:
            if self.asked is not None and self.asked[0] != evaluated:
                self._connection.execute("DELETE FROM retraining")
            self._connection.execute("DELETE FROM retraining WHERE status = ?", (Status.STOPPED.value,))
            drop_retraining_spans(self._connection)
            self._connection.execute("DELETE FROM finals")
            insert(self._connection, "finals", [(evaluated, top, seeds)])

        self._commit(note)
        self._weights.remove(stale - self._named_by_evaluations())

    def commit(
        self, part: Sequence[tuple[Candidate, Evaluation]], began: float = 0.0, seconds: float | None = None
    ) -> None:
        """Commits retraining runs with their weights; those for which there was no time are committed as STOPPED.

        Args:
            part: candidates and their evaluations.
            began: seconds of the search at the beginning of this session.
            seconds: seconds of this session so far; if None, the times of training are not recorded.
        """
        scored = [(candidate, self._judge(evaluation)) for candidate, evaluation in part]
        names: list[str | None] = []

        def put() -> None:
            names[:] = [self._weights.put(e.weights) if e.weights else None for _, e in scored]

        def add() -> None:
            rows = [
                (
                    *(candidate.digest, candidate.seed, candidate.epochs),
                    *(evaluation.status.value, result_to_json(evaluation)),
                    "{}" if evaluation.status is Status.STOPPED else None,  # no weights to test
                    *(float(evaluation.train_seconds), name),
                )
                for (candidate, evaluation), name in zip(scored, names, strict=True)
            ]
            insert(self._connection, "retraining", rows)
            if seconds is not None:
                add_retraining_spans(self._connection, part, began, seconds)

        self._commit(add, before=put)

    def commit_test(self, retraining: Retraining, scores: Mapping[str, float]) -> None:
        """Commits the test scores of a retraining run's weights."""
        key = {"digest": retraining.digest, "seed": retraining.seed, "epochs": retraining.epochs}
        changes = {"test": canonical_json(dict(scores))}
        self._commit(lambda: update(self._connection, "retraining", key, changes))

    def _judge(self, evaluation: Evaluation) -> Evaluation:
        """The evaluation; marked as failed, without weights, if it has no finite score."""
        name = self._objective.name
        if evaluation.status is Status.OK and math.isinf(self._objective.loss(evaluation.scores.get(name))):
            evaluation = replace(evaluation, status=Status.FAILED, reason=f"no score {name}")
        return evaluation if evaluation.status is Status.OK else replace(evaluation, weights=None)

    def _named_by_evaluations(self) -> set[str]:
        rows = self._connection.execute("SELECT weights FROM evaluation WHERE weights IS NOT NULL")
        return {name for (name,) in rows}


def rank_finalists(finalists: Iterable[Finalist]) -> list[Finalist]:
    """Finalists, best first. If the time was too short, only those before the first that was never retrained.

    Later ones could lead without having been compared with it.

    Args:
        finalists: finalists in the search's order.
    """
    retrained = takewhile(lambda each: each.stopped < len(each.retrainings), finalists)
    return sorted(retrained, key=lambda each: each.loss)


def record_of_retraining(record: Record, retraining: Retraining) -> Record:
    """The record of a network with a retraining run's results, but the search's loss."""
    return replace(
        record,
        seed=retraining.seed,
        epochs=retraining.epochs,
        horizon=retraining.epochs,
        origin=None,
        evaluation=retraining.evaluation,
        weights=retraining.weights,
    )


def is_near(loss: float | None, best: float | None) -> bool:
    """Whether a loss exceeds the best one by at most a twentieth, so that its network may join a mean."""
    return loss is not None and best is not None and loss <= best + _NEAR * abs(best)


def near_the_best(finalists: Sequence[Finalist]) -> list[Finalist]:
    """Finalists that never failed and whose mean loss exceeds that of the first by at most a twentieth."""
    if not finalists:
        return []
    failed, best, _ = finalists[0].loss
    near = [each for each in finalists if not each.failed and is_near(each.loss[1], best)]
    return near if not failed and math.isfinite(best) else [finalists[0]]


def all_rows_members(
    finalists: Sequence[Finalist], run_seed: int, seeds: int, count: int
) -> list[tuple[Finalist, int]]:
    """Finalist and seed of each network trained on training and validation rows together.

    The finalists take turns, the best first, so that the first networks are different. Finalists that are far behind
    the best are left out, since they would make the mean worse.

    Args:
        finalists: finalists, best first.
        run_seed: seed of the run.
        seeds: number of retraining runs of each finalist, whose seeds come first.
        count: number of networks.
    """
    finalists = near_the_best(finalists)
    rounds = -(-count // max(len(finalists), 1))
    numbers = [retraining_seeds(run_seed, each.record.digest, seeds + rounds)[seeds:] for each in finalists]
    turns = [(each, numbers[index][turn]) for turn in range(rounds) for index, each in enumerate(finalists)]
    return turns[:count]


def retraining_seeds(run_seed: int, digest: str, count: int) -> list[int]:
    """Seeds of a network's retraining runs; none equals the seed used by the search."""
    return [candidate_seed(run_seed, digest, replicate) for replicate in range(1, count + 1)]


def ensemble_members(
    run_seed: int, digest: str, retrainings: int, count: int, folds: int | None
) -> list[tuple[int, int | None]]:
    """Seed and fold of each network trained for an ensemble after the finalists.

    Under cross-validation, each is trained on one fold, cycling through the folds, so that together they see every row:
    bagging over folds (Parmanto, Munro and Doyle, "Improving committee diagnosis with resampling techniques", 1996).

    Args:
        run_seed: seed of the run.
        digest: the network's digest.
        retrainings: number of retraining runs of each finalist, whose seeds come first.
        count: number of networks in the ensemble.
        folds: number of folds; None for a single split.

    Returns:
        shape `(count,)`; the fold is None with a single split.

    Example:
        >>> [fold for _, fold in ensemble_members(0, "a" * 64, 3, 4, folds=3)]
        [0, 1, 2, 0]
    """
    seeds = retraining_seeds(run_seed, digest, retrainings + count)[retrainings:]
    return [(seed, None if folds is None else index % folds) for index, seed in enumerate(seeds)]


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _spread(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
