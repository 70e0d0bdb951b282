"""What a tuner is given, brought into a form that can be sent and called. Imports no Keras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from genomes.errors import InputError

__all__ = ["HyperModel", "Hypermodel", "hypermodel_of", "portable"]

#: Batches of a data set that are read at most: one that repeats itself has no end.
_MOST_BATCHES = 1_000_000


class HyperModel:
    """A build function and a fit, as KerasTuner's class of that name: to be derived from."""

    def build(self, hp: Any) -> Any:
        """The `keras.Model` of the hyperparameters."""
        raise NotImplementedError("a hypermodel must have a method build(hp) that returns a keras.Model")

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Trains the model; returns a history, a number, or a mapping of numbers."""
        return model.fit(*args, **kwargs)


@dataclass(frozen=True, eq=False)
class Hypermodel:
    """What is tuned.

    Attributes:
        given: the user's function or object.
        fits: whether it has a `fit` of its own.
    """

    given: Any
    fits: bool

    @property
    def source(self) -> Any:
        """What it is known again by: the function, or the object's class."""
        return type(self.given) if hasattr(self.given, "build") else self.given

    def build(self, hp: Any) -> Any:
        """The model of the hyperparameters."""
        return self.given.build(hp) if hasattr(self.given, "build") else self.given(hp)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """As the user's `fit`; else `model.fit`."""
        return self.given.fit(hp, model, *args, **kwargs) if self.fits else model.fit(*args, **kwargs)


def hypermodel_of(given: Any) -> Hypermodel:
    """A function or an object with `build` as one thing. Raises InputError when it is neither."""
    if isinstance(given, type) or not (callable(given) or callable(getattr(given, "build", None))):
        what = "the class, an object of it" if isinstance(given, type) else "one"
        raise InputError(
            f"hypermodel must be a function build(hp), or an object with such a method, not {given!r:.80}: pass {what}"
        )
    return Hypermodel(given, callable(getattr(given, "fit", None)) and hasattr(given, "build"))


def portable(value: Any, in_process: bool = False) -> Any:
    """The value, with data sets of TensorFlow's read into batches where they go to another process.

    Raises:
        InputError: a data set has no end.
    """
    if in_process:
        return value
    if isinstance(value, (tuple, list)):
        return type(value)([portable(part) for part in value])
    if not (hasattr(value, "as_numpy_iterator") and hasattr(value, "element_spec")):
        return value
    from evonas.training.tuning import Batches

    batches: list[Any] = []
    for batch in value.as_numpy_iterator():
        if len(batches) == _MOST_BATCHES:
            raise InputError("a data set must have an end to be sent to the worker process: take away repeat()")
        batches.append(batch)
    return Batches(batches)
