"""Trainings whose first epochs are on reduced data."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evonas.evaluation import Reduction, Status
from evonas.io.disk_arrays import disk_array, is_on_disk
from evonas.networks.forward import raw_outputs
from evonas.training.single.reduced import pool_images, reduced_split, stratified_order, training_steps
from evonas.training_tasks import TrainingSettings
from genomes.errors import InputError
from tests.training.layered import IMAGE, MEAN, conv, layered_data, make_layered
from tests.training.networks import train_all
from tests.training.single.test_layered import make_trainer, task
from tests.training.test_contract import assert_same_bits

REDUCED = Reduction(1, 2, 0.5)
SMALL = make_layered([conv(3), MEAN], schedule="cosine", shift=0.2)


def test_images_are_pooled_by_channel_with_smaller_windows_at_the_edge() -> None:
    x = np.arange(2 * 3 * 5 * 2, dtype=np.float32).reshape(2, 3, 5, 2)
    pooled = pool_images(x.reshape(2, -1), (3, 5, 2), 2).reshape(2, 2, 3, 2)
    for row, column in np.ndindex(2, 3):
        window = x[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        np.testing.assert_allclose(pooled[:, row, column], window.mean(axis=(1, 2)))
    assert pooled.dtype == np.float32


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_shares_of_rows_are_nested_and_stratified(share: float) -> None:
    y = np.repeat(np.arange(3), [100, 60, 40]).astype(np.int32)
    order = stratified_order(y)
    assert sorted(order) == list(range(len(y)))
    found = np.bincount(y[order[: int(share * len(y))]], minlength=3)
    np.testing.assert_allclose(found, share * np.array([100, 60, 40]), atol=1)
    target = np.random.default_rng(0).normal(size=(500, 1)).astype(np.float32)
    some = target[stratified_order(target)[: int(share * 500)]]
    assert abs(float(np.median(some)) - float(np.median(target))) < 0.25


def test_a_reduced_split_keeps_all_validation_rows() -> None:
    data = layered_data(IMAGE)
    split = data.splits[0]
    found = reduced_split(split, data.problem, REDUCED)
    assert len(found.x_train) == len(found.y_train) == math.ceil(len(split.x_train) / 2)
    assert len(found.x_validation) == len(split.x_validation)
    height, width, channels = data.problem.sample_shape
    assert found.x_train.shape[1] == -(-height // 2) * -(-width // 2) * channels


def test_steps_of_a_run_count_those_on_fewer_rows() -> None:
    assert training_steps(101, None, 10, 5, None) == 55
    assert training_steps(101, None, 10, 5, Reduction(3, 2, 0.5)) == 3 * 6 + 2 * 11
    assert training_steps(101, 51, 10, 2, Reduction(3, 2, 0.5)) == 2 * 3


@pytest.mark.keras
def test_a_training_on_reduced_data_is_the_same_in_rungs() -> None:
    trainer = make_trainer()
    (whole,) = train_all(trainer, [task(SMALL, 3, reduction=REDUCED)]).values()
    (first,) = train_all(trainer, [task(SMALL, 1, horizon=3, reduction=REDUCED)]).values()
    (rest,) = train_all(trainer, [task(SMALL, 3, start=first.snapshots, reduction=REDUCED)]).values()
    assert_same_bits(rest, whole)
    assert whole.status is Status.OK
    assert whole.best_epoch > 1  # those on reduced data do not count
    data = layered_data(IMAGE)
    raw = raw_outputs(data.problem.attach_columns(SMALL), whole.weights, data.splits[0].x_validation)
    assert raw.shape == (len(data.splits[0].y_validation), data.problem.num_outputs)
    assert first.snapshots[0].outputs.shape == raw.shape


@pytest.mark.keras
@pytest.mark.soak
def test_data_on_disk_train_like_those_in_memory() -> None:
    from evonas.training.single.trainer import SingleTrainer

    data = layered_data(IMAGE)
    settings = TrainingSettings(trainer="single", patience=None)
    split = data.splits[0]

    def on_disk(x: Any) -> Any:
        found = disk_array(x.shape, x.dtype)
        found[:] = x
        return found

    stored = replace(split, x_train=on_disk(split.x_train), x_validation=on_disk(split.x_validation))
    tasks = [task(SMALL, 2, reduction=REDUCED)]
    both = [train_all(SingleTrainer(replace(data, splits=(each,)), settings), tasks)[0] for each in (split, stored)]
    assert_same_bits(*both)
    assert is_on_disk(reduced_split(stored, data.problem, REDUCED).x_train)


@pytest.mark.keras
def test_weights_that_depend_on_the_size_are_refused() -> None:
    network = make_layered([conv(4), {"kind": "flatten"}])
    with pytest.raises(InputError, match="must not be reduced for networks whose weights depend on their size"):
        train_all(make_trainer(), [task(network, 2, reduction=REDUCED)])
