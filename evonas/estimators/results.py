"""`results_of`: the networks of a run in the form of scikit-learn's `cv_results_`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.objective import Objective
from evonas.runs.records import Record

__all__ = ["mask_columns", "ranks", "results_of"]


def results_of(records: Sequence[Record], space: Any, objective: Objective) -> dict[str, Any]:
    """Columns by name, with one row per network in the order in which they were tried.

    Args:
        records: evaluations of a run.
        space: space of their genomes.
        objective: objective that ranks the networks. Scores are negated if necessary so that greater is better, and NaN
            for failed networks.
    """
    params = [space.values(space.genome_from_json(record.genome)) for record in records]
    scores = np.array([np.nan if record.loss is None else -record.loss for record in records])
    return {
        "mean_fit_time": np.array([record.evaluation.train_seconds for record in records]),
        "params": params,
        **mask_columns(params),
        "mean_test_score": scores,
        "rank_test_score": ranks(scores),
        "status": np.array([record.evaluation.status.value for record in records]),
        "parameters": np.array([record.evaluation.parameters for record in records]),
    }


def mask_columns(params: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A masked array "param_NAME" for each parameter, masked where the parameter is absent."""
    columns: dict[str, Any] = {}
    for row, given in enumerate(params):
        for name, value in given.items():
            empty = np.ma.array(np.empty(len(params), object), mask=True)
            columns.setdefault(f"param_{name}", empty)[row] = value
    return columns


def ranks(scores: NDArray[Any]) -> NDArray[np.int32]:
    """Ranks from 1 (best); ties share the better rank; NaN is last."""
    ordered = np.where(np.isnan(scores), -np.inf, scores)
    return np.array([1 + int((ordered > value).sum()) for value in ordered], np.int32)
