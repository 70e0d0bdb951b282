"""Trainings of the single trainer: the semantics that every trainer shares, on Keras itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from evonas.evaluation import Status
from evonas.scoring import scores
from evonas.training.trainer import TrainingSettings

from .networks import data, graph, task, trained

pytestmark = pytest.mark.keras


def single(prepared, **settings):
    from evonas.training.single import SingleTrainer

    return SingleTrainer(prepared, TrainingSettings(trainer="single", **settings))


@pytest.mark.parametrize(
    ("optimizer", "rate", "schedule", "warmup", "normalization", "options"),
    [
        ("sgd", 0.1, "constant", 0.0, "none", {}),
        ("momentum", 0.03, "cosine", 0.0, "layer", {"l2": 1e-4}),
        ("nesterov", 0.03, "exponential", 0.1, "none", {"dropout": 0.1}),
        ("rmsprop", 0.01, "constant", 0.2, "batch", {}),
        ("adam", 0.01, "cosine", 0.1, "none", {"activation": "leaky_relu"}),
        ("adamw", 0.01, "exponential", 0.0, "layer", {"weight_decay": 0.01}),
        ("nadam", 0.01, "constant", 0.0, "batch", {"dropout": 0.2, "l2": 1e-3}),
    ],
)
def test_every_way_of_training_learns(optimizer, rate, schedule, warmup, normalization, options):
    training = {"optimizer": optimizer, "learning_rate": rate, "schedule": schedule, "warmup": warmup}
    network = graph((16,), normalization=normalization, **options, **training)
    (found,) = trained(single(data()), [task(network, epochs=5)]).values()
    assert found.status is Status.OK
    assert found.curve[-1] < found.curve[0]
    assert found.train_curve[-1] < found.train_curve[0]
    assert found.epochs == len(found.curve) == 5
    assert found.best_epoch == int(np.argmin(found.curve)) + 1


@pytest.mark.parametrize(
    ("kind", "metrics"),
    [("multi", {"rmse", "r2"}), ("binary", {"log_loss", "auc"}), ("multiclass", {"log_loss", "accuracy"})],
)
def test_every_task_learns(kind, metrics):
    (found,) = trained(single(data(kind, weighted=True)), [task(graph((16,)), epochs=8)]).values()
    assert found.scores.keys() >= metrics
    assert found.train_curve[-1] < found.train_curve[0]


def test_a_training_is_what_the_numbers_say():
    """SGD on a linear network, by hand: data order, last batch, sample weights, penalty, rates, curves."""
    from evonas.training.initial import epoch_order, initial_weights
    from evonas.training.schedule import learning_rates

    prepared = data(weighted=True)
    split = prepared.splits[0]
    l2, epochs, batch = 0.01, 3, 64
    training = {"optimizer": "sgd", "learning_rate": 0.1, "schedule": "exponential", "warmup": 0.2, "batch_size": batch}
    network = graph((), l2=l2, **training)
    (found,) = trained(single(prepared), [task(network, epochs, seed=11)]).values()

    rows, steps = len(split.x_train), -(-len(split.x_train) // batch)
    w = initial_weights(network, 4, 1, 11)["output/kernel"].astype(np.float64)
    b, rates = np.zeros(1), iter(learning_rates(0.1, "exponential", 0.2, epochs * steps))
    for epoch in range(epochs):
        order, total = epoch_order(11, epoch, rows), 0.0
        for start in range(0, rows, batch):
            chosen = order[start : start + batch]
            x, weight = split.x_train[chosen], split.weight_train[chosen, None] / len(chosen)
            error = x @ w + b - split.y_train[chosen]
            total += len(chosen) * float((weight * error**2).sum() + l2 * (w**2).sum())
            rate = float(next(rates))
            w, b = w - rate * (2 * x.T @ (weight * error) + 2 * l2 * w), b - rate * (2 * weight * error).sum(0)
        validation = float(((split.x_validation @ w + b - split.y_validation) ** 2).mean())
        assert found.train_curve[epoch] == pytest.approx(total / rows, rel=1e-5)
        assert found.curve[epoch] == pytest.approx(validation, rel=1e-5)


@pytest.mark.parametrize(("patience", "min_delta"), [(1, 0.0), (3, 0.0), (2, 0.05)])
def test_early_stopping_waits_for_the_data_loss_and_keeps_the_best_epoch(patience, min_delta):
    network = graph((32, 32), activation="relu", learning_rate=0.05, l2=0.001)
    prepared, epochs = data(num_rows=60), 14
    (full,) = trained(single(prepared, patience=None), [task(network, epochs)]).values()
    assert full.epochs == epochs
    reference, waited, expected = math.inf, 0, epochs
    for epoch, loss in enumerate(full.curve, start=1):
        waited += 1
        if loss + min_delta < reference:
            reference, waited = loss, 0
        if waited >= patience:
            expected = epoch
            break
    (found,) = trained(single(prepared, patience=patience, min_delta=min_delta), [task(network, epochs)]).values()
    assert found.epochs == expected < epochs
    assert found.curve == full.curve[:expected]
    assert found.best_epoch == int(np.argmin(found.curve)) + 1


def test_weights_and_scores_are_those_of_the_best_epoch():
    from evonas.training.model import build_model, set_weights
    from evonas.training.single import raw_outputs

    prepared = data(num_rows=60)
    network = graph((32, 32), activation="relu", normalization="batch", dropout=0.2, learning_rate=0.05)
    (found,) = trained(single(prepared), [task(network, 12)]).values()
    assert found.best_epoch < found.epochs
    model, split = build_model(network, 4, 1), prepared.splits[0]
    set_weights(model, found.weights)
    outputs = raw_outputs(model, split.x_validation)
    assert np.mean((outputs - split.y_validation) ** 2) == pytest.approx(min(found.curve), rel=1e-5)
    assert scores(prepared.problem, split.y_validation, outputs) == pytest.approx(dict(found.scores), rel=1e-5)


def test_a_diverged_network_fails_and_leaves_its_neighbours_alone():
    bad = task(graph((8,), activation="linear", optimizer="momentum", learning_rate=100.0), epochs=10)
    good = task(graph((8,), dropout=0.3), seed=5)
    trainer = single(data())
    found = trained(trainer, [bad, good])
    assert found[0].status is Status.FAILED
    assert "diverged" in found[0].reason
    assert found[0].scores == {}
    assert found[0].weights is None
    alone = trained(trainer, [bad, good], frozenset({0}))
    assert alone.keys() == {1}
    assert alone[1].curve == found[1].curve
    assert alone[1].scores == found[1].scores
    for name, value in found[1].weights.items():
        np.testing.assert_array_equal(alone[1].weights[name], value)


def test_folds_and_replicates_are_averaged():
    from evonas.training.combine import member_seed

    prepared, one = data(folds=2), task(graph((8,)))
    (found,) = trained(single(prepared, replicates=2), [one]).values()
    firsts = []
    for fold, split in enumerate(prepared.splits):
        for replicate in range(2):
            seed = member_seed(one.seed, fold, replicate)
            firsts += trained(single(replace(prepared, splits=(split,))), [replace(one, seed=seed)]).values()
    assert found.scores["rmse"] == pytest.approx(np.mean([e.scores["rmse"] for e in firsts]), rel=1e-12)
    np.testing.assert_array_equal(found.weights["output/kernel"], firsts[0].weights["output/kernel"])


def test_out_of_memory_is_a_value_and_other_errors_are_not(monkeypatch):
    from evonas.training import single as module

    class ResourceExhaustedError(Exception):
        pass

    for error in (
        ResourceExhaustedError("OOM when allocating"),
        RuntimeError("RESOURCE_EXHAUSTED: ..."),
        MemoryError(),
    ):

        def refuse(*_, error=error):
            raise error

        monkeypatch.setattr(module, "fit_epochs", refuse)
        (found,) = trained(single(data()), [task(graph())]).values()
        assert found.status is Status.FAILED
        assert "out of memory" in found.reason

    def fail(*_):
        raise KeyError("a bug")

    monkeypatch.setattr(module, "fit_epochs", fail)
    with pytest.raises(KeyError):
        trained(single(data()), [task(graph())])


def test_mixed_precision_is_scored_as_it_is_exported():
    (found,) = trained(single(data(), precision="bfloat16"), [task(graph((16,)))]).values()
    assert found.status is Status.OK
    assert all(value.dtype == np.float32 for value in found.weights.values())


def test_going_on_gives_the_bits_of_an_unbroken_training():
    prepared = data(weighted=True)
    network = graph((16, 8), normalization="batch", dropout=0.2, optimizer="nadam", schedule="cosine", warmup=0.1)
    (whole,) = trained(single(prepared), [task(network, 4)]).values()
    rung = replace(task(network, 2), horizon=4, keep_snapshots=True)
    (first,) = trained(single(prepared), [rung]).values()
    (rest,) = trained(single(prepared), [replace(task(network, 4), start=first.snapshots)]).values()
    assert (rest.curve, rest.train_curve, rest.scores) == (whole.curve, whole.train_curve, whole.scores)
    child = replace(task(graph((24, 8)), 1), start=first.snapshots, origin=rung.architecture, inherit=True)
    (found,) = trained(single(prepared), [child]).values()
    assert found.epochs == 1
    assert found.curve[0] < first.curve[0]
