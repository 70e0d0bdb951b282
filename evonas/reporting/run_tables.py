"""The generations, finalists and evaluations of a run as data frames. Imports pandas inside functions only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evonas.runs.reader import RunReader

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["evaluation_table", "finalist_table", "history_table"]


def history_table(run: RunReader) -> pd.DataFrame:
    """One row per generation; see `evonas.SearchResult.history`."""
    import pandas as pd

    name, summaries = run.settings.objective or "score", run.summaries()
    sign = 1 if run.objective.direction == "min" else -1
    frame = pd.DataFrame(
        {
            "generation": [summary.generation for summary in summaries],
            "candidates": [summary.candidates for summary in summaries],
            "evaluations": [summary.evaluations for summary in summaries],
            "failed": [summary.failed for summary in summaries],
            f"best_{name}": [_score(sign, summary.best_loss) for summary in summaries],
            f"median_{name}": [_score(sign, summary.median_loss) for summary in summaries],
            "train_seconds": [summary.train_seconds for summary in summaries],
        }
    )
    best = frame[f"best_{name}"].astype("float64")
    frame[f"best_{name}_so_far"] = (best.cummin() if sign > 0 else best.cummax()).ffill()
    return frame


def finalist_table(run: RunReader) -> pd.DataFrame:
    """One row per finalist, best first; see `evonas.SearchResult.finalists`."""
    import pandas as pd

    name = run.settings.objective or "score"
    rows = [
        {
            f"search_{name}": finalist.search_score,
            f"{name}_mean": _or_nan(finalist.mean),
            f"{name}_std": _or_nan(finalist.spread),
            "gap": _or_nan(finalist.gap),
            f"test_{name}_mean": _or_nan(finalist.test_mean),
            f"test_{name}_std": _or_nan(finalist.test_spread),
            "retrained": len(finalist.retrainings),
            "failed": finalist.failed,
            "parameters": finalist.record.evaluation.parameters,
            "generation": finalist.record.generation,
            "index": finalist.record.index,
            "digest": finalist.record.digest,
        }
        for finalist in run.finalists
    ]
    return pd.DataFrame(rows)


def evaluation_table(run: RunReader) -> pd.DataFrame:
    """One row per evaluation, in the order of the candidates; see `evonas.SearchResult.evaluations`."""
    import pandas as pd

    rows = [
        {
            "generation": record.generation,
            "index": record.index,
            "status": record.evaluation.status.value,
            **record.evaluation.scores,
            "best_epoch": record.evaluation.best_epoch,
            "epochs": record.evaluation.epochs,
            "parameters": record.evaluation.parameters,
            "train_seconds": record.evaluation.train_seconds,
            "operator": record.operator,
            "digest": record.digest,
            "curve": record.evaluation.curve,
            "reason": record.evaluation.reason,
        }
        for record in run.records()
    ]
    return pd.DataFrame(rows)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _score(sign: int, loss: float | None) -> float:
    return float("nan") if loss is None else sign * loss
