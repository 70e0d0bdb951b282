"""Decides whether the final model of a run is its best network or the mean of several trainings of the finalists."""

from __future__ import annotations

from typing import Any

from evonas.config import Settings
from evonas.data.prepared import PreparedData
from evonas.deploy.final_model import has_rows_to_choose
from evonas.runs.reader import RunReader
from genomes.errors import InputError

__all__ = ["chooses_members", "members_after_finalists", "with_final_model"]

#: Default number of networks in a mean: more gained little, see benchmarks/results/LOG.md.
_USUAL = 8
#: Maximum number of training and validation rows for which the members train on both by default.
_MOST_ROWS = 10_000


def with_final_model(
    settings: Settings, data: PreparedData, space: Any, *, usually: bool, validation_given: bool
) -> Settings:
    """Returns the settings with `average` and `all_rows` resolved.

    Args:
        settings: otherwise resolved.
        data: of the run.
        space: the search space.
        usually: whether the final model is a mean by default.
        validation_given: whether the user gave the validation rows; they are then trained on only if requested.

    Raises:
        InputError: a mean was requested but is not available for this run.
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
    """Number of networks trained after the finalists."""
    return (settings.average or 0) if settings.all_rows else (settings.ensemble or 0)


def chooses_members(run: RunReader) -> bool:
    """Whether the members of the mean are chosen on the validation rows at the end of the run."""
    if not run.settings.average or run.settings.all_rows:
        return False
    return has_rows_to_choose(run.data())


def _reason_against(settings: Settings, data: PreparedData, space: Any) -> str:
    """Returns why the final model cannot be a mean; empty if it can."""
    if not hasattr(space, "architecture") or data.problem.sample_shape or data.problem.input_shapes:
        return "must be used with a table, not with samples or your own models"
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
