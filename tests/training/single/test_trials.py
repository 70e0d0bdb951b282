"""Trials of a user's own: some at a time where they are trained natively, however they are given."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import pytest

from evonas.evaluation import Evaluation, Status
from evonas.training.single.fit_dispatch import train
from evonas.training.single.trials import TrialTrainer
from evonas.training_tasks import Source, TrainingTask, slots_of, stream_evaluations

pytestmark = pytest.mark.keras

X = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
#: Passed by two trainings that wait for each other.
MEETING = threading.Barrier(2)


class Meeting(keras.callbacks.Callback):  # type: ignore[misc]
    def on_native_epoch_end(self, epoch: int, logs: Any, training: Any) -> None:
        MEETING.wait(timeout=60)


class Fitting:
    """Trains one layer, from weights that the seed gives."""

    independent = True

    def __call__(self, genes: Mapping[str, Any], seed: int, headway: Callable[[], None]) -> Evaluation:
        keras.utils.set_random_seed(seed)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        history = train(model, X, X[:, :1], epochs=1, verbose=0, callbacks=[Meeting()] if genes["meets"] else [])
        return Evaluation(Status.OK, scores={"loss": history.history["loss"][0]})


def task(seed: int, meets: bool) -> TrainingTask:
    return TrainingTask({"values": {"meets": meets}}, seed, 1)


def source(count: int, meets: bool) -> Source:
    tasks = iter([(number, task(number, meets)) for number in range(count)])
    return lambda: next(tasks, None)


def test_two_trials_that_are_given_one_by_one_train_together() -> None:
    trainer = TrialTrainer(Fitting())
    assert slots_of(trainer) >= 2
    found: dict[int, Evaluation] = {}
    parts = stream_evaluations(trainer, source(4, meets=True))
    while len(found) < 4:
        found |= next(parts)
    parts.close()
    assert {each.reason for each in found.values()} == {""}
    alone: dict[int, Evaluation] = {}
    for part in TrialTrainer(Fitting()).train([task(number, False) for number in range(4)]):
        alone |= part
    assert [found[number].scores for number in range(4)] == [alone[number].scores for number in range(4)]


def test_what_is_not_given_is_asked_for_again() -> None:
    given = iter([None, (0, task(0, meets=False)), None])
    parts = stream_evaluations(TrialTrainer(Fitting()), lambda: next(given, None))
    assert next(parts) == {}
    while not (part := next(parts)):
        pass
    assert part.keys() == {0}
    parts.close()
