"""Whether the final model of a run is its best network, or the mean of several trainings of the finalists."""

from __future__ import annotations

from typing import Any

from evonas.config import Settings
from evonas.data.prepared import PreparedData
from genomes.errors import InputError

__all__ = ["members_after_finalists", "with_final_model"]

#: Networks of a mean that nobody asked for: more of them gained little, see benchmarks/results/LOG.md.
_USUAL = 8
#: Rows for training and validation up to which the validation rows are worth learning from.
_MOST_ROWS = 10_000


def with_final_model(
    settings: Settings, data: PreparedData, space: Any, *, usually: bool, validation_given: bool
) -> Settings:
    """The settings with `average` and `all_rows` as numbers.

    Args:
        settings: resolved.
        data: of the run.
        space: that is searched.
        usually: whether the run is one whose final model is a mean unless the settings say otherwise.
        validation_given: whether the validation rows were given as such; they are then not trained on unless asked.

    Raises:
        InputError: a mean is asked for where there is none.
    """
    reason = _reason_against(settings, data, space)
    asked = settings.average is not None or settings.all_rows
    if reason and (settings.average or settings.all_rows):
        raise InputError(f"average {reason}: leave it out")
    average = settings.average
    if average is None:
        average = _USUAL if settings.all_rows or (usually and not asked and not reason) else 0
    rows = len(data.splits[0].y_train) + len(data.splits[0].y_validation)
    few = rows <= _MOST_ROWS and not validation_given
    all_rows = bool(average) and (few if settings.all_rows is None else settings.all_rows)
    return settings.model_copy(update={"average": average, "all_rows": all_rows})


def members_after_finalists(settings: Settings) -> int:
    """Networks that are trained after the finalists."""
    return (settings.average or 0) if settings.all_rows else (settings.ensemble or 0)


def _reason_against(settings: Settings, data: PreparedData, space: Any) -> str:
    """Why the final model cannot be a mean; empty where it can."""
    if not hasattr(space, "architecture") or data.problem.sample_shape or data.problem.input_shapes:
        return "must be used with a table, not with samples or models of your own"
    if settings.trainer != "native":
        return f"must be used with the native trainer, not {settings.trainer}"
    if not settings.finalists:
        return "must be used with finalists, but finalists is 0"
    limits = ("cv", "ensemble", "objectives", "max_parameters", "max_flops", "max_latency_ms")
    if named := [name for name in limits if getattr(settings, name)]:
        return f"must not be combined with {named[0]}"
    if settings.calibrate or settings.replicates > 1:
        return "must not be combined with calibrate or replicates"
    return ""
