"""What is searched, and for what: the space, as far as the data have a use for it, and the objectives.

Imports no Keras and no pandas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.config import Settings
from evonas.metrics.named import chosen_metric
from evonas.objective import Objective, default_objective, objectives_named
from evonas.strategies import find_row
from evonas.user_model import Build
from genomes.architecture.layers import NUMBERS, OFF
from genomes.dense import DenseSpace
from genomes.domains import Choice
from genomes.encodings import read_space, space_from_json
from genomes.errors import InputError
from genomes.hyperparameters import HyperparameterSpace
from genomes.space import SearchSpace

if TYPE_CHECKING:
    from evonas.data.prepared import Problem

__all__ = ["Space", "as_space", "fitted", "objectives_of", "space_and_numbers", "trainable"]

#: Scores of predicted classes rather than of their probabilities.
SCORES_OF_CLASSES = ("accuracy", "f1", "balanced_accuracy", "binary_accuracy", "sparse_categorical_accuracy")

Space = SearchSpace | Mapping[str, Any] | str | Path | None


def as_space(space: Space, build: Build | None = None) -> SearchSpace:
    """The space that is meant; the default one for None.

    Raises:
        InputError: none is given with models of one's own, or it cannot be read.
    """
    if space is None and build is not None:
        raise InputError("space must be given with build: name the genes, as in genomes.HyperparameterSpace")
    if space is None:
        return DenseSpace()
    if isinstance(space, (str, Path)):
        return read_space(space)
    if isinstance(space, Mapping):
        whole = build is None or "genes" in space or "encoding" in space
        return space_from_json(space) if whole else HyperparameterSpace(space)
    return space


def space_and_numbers(
    space: Space, numbers: str | None, build: Build | None = None
) -> tuple[SearchSpace, tuple[str, ...]]:
    """The space, and the forms of numbers that its networks may ask for.

    Args:
        space: as given.
        numbers: the one form that all networks get, one of `genomes.architecture.layers.NUMBERS`; None leaves it to the
            space.
        build: of models of one's own, whose genes know nothing of it.

    Raises:
        InputError: there is no such form, or as `as_space`.
    """
    if numbers is not None and numbers not in NUMBERS:
        raise InputError(f"numbers must be one of {', '.join(NUMBERS)}, not {numbers!r}: choose one")
    found = as_space(space, build)
    if not isinstance(found, DenseSpace):
        return found, (numbers or "standard",)
    if numbers is not None:
        found = replace(found, numbers=numbers)
    domain = found.domain("numbers")
    return found, tuple(map(str, domain.options)) if isinstance(domain, Choice) else NUMBERS


def fitted(space: SearchSpace, problem: Problem) -> SearchSpace:
    """The space without the forms of numbers that these data do not have, which would all be the standard one."""
    if not isinstance(space, DenseSpace):
        return space
    domain = space.domain("numbers")
    options = domain.options if isinstance(domain, Choice) else ()
    kept = [each for each in options if each == "standard" or problem.view(str(each)) == each]
    return space if len(options) < 2 or len(kept) == len(options) else replace(space, numbers=kept or ["standard"])


def trainable(
    space: SearchSpace, settings: Settings, objective: Objective, task: str
) -> tuple[SearchSpace, tuple[str, ...]]:
    """The space without the genes that would do nothing, or harm, and a line for each that the trainer cannot train.

    Smoothed labels spoil probabilities: they are searched where classes are scored, not probabilities. A value that
    the space fixes stays, where it does something.

    Args:
        space: that is to be searched.
        settings: of the run, resolved.
        objective: of the run.
        task: "regression", "binary" or "multiclass".
    """
    if not isinstance(space, DenseSpace):
        return space, ()
    row = find_row(settings.strategy)
    weightless = row is not None and not row.trains
    unknown = settings.trainer == "population" and not weightless
    off = {"scaling": unknown or weightless}
    smoothing = space.domain("label_smoothing")
    off["label_smoothing"] = task == "regression" or unknown or weightless
    off["label_smoothing"] |= not smoothing.is_fixed and objective.name not in SCORES_OF_CLASSES
    changes: dict[str, Any] = {
        name: OFF[name] for name, is_off in off.items() if is_off and space.domain(name).greatest
    }
    said = [name for name in changes if unknown and not (name == "label_smoothing" and task == "regression")]
    notes = tuple(f"{name} is off: the population trainer has no such gene" for name in said)
    return (replace(space, **changes) if changes else space), notes


def objectives_of(settings: Settings, problem: Problem, own_models: bool = False) -> tuple[Objective, Settings]:
    """What ranks, and the settings as recorded: with it and, where the strategy takes several, all objectives named.

    `own_models` is whether a user's function builds them.
    """
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
    if several is None and (row := find_row(settings.strategy)) and row.several:
        several = (objective.name, "parameters")
    if several is not None:
        several = (objective.name, *several[1:])
        objectives_named(objective, several, problem.task)
    return objective, settings.resolved(objective.name, own_models).model_copy(update={"objectives": several})
