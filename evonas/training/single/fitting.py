"""`Fitting`: what the single trainer asks of a network, whoever builds it; and the state of a Keras model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Snapshot, Weights
from genomes.errors import InputError

__all__ = ["Fitting", "State", "assign", "assign_recorded", "named_values", "restore", "state_of", "values_of"]

#: Weights, what the optimizer holds, and seeds of random layers: `weights`, `first` and `second` of a `Snapshot`.
State = tuple[Weights, Weights, Weights]


class Fitting(Protocol):
    """One network on one split."""

    #: Trainable parameters; 0 while they are not known.
    parameters: int
    #: The most epochs that it may train, counted from the training's beginning.
    epochs: int
    #: The training that it continues with, if any.
    start: Snapshot | None

    def prepare(self) -> None:
        """Makes it ready to train, from `start` if there is one."""
        ...

    def fit(self, epoch: int) -> float:
        """Trains the epoch of that number. Returns the training loss, penalties included."""
        ...

    def outputs(self) -> tuple[float, NDArray[np.float32]]:
        """The loss on the validation rows, without penalties, and the raw outputs as `metrics.scores` takes them."""
        ...

    def weights(self) -> Weights:
        """Copies of its weights."""
        ...

    def exact(self, weights: Weights, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """The raw outputs that an exported network gives with the weights, where they gave these ones in training."""
        ...

    def state(self) -> State:
        """Copies of all that training changes."""
        ...


def values_of(variables: Iterable[Any]) -> dict[str, Any]:
    """Copies of the values, by number and path: names alone may occur twice, and weights are inherited by the path."""
    return named_values((each, keras.ops.convert_to_numpy(each.value).copy()) for each in variables)


def _state_values(variables: Iterable[Any]) -> dict[str, Any]:
    """As `values_of`, by number and name: the paths of what an optimizer holds number the models of the process."""
    return {
        f"{index:04d}/{each.name}": keras.ops.convert_to_numpy(each.value).copy()
        for index, each in enumerate(variables)
    }


def named_values(pairs: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    """As `values_of`, of variables with the values that they are to have."""
    return {f"{index:04d}/{variable.path}": value for index, (variable, value) in enumerate(pairs)}


def assign(variables: Iterable[Any], values: Weights) -> None:
    """Gives variables the values of `values_of`.

    Raises:
        ValueError: they are those of other variables.
    """
    variables, given = list(variables), [values[name] for name in sorted(values)]
    shapes, wanted = [tuple(value.shape) for value in given], [tuple(variable.shape) for variable in variables]
    if shapes != wanted:
        raise ValueError(f"weights must be of the shapes {wanted}, not {shapes}: is the same model built each time?")
    for variable, value in zip(variables, given, strict=True):
        variable.assign(value)


def assign_recorded(variables: Iterable[Any], values: Weights) -> None:
    """As `assign`, of weights that a run has kept: what does not fit is the run's or the build function's fault.

    Raises:
        InputError: they are those of other variables.
    """
    try:
        assign(variables, values)
    except ValueError as error:
        raise InputError(f"{error} If so, restore the run from a copy") from None


def state_of(model: keras.Model, weights: Weights) -> State:
    """The state of a compiled model whose weights these are."""
    return weights, _state_values(_moments(model)), _state_values(_random(model))


def restore(model: keras.Model, snapshot: Snapshot, moments: bool = True) -> None:
    """Puts a compiled model, but for its weights, where a training stopped.

    Args:
        model: of the same layers.
        snapshot: `first` and `second` are those of `state_of`.
        moments: whether the optimizer continues too; else it starts over.
    """
    assign(_random(model), snapshot.second)
    model.optimizer.build(model.trainable_variables)
    if moments:
        assign(_moments(model), snapshot.first)


def _moments(model: keras.Model) -> list[Any]:
    """What the optimizer holds, but for its learning rate: that is a setting."""
    return [variable for variable in model.optimizer.variables if not variable.path.endswith("/learning_rate")]


def _random(model: keras.Model) -> list[Any]:
    """Seeds of random layers."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]
