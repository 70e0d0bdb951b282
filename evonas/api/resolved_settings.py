"""Settings that follow from the data: objectives, epochs, rungs and precision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evonas.config import Settings
from evonas.devices import has_gpu
from evonas.metrics.named import chosen_metric
from evonas.networks.initial import passes_of_epoch
from evonas.networks.layers import can_be_compiled
from evonas.objective import Objective, default_objective, objectives_named
from evonas.strategies import find_row
from genomes.errors import InputError
from genomes.space import SearchSpace

if TYPE_CHECKING:
    from evonas.data.prepared import Problem

__all__ = [
    "DEFAULT_QUANTILES",
    "SCORES_OF_CLASSES",
    "resolve_objectives",
    "with_epoch_rows",
    "with_precision",
    "with_reduced_rungs",
    "with_rungs",
    "with_usual_epochs",
]

#: Maximum number of training rows, for samples with a shape, that an epoch takes completely; and the share it takes of
#: more.
_ROWS_OF_WHOLE_EPOCHS, _SHARE_OF_ROWS = 8192, 1 / 8
#: Training rows of a table from which epochs have enough steps, and the largest factor on the epochs for fewer rows.
_ROWS_OF_ENOUGH_STEPS, _MOST_TIMES = 16_000, 4
#: Further epochs per further epoch of patience.
_EPOCHS_OF_PATIENCE = 10
#: Rungs of evolution over such samples, and if an epoch is a share of the rows; and the minimum epochs of the first
#: rung.
_RUNGS, _RUNGS_OF_PARTS, _LEAST_RUNG = 2, 3, 3

#: Smallest height and width of images, and number of training rows, with which lower rungs use reduced data by default.
_LEAST_SIDE, _LEAST_ROWS = 16, 1_000

#: Scores of predicted classes rather than of their probabilities.
SCORES_OF_CLASSES = ("accuracy", "f1", "balanced_accuracy", "binary_accuracy", "sparse_categorical_accuracy")


#: Default quantiles: the median and an interval of 80%.
DEFAULT_QUANTILES = (0.1, 0.5, 0.9)


def _with_quantiles(settings: Settings, objective: Objective, own_models: bool, compiled: bool) -> Settings:
    """The settings with the quantiles of the objective "pinball".

    Raises:
        InputError: quantiles without that objective, or with a trainer that does not support them.
    """
    if objective.name != "pinball":
        if settings.quantiles:
            raise InputError(f"quantiles must be given with objective pinball, not {objective.name}: leave one out")
        return settings
    if own_models:
        raise InputError("objective pinball must be of networks that evonas builds: compile your own models with it")
    if settings.loss != "auto":
        raise InputError(f"loss must be left out with objective pinball, which is the loss, not {settings.loss!r}")
    if settings.trainer == "population" or settings.strategy == "neuroevolution":
        raise InputError("objective pinball must be trained with trainer native or single, not population: choose one")
    trainer = "native" if settings.trainer == "auto" and compiled else settings.trainer  # even if there is a GPU
    return settings.model_copy(update={"quantiles": settings.quantiles or DEFAULT_QUANTILES, "trainer": trainer})


def with_epoch_rows(settings: Settings, problem: Problem, rows: int) -> Settings:
    """The settings with the number of rows per epoch, for images, series and texts, and with more epochs for few rows.

    With many rows, a full pass takes long before it says anything about a network, so an epoch is a share of it. With
    few rows, an epoch is only a few steps, so the default epochs and patience are increased; for tables, as far as the
    native trainer is used and the strategy has no rungs.

    Args:
        settings: of the run, resolved.
        problem: of the data.
        rows: number of training rows.

    Raises:
        InputError: `epoch_rows` is given for a table.
    """
    if not problem.sample_shape or settings.trainer != "single":
        if settings.epoch_rows is not None:
            raise InputError(
                f"epoch_rows must be left out for tables, not {settings.epoch_rows}: their epochs take all rows"
            )
        return _with_epochs_of_table(settings, rows)
    if settings.epoch_rows is not None or rows <= _ROWS_OF_WHOLE_EPOCHS:
        return _with_more_epochs(settings, passes_of_epoch(rows))
    share = max(_ROWS_OF_WHOLE_EPOCHS // 2, math.ceil(rows * _SHARE_OF_ROWS))
    return settings.model_copy(update={"epoch_rows": share})


def _with_more_epochs(settings: Settings, passes: int) -> Settings:
    """The settings with this many times the default epochs and patience, unless the user set them."""
    names = ("epochs", "patience") if passes > 1 else ()
    found = {name: getattr(settings, name) for name in names if name not in settings.model_fields_set}
    return _with_defaults(settings, {name: value * passes for name, value in found.items() if value is not None})


def _with_epochs_of_table(settings: Settings, rows: int) -> Settings:
    """The settings of a table with up to four times the default epochs, and more patience, for few rows.

    Unchanged if the user set either of them, or for strategies whose rungs divide the epochs.
    """
    row = find_row(settings.strategy)
    divided = row is None or row.rungs or not row.trains or settings.rungs > 1
    if settings.trainer != "native" or divided or {"epochs", "patience"} & settings.model_fields_set:
        return settings
    epochs = round(settings.epochs * min(_MOST_TIMES, max(1.0, _ROWS_OF_ENOUGH_STEPS / rows)))
    patience = (settings.patience or 0) + (epochs - settings.epochs) // _EPOCHS_OF_PATIENCE
    return _with_defaults(settings, {"epochs": epochs, "patience": patience})


def with_usual_epochs(settings: Settings, problem: Problem) -> Settings:
    """The settings of a table without the further epochs of `with_epoch_rows`, for a run of little time.

    Args:
        settings: of the run, resolved.
        problem: of the data; settings of images, series and texts are not changed.
    """
    names = {"epochs", "patience"} - settings.model_fields_set
    if problem.sample_shape or settings.trainer != "native":
        return settings
    return _with_defaults(settings, {name: Settings.model_fields[name].default for name in names})


def _with_defaults(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """The settings with values that still count as defaults, which a short run may reduce."""
    changed = settings.model_copy(update=values)
    changed.model_fields_set.difference_update(set(values) - settings.model_fields_set)
    return changed


def with_precision(settings: Settings, problem: Problem) -> Settings:
    """The settings with mixed precision, for images, series and texts on a GPU.

    The precision is recorded, so that a run that is resumed elsewhere keeps it. An explicit precision is not changed.

    Args:
        settings: of the run, resolved.
        problem: of the data.
    """
    given = "precision" in settings.model_fields_set
    if given or not problem.sample_shape or settings.trainer != "single" or not has_gpu():
        return settings
    return settings.model_copy(update={"precision": "bfloat16"})


def _check_reduced_rungs(settings: Settings, problem: Problem) -> None:
    if settings.reduced_rungs and (len(problem.sample_shape) != 3 or settings.trainer != "single"):
        what = "images and trainer single" if problem.sample_shape else "images, not for tables"
        raise InputError(f"reduced_rungs must be left out except for {what}: leave it out")


def with_reduced_rungs(settings: Settings, problem: Problem, rows: int) -> Settings:
    """The settings with the default of `reduced_rungs`: on for evolution over images, unless these are small or few.

    Args:
        settings: of the run, resolved, with rungs.
        problem: of the data.
        rows: number of training rows.

    Raises:
        InputError: rungs are to be reduced, but the samples are not images.
    """
    _check_reduced_rungs(settings, problem)
    pays = settings.strategy == "evolution" and settings.trainer == "single" and settings.rungs > 1
    large = len(problem.sample_shape) == 3 and min(problem.sample_shape[:2]) >= _LEAST_SIDE and rows >= _LEAST_ROWS
    if settings.reduced_rungs is not None or not (pays and large):
        return settings
    return settings.model_copy(update={"reduced_rungs": True})


def with_rungs(settings: Settings, problem: Problem) -> Settings:
    """The settings with default rungs, for evolution over images, series and texts.

    These networks are slow to train: most are stopped after a share of the epochs and, if an epoch is a share of the
    rows, of the rows too.

    Args:
        settings: of the run, resolved, with `epoch_rows`.
        problem: of the data.
    """
    given = "rungs" in settings.model_fields_set or settings.strategy != "evolution"
    if given or not problem.sample_shape or settings.trainer != "single":
        return settings
    number = _RUNGS if settings.epoch_rows is None else _RUNGS_OF_PARTS
    while number > 1 and settings.epochs < _LEAST_RUNG * settings.eta ** (number - 1):
        number -= 1
    return settings.model_copy(update={"rungs": number}) if number > 1 else settings


def resolve_objectives(
    settings: Settings, problem: Problem, own_models: bool = False, space: SearchSpace | None = None
) -> tuple[Objective, Settings]:
    """The ranking objective, and the settings with all objectives resolved.

    Args:
        settings: the settings as given.
        problem: the prediction problem.
        own_models: whether the models are user-defined.
        space: space of the networks, which determines the trainer; dense by default.

    Raises:
        InputError: a setting is incompatible with the others or with the networks.
    """
    compiled = can_be_compiled(getattr(space, "layer_kinds", ()))
    several = settings.objectives
    if several is not None and settings.objective not in (None, several[0]):
        raise InputError(
            f"objective must be the first of objectives ({', '.join(several)}), not {settings.objective}: give one"
        )
    chosen = several[0] if several else settings.objective
    if problem.metric and chosen == problem.metric:
        objective = Objective(problem.metric, "min" if problem.direction == "min" else "max")
    else:
        objective = chosen_metric(chosen, problem.task) if chosen else default_objective(problem.task)
    settings = _with_quantiles(settings, objective, own_models, compiled)
    if settings.ensemble and (own_models or not settings.finalists):
        what = "networks that evonas builds" if own_models else "finalists, of which it takes the best, but there are 0"
        raise InputError(f"ensemble must be of {what}: leave it out")
    if settings.calibrate and (own_models or problem.task == "regression"):
        what = "networks that evonas builds" if own_models else "classes, but the target is a number"
        raise InputError(f"calibrate must be of {what}: leave it out")
    if several is None and (row := find_row(settings.strategy)) and row.several:
        several = (objective.name, "parameters")
    if several is not None:
        several = (objective.name, *several[1:])
        objectives_named(objective, several, problem.task)
    return objective, settings.resolve(objective.name, own_models, compiled).model_copy(update={"objectives": several})
