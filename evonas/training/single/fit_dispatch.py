"""Trains user-defined models natively if all of their parts are supported, otherwise with Keras, and records which.

`train` replaces `keras.Model.fit`. The code that runs a trial chooses with `use_mode` whether the native trainer may be
used. Several trials run at a time, each in its own thread; since Keras is not thread-safe, only one of them uses Keras
at any moment while the others train natively.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np

from evonas.training.native.keras_fit import prepare_fit
from evonas.training.native.refusal import Refused
from evonas.training.native.training import Stopped

__all__ = ["FitMode", "KerasLock", "dispatch_fit", "train", "use_mode"]


@dataclass(eq=False)
class KerasLock:
    """Lock for using Keras, shared by threads that train user-defined models."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    cancelled: bool = False
    trainings: set[Any] = field(default_factory=set)

    def cancel(self) -> None:
        """Stops native training within a step."""
        self.cancelled = True
        for training in list(self.trainings):
            training.stop[0] = 1

    @contextmanager
    def release(self, training: Any) -> Iterator[None]:
        """Releases Keras to other threads, and restores the global random state of Python and numpy afterwards.

        Raises:
            Stopped: the training was cancelled.
        """
        drawn, numpy_drawn = random.getstate(), np.random.get_state()  # noqa: NPY002
        self.trainings.add(training)
        self.lock.release()
        try:
            if self.cancelled:
                raise Stopped
            yield
        finally:
            self.lock.acquire()
            self.trainings.discard(training)
            random.setstate(drawn)
            np.random.set_state(numpy_drawn)  # noqa: NPY002


@dataclass(eq=False)
class FitMode:
    """How the models of a trial are trained.

    Attributes:
        native: whether to train natively where possible.
        keeps_optimizer: whether training continues later, so that the optimizer's state must be kept.
        keras_lock: shared by several threads; None if there is one thread.
        natively: number of models that were trained natively.
        reasons: why Keras had to train the others.
    """

    native: bool = True
    keeps_optimizer: bool = True
    keras_lock: KerasLock | None = None
    natively: int = 0
    reasons: list[str] = field(default_factory=list)

    def fit(self, model: keras.Model, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """As `model.fit(*arguments, **named)`. The history of native training has the attribute `lowered`."""
        given = prepare_fit(model, arguments, named) if self.native else Refused("trainer is single")
        if isinstance(given, Refused):
            self.reasons.append(given.reason)
            return type(model).fit(model, *arguments, **named)
        if self.keras_lock is None:
            given.run()
        else:
            with self.keras_lock.release(given.training):
                given.run()
        self.natively += 1
        history = given.finish(self.keeps_optimizer)
        history.lowered = given.lowered
        return history

    def notes(self) -> dict[str, Any]:
        """Notes for an evaluation; empty if nothing was trained."""
        if not self.natively and not self.reasons:
            return {}
        return {"trained": {"natively": self.natively, "by_keras": list(self.reasons)}}


_MODE: ContextVar[FitMode | None] = ContextVar("_WAY", default=None)


@contextmanager
def use_mode(way: FitMode) -> Iterator[FitMode]:
    """Context in which models are trained in the given mode."""
    token = _MODE.set(way)
    try:
        yield way
    finally:
        _MODE.reset(token)


def train(model: keras.Model, *arguments: Any, **named: Any) -> Any:
    """Trains a model of a trial; the only caller of `keras.Model.fit` for trials.

    Args:
        model: a compiled model.
        *arguments, **named: arguments of `fit`.

    Returns:
        The `keras.callbacks.History`.
    """
    way = _MODE.get()
    if way is None:
        return type(model).fit(model, *arguments, **named)
    return way.fit(model, arguments, named)


@contextmanager
def dispatch_fit(model: keras.Model) -> Iterator[None]:
    """Context in which `model.fit`, which user code may call, is replaced by `train`."""
    fit: Callable[..., Any] = partial(train, model)
    object.__setattr__(model, "fit", fit)
    try:
        yield
    finally:
        object.__delattr__(model, "fit")
