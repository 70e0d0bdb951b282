"""The population trainer: how trainings end, early or not, and how they are gone on with."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from evonas.snapshot import snapshots_to_arrays
from evonas.training.combine import member_seed
from genomes.architecture import graph_to_json
from genomes.errors import InputError

from .networks import data, graph, task, trained
from .programs import ONE_PROGRAM, trainer

pytestmark = pytest.mark.keras

OVERFITS = graph((32, 32), activation="relu", learning_rate=0.05, l2=0.001)


@pytest.fixture(scope="module")
def overfitted():
    """A long training that gets worse now and then, and what it trained on."""
    prepared = data(num_rows=60)
    (full,) = trained(trainer(prepared), [task(OVERFITS, 14)]).values()
    assert full.epochs == 14
    assert (np.diff(full.curve) > 0).any()
    return prepared, full


@pytest.mark.parametrize(("patience", "min_delta"), [(1, 0.0), (3, 0.0), (2, 0.05)])
def test_early_stopping_waits_for_the_data_loss_and_keeps_the_best_epoch(overfitted, patience, min_delta):
    prepared, full = overfitted
    reference, waited, expected = math.inf, 0, 14
    for epoch, loss in enumerate(full.curve, start=1):
        waited += 1
        if loss + min_delta < reference:
            reference, waited = loss, 0
        if waited >= patience:
            expected = epoch
            break
    assert expected < 14
    (found,) = trained(trainer(prepared, patience=patience, min_delta=min_delta), [task(OVERFITS, 14)]).values()
    assert found.epochs == expected
    assert found.curve == pytest.approx(full.curve[:expected], rel=1e-6)
    assert found.best_epoch == int(np.argmin(full.curve[:expected])) + 1


def test_the_snapshot_of_a_stopped_training_is_of_its_last_epoch(overfitted):
    """Not of an epoch that its slot went on to with the others."""
    prepared, _ = overfitted
    one = replace(task(OVERFITS, 14), keep_snapshots=True)
    (stopped,) = trained(trainer(prepared, patience=1), [one]).values()
    (straight,) = trained(trainer(prepared), [replace(one, epochs=stopped.epochs, horizon=14)]).values()
    assert stopped.epochs < 14
    (a,), (b,) = stopped.snapshots, straight.snapshots
    assert a.epoch == b.epoch == stopped.epochs
    for part in ("weights", "first", "second"):
        for name, value in getattr(b, part).items():
            np.testing.assert_allclose(getattr(a, part)[name], value, rtol=1e-4, atol=1e-6)


def test_folds_and_replicates_are_members_of_the_same_program():
    prepared, one = data(folds=2), task(graph((8,), dropout=0.1))
    whole = trainer(prepared, ONE_PROGRAM, replicates=2)
    (found,) = trained(whole, [replace(one, keep_snapshots=True)]).values()
    assert len(whole.state()) == 1
    parts = []
    for replicate in range(2):
        for fold, split in enumerate(prepared.splits):
            seed = member_seed(one.seed, fold, replicate)
            parts += trained(trainer(replace(prepared, splits=(split,))), [replace(one, seed=seed)]).values()
    assert found.scores["rmse"] == pytest.approx(np.mean([e.scores["rmse"] for e in parts]), rel=1e-5)
    assert found.curve == pytest.approx(np.mean([e.curve for e in parts], axis=0), rel=1e-5)
    assert len({e.curve for e in parts}) == len(found.snapshots) == 4
    np.testing.assert_allclose(found.weights["output/kernel"], parts[0].weights["output/kernel"], rtol=1e-4, atol=1e-5)
    (again,) = trained(
        whole, [replace(one, epochs=5, start=found.snapshots, keep_snapshots=True, horizon=3 + 2)]
    ).values()
    assert [s.epoch for s in again.snapshots] == [5] * 4


def test_going_on_from_a_snapshot_is_as_good_as_never_having_stopped():
    networks = [
        graph((9,), optimizer="adam", normalization="batch", schedule="cosine", warmup=0.2),
        graph((9, 5), optimizer="nadam", normalization="batch", batch_size=31, dropout=0.2),
        graph((7,), optimizer="momentum", normalization="layer", schedule="exponential"),
        graph((5,), [(0, 1), (0, 2), (1, 2)], optimizer="rmsprop"),
        graph((5,), optimizer="adamw", weight_decay=0.1),
    ]
    one = trainer(device=replace(ONE_PROGRAM, slots=(4,)))
    tasks = [replace(task(network, 10, seed=k), keep_snapshots=True) for k, network in enumerate(networks)]
    straight = trained(one, tasks)
    firsts = trained(one, [replace(each, epochs=5, horizon=10) for each in tasks])
    seconds = trained(one, [replace(each, start=firsts[k].snapshots) for k, each in enumerate(tasks)])
    for k in range(len(tasks)):
        # Curves, scores, best epoch and weights are those of the whole training.
        assert seconds[k] == replace(straight[k], train_seconds=seconds[k].train_seconds)
        for name, value in straight[k].weights.items():
            np.testing.assert_array_equal(seconds[k].weights[name], value)
        (a,), (b,) = seconds[k].snapshots, straight[k].snapshots
        assert a.epoch == b.epoch == 10
        held, expected = snapshots_to_arrays([a]), snapshots_to_arrays([b])
        assert held.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(held[name], value)
        # Without the horizon, the rates would have been those of a five-epoch training.
        assert firsts[k].snapshots[0].epoch == 5


def test_a_child_begins_where_its_parent_was_best():
    """Wider and deeper, in both folds: one step at next to no rate away from the parent's best outputs."""
    prepared = data(folds=2)
    still = {"optimizer": "sgd", "learning_rate": 1e-9}
    parent, child = graph((6,), activation="relu"), graph((9, 9), activation="relu", **still)
    one = trainer(prepared, replicates=2)
    (taught,) = trained(one, [replace(task(parent, 6), keep_snapshots=True)]).values()
    heir = replace(task(child, 1), start=taught.snapshots, origin=graph_to_json(parent), inherit=True)
    (found,) = trained(one, [heir]).values()
    assert found.epochs == 1
    assert found.scores["rmse"] == pytest.approx(taught.scores["rmse"], rel=1e-4)
    (again,) = trained(one, [heir]).values()
    assert again.curve == found.curve


def test_going_on_with_other_settings_waits_anew_and_with_other_layers_is_refused():
    one = trainer(patience=2)
    (first,) = trained(one, [replace(task(graph((6,), learning_rate=0.5), 30), keep_snapshots=True)]).values()
    assert first.epochs < 30
    there = graph_to_json(graph((6,), learning_rate=0.5))
    calm = replace(task(graph((6,), optimizer="sgd", learning_rate=1e-4), 40), start=first.snapshots)
    (second,) = trained(one, [replace(calm, origin=there)]).values()
    assert second.curve[: first.epochs] == first.curve
    assert second.epochs >= first.epochs + 2
    with pytest.raises(InputError, match="only with the layers"):
        trained(one, [replace(task(graph((7,)), 40), start=first.snapshots, origin=there)])


@pytest.mark.parametrize("budget", [{"epochs": 2}, {"epochs": 1}, {"epochs": 4, "horizon": 3}])
def test_budgets_that_leave_nothing_to_train_or_no_rates_are_refused(budget):
    """Nothing is left at or below the snapshot's epoch; the schedule has no rates past its horizon."""
    one = trainer()
    each = replace(task(graph((6,)), 2), keep_snapshots=True)
    (first,) = trained(one, [each]).values()
    with pytest.raises(InputError, match="epoch"):
        trained(one, [replace(each, start=first.snapshots, **budget)])
