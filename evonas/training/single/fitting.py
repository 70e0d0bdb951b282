"""`Fitting`: the single trainer's interface to a network, built-in or user-defined; and the state of a Keras model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Snapshot, Weights
from genomes.errors import InputError

__all__ = ["Fitting", "State", "assign", "assign_recorded", "named_values", "restore", "restore_state"]
__all__ += ["state_of", "values_of"]

#: Weights, optimizer state, and seeds of random layers: `weights`, `first` and `second` of a `Snapshot`.
State = tuple[Weights, Weights, Weights]


class Fitting(Protocol):
    """One network on one split."""

    #: Number of trainable parameters; 0 while unknown.
    parameters: int
    #: Maximum number of epochs, counted from the beginning of training.
    epochs: int
    #: The training run that it continues, if any.
    start: Snapshot | None
    #: Number of first epochs with reduced data, whose losses do not compare with later ones.
    reduced_epochs: int

    def prepare(self) -> None:
        """Prepares the training, from `start` if given."""
        ...

    def fit(self, epoch: int) -> float:
        """Trains the epoch with the given number. Returns the training loss, penalties included."""
        ...

    def outputs(self) -> tuple[float, NDArray[np.float32]]:
        """The loss on the validation rows, without penalties, and the raw outputs as for `metrics.scores`."""
        ...

    def weights(self) -> Weights:
        """Copies of its weights."""
        ...

    def exact(self, weights: Weights, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """The raw outputs of the exported network, given those in training."""
        ...

    def state(self) -> State:
        """Copies of everything that training changes."""
        ...


def values_of(variables: Iterable[Any]) -> dict[str, Any]:
    """Copies of the values by number and path: names may be repeated, and weights are inherited by path."""
    return named_values((each, keras.ops.convert_to_numpy(each.value).copy()) for each in variables)


def _state_values(variables: Iterable[Any]) -> dict[str, Any]:
    """As `values_of`, by number and name, since paths of optimizer variables contain a running number of the model."""
    return {
        f"{index:04d}/{each.name}": keras.ops.convert_to_numpy(each.value).copy()
        for index, each in enumerate(variables)
    }


def named_values(pairs: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    """As `values_of`, for variables with new values."""
    return {f"{index:04d}/{variable.path}": value for index, (variable, value) in enumerate(pairs)}


def assign(variables: Iterable[Any], values: Weights) -> None:
    """Assigns values from `values_of` to variables.

    Raises:
        ValueError: the values belong to other variables.
    """
    variables, given = list(variables), [values[name] for name in sorted(values)]
    shapes, wanted = [tuple(value.shape) for value in given], [tuple(variable.shape) for variable in variables]
    if shapes != wanted:
        raise ValueError(f"weights must be of the shapes {wanted}, not {shapes}: is the same model built each time?")
    for variable, value in zip(variables, given, strict=True):
        variable.assign(value)


def assign_recorded(variables: Iterable[Any], values: Weights) -> None:
    """As `assign`, for weights kept in a run, where a mismatch means a damaged run or a changed build function.

    Raises:
        InputError: the values belong to other variables.
    """
    try:
        assign(variables, values)
    except ValueError as error:
        raise InputError(f"{error} If so, restore the run from a copy") from None


def state_of(model: keras.Model, weights: Weights) -> State:
    """The state of a compiled model with these weights."""
    return weights, _state_values(_moments(model)), _state_values(_random(model))


def restore(model: keras.Model, snapshot: Snapshot, moments: bool = True) -> None:
    """Restores the state of a compiled model, except its weights, from a stopped training run.

    Args:
        model: a model with the same layers.
        snapshot: a snapshot with `first` and `second` from `state_of`.
        moments: whether to restore the optimizer, too; otherwise it starts over.
    """
    restore_state(model, snapshot.first if moments else None, snapshot.second)


def restore_state(model: keras.Model, first: Weights | None, second: Weights) -> None:
    """As `restore`, from `state_of`; without `first`, the optimizer starts over."""
    assign(_random(model), second)
    model.optimizer.build(model.trainable_variables)
    if first is not None:
        assign(_moments(model), first)


def _moments(model: keras.Model) -> list[Any]:
    """The optimizer's variables, except its learning rate, which is a setting."""
    return [variable for variable in model.optimizer.variables if not variable.path.endswith("/learning_rate")]


def _random(model: keras.Model) -> list[Any]:
    """Seeds of random layers."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]
