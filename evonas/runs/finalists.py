"""The finals of a run: its best networks, trained again from scratch from other seeds, and what came of it.

A search picks the best of many scores, and the best of many is partly luck: re-training shows by how much. The tables
`finals` (what was asked for, and after how many evaluations) and `retraining` are read and written here only.
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
    "near_the_best",
    "rank_finalists",
    "record_of_retraining",
    "retraining_seeds",
]


Commit = Callable[..., None]

#: What a finalist may be behind the best one, as a share of its loss, to be a member of the final model.
_NEAR = 0.05

_SCORES = TypeAdapter(dict[str, float])


@dataclass(frozen=True)
class Retraining:
    """A finalist's network, trained from scratch from another seed.

    Attributes:
        digest, seed, epochs: what was trained, and from where.
        evaluation: what came of it, without weights. STOPPED where the time was over before it was done: a session with
            more time does it then.
        test: scores of these weights on the test split; empty without one, None while it is to be done.
        weights: name of the weights file; None when it failed.
    """

    digest: str
    seed: int
    epochs: int
    evaluation: Evaluation
    test: Mapping[str, float] | None = None
    weights: str | None = None


@dataclass(frozen=True)
class Finalist:
    """One of the best networks of a search, and its re-trainings.

    Attributes:
        record: the evaluation that made it one.
        retrainings: shape `(num_seeds,)`; those that the time was too short for are among them.
        objective: what is optimised.
    """

    record: Record
    retrainings: tuple[Retraining, ...]
    objective: Objective

    @property
    def search_score(self) -> float:
        """The score with which the search found it."""
        return self.record.evaluation.scores[self.objective.name]

    @property
    def scores(self) -> tuple[float, ...]:
        """Scores of the re-trainings that have one."""
        return tuple(each.evaluation.scores[self.objective.name] for each in self._scored)

    @property
    def failed(self) -> int:
        """Re-trainings without a score."""
        return len(self.retrainings) - len(self._scored) - self.stopped

    @property
    def stopped(self) -> int:
        """Re-trainings that the time was too short for."""
        return sum(each.evaluation.status is Status.STOPPED for each in self.retrainings)

    @property
    def mean(self) -> float | None:
        """Mean of `scores`; None when all failed."""
        return _mean(self.scores)

    @property
    def spread(self) -> float | None:
        """Standard deviation of `scores` between seeds; None of fewer than two."""
        return _spread(self.scores)

    @property
    def gap(self) -> float | None:
        """By how much re-training is worse than the search's score, in units of the score: the winner's curse."""
        mean = self.mean
        return None if mean is None else self.objective.loss(mean) - self.objective.loss(self.search_score)

    @property
    def test_scores(self) -> tuple[float, ...]:
        """Scores of the re-trainings on the test split, if there is one."""
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
        """What finalists rank by, lowest first: failures, mean loss, the search's own loss."""
        mean = self.objective.loss(self.mean)
        return self.failed, mean, self.objective.loss(self.search_score)

    @property
    def champion(self) -> Record:
        """The record with the median re-training in place of the search's: its evaluation, seed and weights.

        Not the best re-training, which would be lucky again. As it was when none has a score.
        """
        ranked = sorted(self._scored, key=lambda each: self.objective.loss(each.evaluation.scores[self.objective.name]))
        if not ranked:
            return self.record
        chosen = ranked[(len(ranked) - 1) // 2]
        loss = self.objective.loss(chosen.evaluation.scores[self.objective.name])
        return replace(record_of_retraining(self.record, chosen), loss=loss)

    @property
    def best_epoch(self) -> int:
        """The median best epoch of the re-trainings that have a score; the search's where none has."""
        epochs = sorted(each.evaluation.best_epoch for each in self._scored)
        return max(1, epochs[(len(epochs) - 1) // 2] if epochs else self.record.evaluation.best_epoch)

    @property
    def members(self) -> tuple[Record, ...]:
        """A record for each re-training that has weights, with its evaluation, seed and weights."""
        return tuple(record_of_retraining(self.record, each) for each in self._scored if each.weights)

    @property
    def _scored(self) -> list[Retraining]:
        return [each for each in self.retrainings if each.evaluation.status is Status.OK]


class Retrainings:
    """The finals in the database of a run, to be read."""

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
        """That re-training, None before it is done."""
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
        """Re-trainings that the time was too short for."""
        query = "SELECT count(*) FROM retraining WHERE status = ?"
        return int(self._connection.execute(query, (Status.STOPPED.value,)).fetchone()[0])

    def named_weights(self) -> set[str]:
        """Names of the weights files of re-trainings."""
        rows = self._connection.execute("SELECT weights FROM retraining WHERE weights IS NOT NULL")
        return {name for (name,) in rows}

    def trained(self, digest: str) -> tuple[Retraining, ...]:
        """All re-trainings of a network that have weights, in the order of their seeds; also those for an ensemble."""
        query = "SELECT seed, epochs FROM retraining WHERE digest = ? AND weights IS NOT NULL ORDER BY seed, epochs"
        found = (self.retraining(digest, *row) for row in self._connection.execute(query, (digest,)).fetchall())
        return tuple(each for each in found if each is not None)

    def done(self, digest: str, run_seed: int, count: int, epochs: int) -> tuple[Retraining, ...]:
        """Those of a network's first `count` re-trainings that are done."""
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
        """Notes a request in place of the one before. If the search has continued since, its re-trainings go, too.

        They were trained in other company: an extended run must end with the bits of the one that never stopped. What
        the time was too short for is to be done again.
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
        """Commits re-trainings with their weights; and those that the time was too short for, as STOPPED.

        Args:
            part: what was trained.
            began: seconds of the search when this session began.
            seconds: of this session so far; without them it is not noted when the trainings were.
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
                    "{}" if evaluation.status is Status.STOPPED else None,  # there is nothing to test
                    *(float(evaluation.train_seconds), name),
                )
                for (candidate, evaluation), name in zip(scored, names, strict=True)
            ]
            insert(self._connection, "retraining", rows)
            if seconds is not None:
                add_retraining_spans(self._connection, part, began, seconds)

        self._commit(add, before=put)

    def commit_test(self, retraining: Retraining, scores: Mapping[str, float]) -> None:
        """Commits what a re-training's weights score on the test split."""
        key = {"digest": retraining.digest, "seed": retraining.seed, "epochs": retraining.epochs}
        changes = {"test": canonical_json(dict(scores))}
        self._commit(lambda: update(self._connection, "retraining", key, changes))

    def _judge(self, evaluation: Evaluation) -> Evaluation:
        """The evaluation; failed, and without weights, if it has no finite score."""
        name = self._objective.name
        if evaluation.status is Status.OK and math.isinf(self._objective.loss(evaluation.scores.get(name))):
            evaluation = replace(evaluation, status=Status.FAILED, reason=f"no score {name}")
        return evaluation if evaluation.status is Status.OK else replace(evaluation, weights=None)

    def _named_by_evaluations(self) -> set[str]:
        rows = self._connection.execute("SELECT weights FROM evaluation WHERE weights IS NOT NULL")
        return {name for (name,) in rows}


def rank_finalists(finalists: Iterable[Finalist]) -> list[Finalist]:
    """Finalists, best first. Where the time was too short, those up to the first that was never trained again.

    Others would lead without having been compared with it.

    Args:
        finalists: in the search's order.
    """
    retrained = takewhile(lambda each: each.stopped < len(each.retrainings), finalists)
    return sorted(retrained, key=lambda each: each.loss)


def record_of_retraining(record: Record, retraining: Retraining) -> Record:
    """The record of a network with one of its re-trainings in place of the search's; its loss is still the search's."""
    return replace(
        record,
        seed=retraining.seed,
        epochs=retraining.epochs,
        horizon=retraining.epochs,
        origin=None,
        evaluation=retraining.evaluation,
        weights=retraining.weights,
    )


def near_the_best(finalists: Sequence[Finalist]) -> list[Finalist]:
    """Finalists whose mean loss is behind that of the first by at most a twentieth of it, and that never failed."""
    if not finalists:
        return []
    failed, best, _ = finalists[0].loss
    near = [each for each in finalists if not each.failed and each.loss[1] <= best + _NEAR * abs(best)]
    return near if not failed and math.isfinite(best) else [finalists[0]]


def all_rows_members(
    finalists: Sequence[Finalist], run_seed: int, seeds: int, count: int
) -> list[tuple[Finalist, int]]:
    """Finalist and seed of each network that is trained on training and validation rows together.

    The finalists take turns, the best first, so that the first few of them are different networks. Those that are far
    behind the best take none: a mean with them is worse.

    Args:
        finalists: best first.
        run_seed: of the run.
        seeds: re-trainings of each finalist, whose seeds come first.
        count: networks.
    """
    finalists = near_the_best(finalists)
    rounds = -(-count // max(len(finalists), 1))
    numbers = [retraining_seeds(run_seed, each.record.digest, seeds + rounds)[seeds:] for each in finalists]
    turns = [(each, numbers[place][turn]) for turn in range(rounds) for place, each in enumerate(finalists)]
    return turns[:count]


def retraining_seeds(run_seed: int, digest: str, count: int) -> list[int]:
    """Seeds of a network's re-trainings: none is the one that the search trained it from."""
    return [candidate_seed(run_seed, digest, replicate) for replicate in range(1, count + 1)]


def ensemble_members(
    run_seed: int, digest: str, retrainings: int, count: int, folds: int | None
) -> list[tuple[int, int | None]]:
    """Seed and fold of each network that is trained for an ensemble after the finalists.

    Under cross-validation each is trained on one fold, all folds in turn, so that together they have seen every row:
    bagging over folds (Parmanto, Munro and Doyle, "Improving committee diagnosis with resampling techniques", 1996).

    Args:
        run_seed: of the run.
        digest: of the network.
        retrainings: of each finalist, whose seeds come first.
        count: networks of the ensemble.
        folds: of the cross-validation; None for a single split.

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
