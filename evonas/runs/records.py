"""Rows as values: what one evaluation is in the store, in JSON, and for a reader."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from evonas.evaluation import Candidate, Evaluation, Origin, Status
from genomes.codec import canonical_json

__all__ = ["Record", "evaluation_from_row", "result_to_json"]


@dataclass(frozen=True)
class Record:
    """One evaluated candidate, as committed.

    Attributes:
        genome: as JSON values; `SearchSpace.genome_from_json` makes it a genome.
        loss: the objective's score as a number to minimise; None when there is none.
        weights: name of the weights file, None when they are not kept.
        Others as in `Candidate` and `Evaluation`; `epochs` is the budget, `evaluation.epochs` what was trained. An
            origin is the place where that training was done, also of a candidate that was asked for again.
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

    def candidate(self, genome: Any) -> Candidate:
        """The candidate that was evaluated; `genome` is this record's genome as a value of its space."""
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
        )


def result_to_json(evaluation: Evaluation) -> str:
    """What is the same on every repetition of an evaluation, as JSON text; NaN and infinities become null."""
    return canonical_json(
        {
            "scores": {name: _finite(score) for name, score in evaluation.scores.items()},
            "reason": evaluation.reason,
            "best_epoch": int(evaluation.best_epoch),
            "epochs": int(evaluation.epochs),
            "curve": _all_finite(evaluation.curve),
            "train_curve": _all_finite(evaluation.train_curve),
            "parameters": int(evaluation.parameters),
        }
    )


def evaluation_from_row(status: str, result: str, train_seconds: float) -> Evaluation:
    """The evaluation back, without weights; null becomes NaN."""
    values = json.loads(result)
    return Evaluation(
        status=Status(status),
        scores={name: _number(score) for name, score in values["scores"].items()},
        reason=values["reason"],
        best_epoch=values["best_epoch"],
        epochs=values["epochs"],
        curve=tuple(_number(value) for value in values["curve"]),
        train_curve=tuple(_number(value) for value in values["train_curve"]),
        train_seconds=train_seconds,
        parameters=values["parameters"],
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _all_finite(values: Iterable[float]) -> list[float | None]:
    return [_finite(value) for value in values]


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
