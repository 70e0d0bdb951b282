"""Conversion of a tuner's arguments to callable and serialisable forms. Does not import Keras."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import GeneratorType
from typing import Any

from evonas.io.batch_streams import Streams
from evonas.user_model import can_be_sent
from genomes.errors import InputError

__all__ = ["HyperModel", "Hypermodel", "hypermodel_of", "portable"]


class HyperModel:
    """Base class with `build` and `fit`, like KerasTuner's class of the same name."""

    def __init__(self, name: str | None = None, tunable: bool = True) -> None:
        """Stores the arguments.

        Args:
            name: display name.
            tunable: whether the hyperparameters of `build` are searched; otherwise they keep their defaults.
        """
        self.name, self.tunable = name, tunable

    def build(self, hp: Any) -> Any:
        """Builds the `keras.Model` for the hyperparameters."""
        raise NotImplementedError("a hypermodel must have a method build(hp) that returns a keras.Model")

    def declare_hyperparameters(self, hp: Any) -> None:
        """Declares hyperparameters before `build` is called."""

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Trains the model; returns a history, a number, or a mapping of numbers."""
        from evonas.training.single.fit_dispatch import train

        return train(model, *args, **kwargs)


@dataclass(frozen=True, eq=False)
class Hypermodel:
    """The user's hypermodel with a uniform interface.

    Attributes:
        given: user's function or object.
        fits: whether it has a custom `fit`.
    """

    given: Any
    fits: bool

    @property
    def source(self) -> Any:
        """The identity of the hypermodel: the function, or the object's class."""
        return type(self.given) if hasattr(self.given, "build") else self.given

    def declare_hyperparameters(self, hp: Any) -> None:
        """Calls the user's method, if any."""
        if hasattr(self.given, "declare_hyperparameters"):
            self.given.declare_hyperparameters(hp)

    def build(self, hp: Any) -> Any:
        """Builds the model for the hyperparameters."""
        if not hasattr(self.given, "build"):
            return self.given(hp)
        if not getattr(self.given, "tunable", True):
            hp = hp.copy()  # hides the hyperparameters that it requests
        return self.given.build(hp)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls the user's `fit` if there is one, else `model.fit`."""
        if self.fits:
            return self.given.fit(hp, model, *args, **kwargs)
        from evonas.training.single.fit_dispatch import train

        return train(model, *args, **kwargs)


def hypermodel_of(given: Any) -> Hypermodel:
    """A function, or an object with `build`, as a `Hypermodel`. Raises InputError if it is neither."""
    if isinstance(given, type) or not (callable(given) or callable(getattr(given, "build", None))):
        what = "the class, an object of it" if isinstance(given, type) else "one"
        raise InputError(
            f"hypermodel must be a function build(hp), or an object with such a method, not {given!r:.80}: pass {what}"
        )
    return Hypermodel(given, hasattr(given, "build") and _has_own_fit(given))


def _has_own_fit(given: Any) -> bool:
    """Whether it overrides the `fit` of the `HyperModel` class of evonas or KerasTuner."""
    for kind in type(given).__mro__:
        if "fit" in vars(kind):
            return kind is not HyperModel and kind.__module__.partition(".")[0] != "keras_tuner"
    return callable(getattr(given, "fit", None))


def portable(name: str, value: Any, streams: Streams) -> Any:
    """The value, with parts that cannot be sent to the worker process replaced by streams served here.

    Args:
        name: name of the argument, for error messages.
        value: value of the argument.
        streams: server of the data that stay in this process.

    Raises:
        InputError: a data set yields objects that cannot be sent.
    """
    if isinstance(value, Mapping):
        return {key: portable(f"{name}[{key!r}]", part, streams) for key, part in value.items()}
    if isinstance(value, (tuple, list)) and len(value) <= 3:
        parts = [portable(f"{name}[{index}]", part, streams) for index, part in enumerate(value)]
        return value if all(map(_is, parts, value)) else type(value)(parts)
    if isinstance(value, GeneratorType):
        return streams.add("generator", name, value)
    if hasattr(value, "as_numpy_iterator") and hasattr(value, "element_spec"):
        _check_spec(name, value.element_spec)
        count, spec = int(value.cardinality()), value.element_spec
        known = None if count == -2 else count  # -1 is infinite
        return streams.add("dataset", name, value, _start_epoch, spec, known, f"{spec} {known}")
    if any(kind.__name__ == "PyDataset" for kind in type(value).__mro__) and not can_be_sent(value):
        options = {each: getattr(value, each, default) for each, default in (("workers", 1), ("max_queue_size", 10))}
        identity = f"{type(value).__name__} {value.num_batches}"
        return streams.add("indexed", name, value, spec=options, count=value.num_batches, identity=identity)
    return value


def _is(one: Any, other: Any) -> bool:
    return one is other


def _start_epoch(dataset: Any) -> Iterator[Any]:
    batches: Iterator[Any] = dataset.as_numpy_iterator()
    return batches


def _check_spec(name: str, spec: Any) -> None:
    parts = list(spec.values()) if isinstance(spec, Mapping) else spec if isinstance(spec, (tuple, list)) else [spec]
    for part in parts:
        if isinstance(part, (Mapping, tuple, list)):
            _check_spec(name, part)
        elif type(part).__name__ != "TensorSpec":
            raise InputError(
                f"{name} must be a data set of plain tensors to be read for the worker process, not of "
                f"{type(part).__name__}: make them dense (to_tensor, tf.sparse.to_dense), or pass in_process=True"
            )
