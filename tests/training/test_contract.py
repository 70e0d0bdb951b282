"""What a training is, whichever trainer does it: every test runs for each row of `trainers.TRAINERS`.

Trainers that are built on Keras take seconds for what the native one does in milliseconds: `make test` tries them on a
part of the cases, `make soak` on all.

That all give the numbers of Keras is in `test_equivalence.py`.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest

from evonas.data.prepare import prepare_table
from evonas.data.pretrained import PretrainedNetwork
from evonas.evaluation import Status, snapshots_to_arrays
from evonas.metrics.scores import compute_scores, mean_loss
from evonas.networks.forward import forward
from evonas.networks.initial import epoch_order, initial_weights
from evonas.networks.schedule import learning_rates
from evonas.training.replicates import member_seed
from evonas.training_tasks import TrainingSettings
from genomes.architecture.graph import graph_from_json, graph_to_json
from genomes.architecture.layers import NUMERIC_ENCODINGS
from genomes.errors import InputError
from tests.training.networks import data, graph, task, trained
from tests.training.population.programs import assert_alike
from tests.training.trainers import EXACT, TRAINERS, params, the_default_at_once

#: Of different depth, width, wiring, normalisation, batch size and optimizer; "wild" diverges.
CROWD = {
    "relu": graph((8,), activation="relu"),
    "batch norm": graph((20, 6), normalization="batch", dropout=0.2, optimizer="nadam", batch_size=17),
    "skips": graph((5, 9), [(0, 1), (1, 2), (0, 2), (1, 3), (2, 3)], "gelu", optimizer="momentum", batch_size=50),
    "wild": graph((8,), activation="linear", optimizer="momentum", learning_rate=100.0),
    "linear": graph((), l2=0.01, optimizer="sgd", learning_rate=0.05),
    "layer norm": graph((12,), normalization="layer", schedule="cosine", optimizer="rmsprop", dropout=0.4),
    "decay": graph((13, 3), activation="selu", optimizer="adamw", weight_decay=0.1, batch_size=64),
}
TASKS = [replace(task(each, 3 + k % 3, k), keep_snapshots=True) for k, each in enumerate(CROWD.values())]
WILD = list(CROWD).index("wild")
WHOLE, FEW = tuple(range(len(TASKS))), (list(CROWD).index("layer norm"), WILD)
_BEGAN = time.time()
OVERFITS = graph((32, 32), activation="relu", learning_rate=0.05, l2=0.001)


@pytest.fixture(scope="module", params=params())
def name(request):
    return request.param


@pytest.fixture(scope="module")
def make(name):
    """Makes the trainer; each of equal settings and data once."""
    held = {}

    def made(prepared=None, **settings):
        prepared = data() if prepared is None else prepared
        key = id(prepared), tuple(sorted(settings.items()))
        # The data are held, too: an id is that of nothing else.
        held.setdefault(key, (TRAINERS[name](prepared, TrainingSettings(**{"patience": None} | settings)), prepared))
        return held[key][0]

    return made


@pytest.fixture(scope="module")
def crowd(make):
    return trained(make(), TASKS)


@pytest.fixture(scope="module")
def some(make, places):
    """What became of the tasks at the places; a trainer that keeps bits makes the few in a crowd of their own."""
    found = trained(make(), [TASKS[k] for k in places])
    return {places[place]: evaluation for place, evaluation in found.items()}


the_few_at_once = the_default_at_once("places", [WHOLE, FEW], [FEW], compiled=True)


def assert_same_bits(a, b):
    """Two evaluations and all that they carry."""
    # The text has every digit, and a NaN is like another there.
    one, other = (repr(replace(each, train_seconds=0.0, snapshots=(), weights=None)) for each in (a, b))
    assert one == other
    held = [(each.weights or {}) | snapshots_to_arrays(each.snapshots) for each in (a, b)]
    assert held[0].keys() == held[1].keys()
    for part, value in held[0].items():
        np.testing.assert_array_equal(value, held[1][part])


@the_few_at_once
def test_networks_learn_and_are_described(some, places):
    assert some.keys() == set(places)
    for k, (label, network) in enumerate(CROWD.items()):
        if label == "wild" or k not in places:
            continue
        found = some[k]
        assert found.status is Status.OK
        assert found.reason == ""
        assert found.epochs == len(found.curve) == len(found.train_curve) == TASKS[k].epochs
        assert found.best_epoch == int(np.argmin(found.curve)) + 1
        assert found.train_curve[-1] < found.train_curve[0]
        assert found.train_seconds > 0.0
        (span,) = found.spans
        assert 0.0 < span.ended - span.started < time.time() - _BEGAN
        assert span.started >= _BEGAN
        assert found.parameters == sum(value.size for part, value in found.weights.items() if "/moving_" not in part), (
            label
        )
        (snapshot,) = found.snapshots
        assert snapshot.epoch == found.epochs
        assert len(network) == 2 + sum(part.startswith("layer_") and "kernel" in part for part in found.weights)


@the_few_at_once
def test_weights_and_scores_are_those_of_the_best_epoch(some, places):
    """By a forward pass of their own, which `test_inheritance.py` holds against Keras."""
    prepared = data()
    split = prepared.splits[0]
    for k, network in enumerate(CROWD.values()):
        if k != WILD and k in places:
            outputs = forward(network, some[k].weights, split.x_validation).outputs[len(network) - 1]
            loss = mean_loss(prepared.problem, "mse", split.y_validation, outputs)
            assert loss == pytest.approx(min(some[k].curve), rel=2e-5)
            found = compute_scores(prepared.problem, split.y_validation, outputs)
            assert dict(some[k].scores) == pytest.approx(found, rel=1e-5)


@the_few_at_once
def test_a_diverged_network_fails_in_words(some):
    found = some[WILD]
    assert found.status is Status.FAILED
    assert "diverged" in found.reason
    assert (dict(found.scores), found.weights) == ({}, None)
    assert found.epochs == len(found.curve) < 10
    assert not math.isfinite(found.curve[-1])


@the_default_at_once()
def test_what_is_done_is_left_out_and_changes_nothing(make, name, crowd):
    """Nor does who trains beside whom: a resumed run trains only what is missing."""
    found = trained(make(), TASKS, frozenset({0, 2, WILD}))
    assert found.keys() == set(range(len(TASKS))) - {0, 2, WILD}
    for k, evaluation in found.items():
        assert_same_bits(evaluation, crowd[k])
    assert trained(make(), TASKS, frozenset(range(len(TASKS)))) == {}
    (alone,) = trained(make(), [TASKS[1]]).values()
    assert_same_bits(alone, crowd[1]) if name in EXACT else assert_alike(alone, crowd[1])


@the_default_at_once()
def test_the_order_of_the_tasks_changes_nothing(make, name, crowd):
    order = [5, 1, 0, WILD]
    found = trained(make(), [TASKS[k] for k in order])
    for place, k in enumerate(order):
        assert_same_bits(found[place], crowd[k]) if name in EXACT else assert_alike(found[place], crowd[k])


@the_default_at_once()
def test_seeds_matter(make, crowd):
    found = trained(make(), [replace(TASKS[k], seed=TASKS[k].seed + 50) for k in (0, 1)])
    assert all(found[k].curve != crowd[k].curve for k in (0, 1))


KINDS = [
    ("multi", "auto", {"rmse", "r2"}),
    ("regression", "huber", {"rmse", "r2"}),
    ("binary", "auto", {"log_loss", "auc"}),
    ("multiclass", "auto", {"log_loss", "accuracy"}),
]


@the_default_at_once("kind, loss, metrics", KINDS, KINDS[-1:])
def test_every_kind_of_target_is_learnt_with_weighted_rows(make, kind, loss, metrics):
    plain, weighted = data(kind), data(kind, weighted=True)
    (found,) = trained(make(weighted, loss=loss), [task(graph((16,)), 6)]).values()
    (other,) = trained(make(plain, loss=loss), [task(graph((16,)), 6)]).values()
    assert found.scores.keys() >= metrics
    assert found.train_curve[-1] < found.train_curve[0]
    assert found.curve != other.curve


def test_a_training_is_what_the_numbers_say(make):
    """SGD on a linear network, by hand: data order, last batch, sample weights, penalty, rates, curves."""
    prepared = data(weighted=True)
    split = prepared.splits[0]
    l2, epochs, batch = 0.01, 3, 64
    training = {"optimizer": "sgd", "learning_rate": 0.1, "schedule": "exponential", "warmup": 0.2, "batch_size": batch}
    network = graph((), l2=l2, **training)
    (found,) = trained(make(prepared), [task(network, epochs, seed=11)]).values()

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


@pytest.fixture(scope="module")
def overfitted(make):
    """A long training that gets worse now and then, and what it trained on."""
    prepared = data(num_rows=60)
    (full,) = trained(make(prepared), [task(OVERFITS, 14)]).values()
    assert full.epochs == 14
    assert (np.diff(full.curve) > 0).any()
    return prepared, full


@the_default_at_once("patience, min_delta", [(1, 0.0), (3, 0.0), (2, 0.05)], [(2, 0.05)])
def test_early_stopping_waits_for_the_data_loss_and_keeps_the_best_epoch(make, overfitted, patience, min_delta):
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
    one = replace(task(OVERFITS, 14), keep_snapshots=True)
    (found,) = trained(make(prepared, patience=patience, min_delta=min_delta), [one]).values()
    assert found.epochs == expected
    assert found.curve == pytest.approx(full.curve[:expected], rel=1e-6)
    assert found.best_epoch == int(np.argmin(full.curve[:expected])) + 1
    # The snapshot is of the last epoch, not of one that others continued to.
    (straight,) = trained(make(prepared), [replace(one, epochs=expected, horizon=14)]).values()
    (a,), (b,) = found.snapshots, straight.snapshots
    assert (a.epoch, a.waited) == (expected, patience)
    for part in ("weights", "first", "second"):
        for key, value in getattr(b, part).items():
            np.testing.assert_allclose(getattr(a, part)[key], value, rtol=1e-4, atol=1e-6)


@the_default_at_once()
def test_folds_and_replicates_are_averaged(make, name):
    prepared, one = data(folds=2), replace(task(graph((8,), dropout=0.1)), keep_snapshots=True)
    whole = make(prepared, replicates=2)
    (found,) = trained(whole, [one]).values()
    rel = 1e-12 if name in EXACT else 1e-5
    parts = []
    for replicate in range(2):
        for fold, split in enumerate(prepared.splits):
            seed = member_seed(one.seed, fold, replicate)
            parts += trained(make(replace(prepared, splits=(split,))), [replace(one, seed=seed)]).values()
    assert found.scores["rmse"] == pytest.approx(np.mean([e.scores["rmse"] for e in parts]), rel=rel)
    assert found.curve == pytest.approx(np.mean([e.curve for e in parts], axis=0), rel=rel)
    assert len({e.curve for e in parts}) == len(found.snapshots) == 4
    np.testing.assert_allclose(found.weights["output/kernel"], parts[0].weights["output/kernel"], rtol=1e-4, atol=1e-5)
    (again,) = trained(whole, [replace(one, epochs=5, start=found.snapshots)]).values()
    assert [snapshot.epoch for snapshot in again.snapshots] == [5] * 4


@the_default_at_once()
def test_one_fold_alone_is_what_it_is_among_all(make, name):
    whole, one = make(data(folds=3)), task(graph((8,), dropout=0.1))
    found = trained(whole, [one, replace(one, fold=0), replace(one, fold=1), replace(one, fold=2)])
    rel = 1e-12 if name in EXACT else 1e-5
    assert found[0].scores["rmse"] == pytest.approx(np.mean([found[k].scores["rmse"] for k in (1, 2, 3)]), rel=rel)
    assert len({found[k].curve for k in (1, 2, 3)}) == 3


@the_default_at_once()
def test_one_fold_that_fails_is_a_failure_of_all(make):
    prepared = data(folds=2)
    broken = replace(prepared.splits[1], y_validation=np.full_like(prepared.splits[1].y_validation, np.nan))
    (found,) = trained(make(replace(prepared, splits=(prepared.splits[0], broken))), [TASKS[0]]).values()
    assert found.status is Status.FAILED
    assert (found.weights, found.snapshots) == (None, ())


RUNGS = {
    "batch norm": graph((9,), normalization="batch", schedule="cosine", warmup=0.2),
    "nadam": graph((9, 5), optimizer="nadam", normalization="batch", batch_size=31, dropout=0.2),
    "momentum": graph((7,), optimizer="momentum", normalization="layer", schedule="exponential"),
    "skips": graph((5,), [(0, 1), (0, 2), (1, 2)], optimizer="rmsprop"),
    "adamw": graph((5,), optimizer="adamw", weight_decay=0.1),
    "sgd": graph((5,), optimizer="sgd", learning_rate=0.05),
}


@the_default_at_once("labels", [tuple(RUNGS), ("batch norm",)], [("batch norm",)], compiled=True)
def test_going_on_gives_the_bits_of_an_unbroken_training(make, name, labels):
    """Three epochs, and two more: of folds, through what files hold."""
    folds = 2 if len(labels) > 1 else 1
    networks = {label: RUNGS[label] for label in labels if name != "single" or label in ("nadam", "batch norm")}
    tasks = [replace(task(each, 5, k), keep_snapshots=True) for k, each in enumerate(networks.values())]
    one = make(data(folds=folds))
    straight = trained(one, tasks)
    firsts = trained(one, [replace(each, epochs=3, horizon=5) for each in tasks])
    seconds = trained(one, [replace(each, start=firsts[k].snapshots) for k, each in enumerate(tasks)])
    for k in range(len(tasks)):
        assert [snapshot.epoch for snapshot in firsts[k].snapshots] == [3] * folds
        assert firsts[k].curve == straight[k].curve[:3]
        assert_same_bits(seconds[k], straight[k])


@the_default_at_once()
def test_going_on_with_other_settings_waits_anew_and_with_other_layers_is_refused(make):
    one, hasty = make(patience=2), graph((6,), learning_rate=0.5)
    (first,) = trained(one, [replace(task(hasty, 30), keep_snapshots=True)]).values()
    assert first.epochs < 30
    there = graph_to_json(hasty)
    calm = replace(task(graph((6,), optimizer="sgd", learning_rate=1e-4), 40), start=first.snapshots)
    (second,) = trained(one, [replace(calm, origin=there)]).values()
    assert second.curve[: first.epochs] == first.curve
    assert second.epochs >= first.epochs + 2
    with pytest.raises(InputError, match="only with the layers"):
        trained(one, [replace(task(graph((7,)), 40), start=first.snapshots, origin=there)])


@the_default_at_once()
def test_a_child_begins_where_its_parent_was_best(make):
    """Wider and deeper, in both folds: one step at next to no rate away from the parent's best outputs."""
    still = {"optimizer": "sgd", "learning_rate": 1e-9}
    parent, child = graph((6,), activation="relu"), graph((9, 9), activation="relu", **still)
    one = make(data(folds=2), replicates=2)
    (taught,) = trained(one, [replace(task(parent, 6), keep_snapshots=True)]).values()
    heir = replace(task(child, 1), start=taught.snapshots, origin=graph_to_json(parent), inherit=True)
    (found,) = trained(one, [heir]).values()
    assert found.epochs == 1
    assert found.scores["rmse"] == pytest.approx(taught.scores["rmse"], rel=1e-4)


@the_default_at_once()
def test_a_donor_of_the_same_problem_is_where_it_begins(make):
    """Its features are in another order there."""
    network = graph((6, 5), activation="relu", optimizer="sgd", learning_rate=1e-9)
    (taught,) = trained(make(), [task(graph((6, 5), activation="relu"), 5)]).values()
    prepared = data()
    problem = replace(prepared.problem, feature_names=tuple("abcd"), target_names=("y",))
    given = PretrainedNetwork(graph_to_json(network), taught.weights, tuple("abcd"), ("y",), ())
    (found,) = trained(make(replace(prepared, problem=problem, pretrained=given)), [task(network, 1)]).values()
    assert found.curve[0] == pytest.approx(min(taught.curve), rel=1e-4)


@the_default_at_once()
def test_a_form_of_numbers_is_seen_as_if_there_were_no_other(make, name):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"a": rng.normal(size=200), "b": np.exp(rng.normal(0, 1, 200))})
    prepared = prepare_table(frame.assign(y=np.sin(3 * frame.a) + frame.b), "y", seed=0, numbers=NUMERIC_ENCODINGS)
    forms = NUMERIC_ENCODINGS if name != "single" else NUMERIC_ENCODINGS[:2]
    tasks = []
    for form in forms:
        network = graph((6,))
        network.nodes[0]["numbers"] = form
        tasks.append(task(graph_from_json(graph_to_json(network)), 2))
    found = trained(make(prepared), tasks)
    for k, form in enumerate(forms):
        (alone,) = trained(make(prepared.for_views(form)), [tasks[k]]).values()
        assert_same_bits(found[k], alone) if name in EXACT else assert_alike(found[k], alone, rel=1e-4)
        assert found[k].parameters == 6 * (len(prepared.problem.columns(form)) + 1) + 7
    assert len({each.curve for each in found.values()}) == len(forms)


BUDGETS = [{"epochs": 2}, {"epochs": 1}, {"epochs": 4, "horizon": 3}]


@the_default_at_once("budget", BUDGETS, BUDGETS[-1:])
def test_budgets_that_leave_nothing_to_train_or_no_rates_are_refused(make, name, budget):
    """Nothing is left at or below the snapshot's epoch; the schedule has no rates past its horizon."""
    if name == "single":
        pytest.skip("it takes what it is given")
    each = replace(task(graph((6,)), 2), keep_snapshots=True)
    (first,) = trained(make(), [each]).values()
    with pytest.raises(InputError, match="epoch"):
        trained(make(), [replace(each, start=first.snapshots, **budget)])
