"""Conversion of evaluations to and from rows, JSON and `Record`s."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from evonas.evaluation import Candidate, Evaluation, Origin, Reduction, Status, beginning_from_text
from evonas.objective import Objective
from evonas.runs.checksums import seal
from genomes.codec import canonical_json, check_weight
from genomes.errors import InputError
from genomes.space import SearchSpace

if TYPE_CHECKING:
    from evonas.runs.reader import RunReader

__all__ = ["JSON", "PARENTS", "WORDS", "Record", "candidate_to_row", "check_repetition", "evaluation_from_row"]
__all__ += ["RECORDS", "from_text", "record_from_row", "result_to_json", "trained_at"]

T = TypeVar("T")

_Count = Annotated[int, Field(ge=0, lt=1 << 63, strict=True)]
_Curve = Annotated[list[float | None], Field(max_length=1_000_000)]


class _Result(TypedDict):
    """The content written by `result_to_json`."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    scores: Annotated[dict[str, float | None], Field(max_length=100)]
    reason: Annotated[str, Field(max_length=100_000)]
    best_epoch: _Count
    epochs: _Count
    curve: _Curve
    train_curve: _Curve
    parameters: _Count
    notes: NotRequired[dict[str, Any]]


_RESULT = TypeAdapter(_Result)
#: Other JSON values in rows: any object, names of parents, and mappings of names to text.
JSON = TypeAdapter(dict[str, Any])
PARENTS = TypeAdapter(tuple[str, ...])
WORDS = TypeAdapter(dict[str, str])


_TRAINED = """
SELECT e.generation, e.position FROM candidate c JOIN evaluation e ON e.digest = c.digest
AND e.seed = c.seed AND e.epochs = c.epochs AND e.horizon = c.horizon AND e.origin = c.origin
WHERE c.generation = ? AND c.position = ?
"""
#: Selects the columns of `record_from_row`.
RECORDS = """
SELECT e.generation, e.position, e.digest, e.seed, e.epochs, c.genome, c.parents, c.operator, e.status, e.result,
       e.train_seconds, e.loss, e.weights, e.horizon, e.origin
FROM evaluation e JOIN candidate c ON c.generation = e.generation AND c.position = e.position
"""


@dataclass(frozen=True)
class Record:
    """One evaluated candidate, as committed.

    Attributes:
        genome: JSON values, which `SearchSpace.genome_from_json` converts to a genome.
        loss: the objective's score as a number to minimise; None if there is none, or only one on reduced data.
        weights: name of the weights file; None if they are not kept.
        Others as in `Candidate` and `Evaluation`; `epochs` is the budget, `evaluation.epochs` the number trained. An
            origin is the candidate that was trained, also for a candidate that was asked for again.
    """

    generation: int
    index: int
    digest: str
    seed: int
    epochs: int
    genome: Mapping[str, Any]
    parents: tuple[str, ...]
    operator: str
    evaluation: Evaluation
    loss: float | None
    weights: str | None
    horizon: int
    origin: Origin | None
    reduction: Reduction | None = None

    @property
    def has_failed(self) -> bool:
        """Whether it was trained but has no score; networks scored on reduced data have one, but no loss."""
        trained = self.evaluation.status is Status.OK and self.reduction is not None
        return self.loss is None and self.evaluation.status is not Status.INFEASIBLE and not trained

    def candidate(self, genome: Any) -> Candidate:
        """The evaluated candidate; `genome` is this record's genome as a value of its space."""
        return Candidate(
            genome,
            self.digest,
            self.seed,
            self.epochs,
            self.generation,
            self.index,
            self.parents,
            self.operator,
            self.horizon if self.horizon != self.epochs else None,
            self.origin,
            reduction=self.reduction,
        )


def result_to_json(evaluation: Evaluation) -> str:
    """The reproducible part of an evaluation as JSON text; NaN and infinities become null."""
    return canonical_json(
        {
            "scores": {name: _finite(score) for name, score in evaluation.scores.items()},
            "reason": evaluation.reason,
            "best_epoch": int(evaluation.best_epoch),
            "epochs": int(evaluation.epochs),
            "curve": _all_finite(evaluation.curve),
            "train_curve": _all_finite(evaluation.train_curve),
            "parameters": int(evaluation.parameters),
            **({"notes": dict(evaluation.notes)} if evaluation.notes else {}),
        }
    )


def from_text(kind: TypeAdapter[T], text: str) -> T:
    """Parses JSON text of the given type.

    Raises:
        ValueError: the text is not of this type.
    """
    check_weight(text, "a value")
    try:
        return kind.validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(map(str, problem["loc"]))
        raise ValueError(f"{place or 'a value'}: {problem['msg']}, not {str(problem['input'])[:60]!r}") from None


def evaluation_from_row(status: str, result: str, train_seconds: float) -> Evaluation:
    """The evaluation of a row, without weights; null becomes NaN.

    Raises:
        ValueError: the row was not written by `result_to_json`.
    """
    values = from_text(_RESULT, result)
    return Evaluation(
        status=Status(status),
        scores={name: _number(score) for name, score in values["scores"].items()},
        reason=values["reason"],
        best_epoch=values["best_epoch"],
        epochs=values["epochs"],
        curve=tuple(_number(value) for value in values["curve"]),
        train_curve=tuple(_number(value) for value in values["train_curve"]),
        train_seconds=_seconds(train_seconds),
        parameters=values["parameters"],
        notes=values.get("notes", {}),
    )


def record_from_row(row: Sequence[Any], objective: Objective) -> Record:
    """The record of a row of `RECORDS`.

    Raises:
        ValueError: the row was not written by evonas.
    """
    genome: Any = from_text(JSON, row[5])
    origin, reduction = beginning_from_text(row[14])
    record = Record(
        generation=row[0],
        index=row[1],
        digest=row[2],
        seed=row[3],
        epochs=row[4],
        genome=genome,
        parents=from_text(PARENTS, row[6]),
        operator=row[7],
        evaluation=evaluation_from_row(*row[8:11]),
        loss=row[11],
        weights=row[12],
        horizon=row[13],
        origin=origin,
        reduction=reduction,
    )
    score = record.evaluation.scores.get(objective.name)
    if record.loss is not None and objective.loss(score) != record.loss:
        raise ValueError(f"a network with {objective.name} {score} has a loss of {record.loss}")
    return record


def _seconds(value: Any) -> float:
    if type(value) is not float or not 0.0 <= value < math.inf:
        raise ValueError(f"train_seconds: must be a time, not {value!r:.60}")
    return value


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _all_finite(values: Iterable[float]) -> list[float | None]:
    return [_finite(value) for value in values]


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def candidate_to_row(candidate: Candidate, space: SearchSpace) -> tuple[Any, ...]:
    """A candidate as a row of the table, without the checksum."""
    return (
        candidate.generation,
        candidate.index,
        candidate.digest,
        candidate.seed,
        *candidate.key[2:],
        canonical_json(space.genome_to_json(candidate.genome)),
        canonical_json(list(candidate.parents)),
        candidate.operator,
    )


def check_repetition(run: RunReader, there: Sequence[tuple[Any, ...]], rows: Sequence[tuple[Any, ...]]) -> None:
    """Raises InputError if rows of candidates differ from the run's, which have checksums."""
    if list(there) != [seal(row) for row in rows]:
        raise InputError(
            f"generation {rows[0][0]} of {run.directory} must be the same as before the run stopped, but the strategy "
            "now asks for other networks: resume with the versions used before "
            f"({', '.join(' '.join(item) for item in run.environment.items())})"
        )


def trained_at(connection: sqlite3.Connection, place: tuple[int, int]) -> tuple[int, int]:
    """(generation, position) of the candidate that was trained: an earlier one, if it had been asked for before.

    Raises:
        RuntimeError: no candidate was evaluated there.
    """
    row: tuple[int, int] | None = connection.execute(_TRAINED, place).fetchone()
    if row is None:
        raise RuntimeError(
            f"an origin must be a candidate that was evaluated, not number {place[1]} of generation {place[0]}"
        )
    return row
