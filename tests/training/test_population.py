"""The population trainer: what a network's result may and may not depend on, and how trainings end."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from evonas.evaluation import Status
from evonas.scoring import scores
from evonas.snapshot import snapshots_to_arrays
from evonas.training.combine import member_seed
from evonas.training.cost import CPU
from evonas.training.packing import Planner
from evonas.training.trainer import TrainingSettings
from genomes.architecture import graph_to_json
from genomes.errors import InputError

from .networks import data, graph, task, trained

pytestmark = pytest.mark.keras

#: Of different depth, width, wiring, normalisation, batch size and optimizer.
CROWD = [
    graph((8,), activation="relu"),
    graph((20, 6), normalization="batch", dropout=0.2, optimizer="nadam", batch_size=17),
    graph((5, 9, 7), [(0, 1), (1, 2), (0, 3), (2, 3), (1, 4), (3, 4)], "gelu", optimizer="momentum", batch_size=50),
    graph((), l2=0.01, optimizer="sgd", learning_rate=0.05),
    graph((12,), normalization="layer", schedule="cosine", optimizer="rmsprop", dropout=0.4),
    graph((33, 3), activation="selu", optimizer="adamw", weight_decay=0.1, batch_size=64),
    graph((8,), activation="silu", batch_size=150),
]
TASKS = [task(network, epochs=3 + k % 3, seed=k) for k, network in enumerate(CROWD)]
#: No compilation pays, so that all share one program.
ONE_PROGRAM = replace(CPU, compile_seconds=1e9, lanes=1)
EACH_ITS_OWN = replace(CPU, compile_seconds=0.0, node_compile_seconds=0.0, slots=(1,), lanes=2)


def trainer(prepared=None, device=None, **settings):
    from evonas.training.population import PopulationTrainer

    made = PopulationTrainer(prepared or data(), TrainingSettings(**{"patience": None} | settings))
    if device is not None:
        made._planner = Planner(device)
    return made


def assert_alike(a, b, rel=1e-5):
    """Two evaluations of the same training; with `rel` 0, to the bit."""
    assert (a.status, a.reason, a.epochs, a.best_epoch) == (b.status, b.reason, b.epochs, b.best_epoch)
    np.testing.assert_allclose(a.curve, b.curve, rtol=rel)
    np.testing.assert_allclose(a.train_curve, b.train_curve, rtol=rel)
    assert dict(a.scores) == (pytest.approx(dict(b.scores), rel=rel) if rel else dict(b.scores))
    if a.weights is not None:
        assert a.weights.keys() == b.weights.keys()
        for name, value in a.weights.items():
            np.testing.assert_allclose(value, b.weights[name], rtol=10 * rel, atol=10 * rel)


@pytest.fixture(scope="module")
def shared():
    """A trainer that puts all into one program of 8 slots."""
    return trainer(device=replace(ONE_PROGRAM, slots=(8,)))


@pytest.fixture(scope="module")
def crowd(shared):
    found = trained(shared, TASKS)
    assert found.keys() == set(range(len(TASKS)))
    assert len(shared.state()) == 1
    return found


def test_networks_learn_and_are_described(crowd):
    for k, one in enumerate(TASKS):
        found = crowd[k]
        assert found.status is Status.OK
        assert found.epochs == len(found.curve) == len(found.train_curve) == one.epochs
        assert found.best_epoch == int(np.argmin(found.curve)) + 1
        assert found.train_curve[-1] < found.train_curve[0]
        assert found.snapshots == ()
        assert found.train_seconds > 0.0


def test_a_network_alone_is_the_network_in_the_crowd(crowd):
    alone = trainer(device=EACH_ITS_OWN)
    found = trained(alone, TASKS)
    assert len(alone.state()) == len(CROWD)
    for k in range(len(TASKS)):
        assert_alike(found[k], crowd[k])


def test_slots_grouping_and_order_change_nothing(crowd):
    """Three slots, of which each takes the next who waits; and the generation backwards, with strangers."""
    few = trainer(device=replace(ONE_PROGRAM, slots=(3,)))
    order = list(range(len(TASKS)))[::-1]
    found = trained(few, [TASKS[k] for k in order] + [task(graph((11, 4)), 2, 77)])
    (shape,) = few.state()
    assert shape["slots"] == 3
    for place, k in enumerate(order):
        assert_alike(found[place], crowd[k])


def test_the_same_call_again_gives_the_same_bits(shared, crowd):
    found = trained(shared, TASKS)
    for k in range(len(TASKS)):
        assert_alike(found[k], crowd[k], rel=0.0)


def test_done_leaves_out_and_changes_no_bit():
    device = replace(ONE_PROGRAM, slots=(2,))
    one, tasks = trainer(device=device), [replace(TASKS[0], seed=seed) for seed in range(6)]
    full = trained(one, tasks)
    some = trained(one, tasks, frozenset({0, 3, 5}))
    assert some.keys() >= {1, 2, 4}
    assert some.keys() <= {1, 2, 4}
    for k in some:
        assert_alike(some[k], full[k], rel=0.0)
    assert trained(one, tasks, frozenset(range(6))) == {}


def test_seeds_matter(shared, crowd):
    other = trained(shared, [replace(one, seed=one.seed + 50) for one in TASKS])
    assert all(other[k].curve != crowd[k].curve for k in range(len(TASKS)))


def test_the_weights_give_the_recorded_score(crowd):
    from evonas.training.model import build_model, set_weights
    from evonas.training.single import raw_outputs

    prepared = data()
    split = prepared.splits[0]
    for k, network in enumerate(CROWD):
        model = build_model(network, 4, 1)
        set_weights(model, crowd[k].weights)
        outputs = raw_outputs(model, split.x_validation)
        assert scores(prepared.problem, split.y_validation, outputs) == pytest.approx(dict(crowd[k].scores), rel=1e-5)
        assert np.mean((outputs - split.y_validation) ** 2) == pytest.approx(min(crowd[k].curve), rel=1e-5)


@pytest.mark.parametrize("device", [replace(ONE_PROGRAM, slots=(4,)), replace(ONE_PROGRAM, slots=(2,))])
def test_a_diverged_network_fails_and_its_neighbours_keep_their_bits(device):
    bad = graph((8,), activation="linear", optimizer="momentum", learning_rate=100.0)
    tame = graph((8,), activation="linear", optimizer="momentum", learning_rate=0.001)
    one = trainer(device=device)
    good = [task(graph((8,), dropout=0.3, normalization="batch"), 6, 5), task(graph((6,)), 6), task(graph((7,)), 6)]
    with_bad = trained(one, [task(bad, 6), *good])
    assert with_bad[0].status is Status.FAILED
    assert "diverged" in with_bad[0].reason
    assert dict(with_bad[0].scores) == {}
    assert with_bad[0].weights is None
    assert with_bad[0].epochs == len(with_bad[0].curve) < 6
    assert not math.isfinite(with_bad[0].curve[-1])
    without = trained(one, [task(tame, 6), *good])
    assert without[0].status is Status.OK
    for k in range(1, 4):
        assert_alike(with_bad[k], without[k], rel=0.0)


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


@pytest.mark.parametrize("task_kind", ["multi", "binary", "multiclass"])
def test_every_task_is_scored(task_kind):
    prepared = data(task_kind, weighted=True)
    (found,) = trained(trainer(prepared), [task(graph((16,)), 8)]).values()
    expected = {"multi": {"rmse", "r2"}, "binary": {"log_loss", "auc"}, "multiclass": {"log_loss", "accuracy"}}
    assert found.scores.keys() >= expected[task_kind]
    assert found.train_curve[-1] < found.train_curve[0]


def test_half_the_precision_is_near_and_scored_as_it_is_exported():
    """As in `SingleTrainer`: the exported network computes in float32, so its score is of float32 outputs."""
    from evonas.training.model import build_model, set_weights
    from evonas.training.single import raw_outputs

    prepared, network = data(), graph((16, 8), activation="relu")
    (exact,) = trained(trainer(prepared), [task(network, 4)]).values()
    (found,) = trained(trainer(prepared, precision="bfloat16"), [task(network, 4)]).values()
    assert found.status is Status.OK
    assert all(value.dtype == np.float32 for value in found.weights.values())
    np.testing.assert_allclose(found.curve, exact.curve, rtol=0.05)
    assert found.curve != exact.curve
    model, split = build_model(network, 4, 1), prepared.splits[0]
    set_weights(model, found.weights)
    outputs = raw_outputs(model, split.x_validation)
    assert scores(prepared.problem, split.y_validation, outputs) == pytest.approx(dict(found.scores), rel=1e-5)


class Refusing:
    """Programs of which some are refused for want of memory."""

    def __init__(self, made, fits):
        self._programs, self._fits, self.asked = made._programs, fits, []
        backend = made._backend
        error = backend.OutOfMemory
        if error.__module__.startswith("tensorflow"):
            self._error = error(None, None, "RESOURCE_EXHAUSTED: OOM when allocating")
        else:
            self._error = error("RESOURCE_EXHAUSTED: out of memory")
        assert backend.is_out_of_memory(self._error)

    def __call__(self, shape):
        self.asked.append(shape)
        if self._fits(shape):
            return self._programs(shape)

        def refuse(*_):
            raise self._error

        return refuse


def test_out_of_memory_halves_the_group(shared, crowd):
    one = trainer(device=replace(ONE_PROGRAM, slots=(8,)))
    one._programs = Refusing(one, lambda shape: shape.slots < 2)
    found = trained(one, TASKS)
    slots = [shape.slots for shape in one._programs.asked]
    assert list(dict.fromkeys(slots)) == [8, 4, 2, 1]
    for k in range(len(TASKS)):
        assert_alike(found[k], crowd[k])


def test_too_large_even_alone_is_a_failure_with_a_reason():
    one = trainer(device=replace(ONE_PROGRAM, slots=(2,)))
    one._programs = Refusing(one, lambda shape: False)
    found = trained(one, TASKS[:2])
    for k in range(2):
        assert found[k].status is Status.FAILED
        assert "out of memory" in found[k].reason
        assert found[k].weights is None


def test_one_oversized_network_does_not_fail_those_that_share_its_program(crowd):
    """Their own shape would have fitted; what becomes of them must not depend on their company."""
    one = trainer(device=ONE_PROGRAM)
    one._programs = Refusing(one, lambda shape: max(shape.widths, default=0) < 500)
    found = trained(one, [*TASKS[:2], task(graph((600,)), 3)])
    assert found[2].status is Status.FAILED
    assert "out of memory" in found[2].reason
    for k in range(2):
        assert_alike(found[k], crowd[k])


def test_other_errors_end_the_run():
    one = trainer()

    def fail(shape):
        raise KeyError("a bug")

    one._programs = fail
    with pytest.raises(KeyError, match="a bug"):
        trained(one, TASKS[:1])


def test_leaving_early_stops_the_lanes():
    import threading

    before = threading.active_count()
    one = trainer(device=replace(EACH_ITS_OWN, lanes=1))
    parts = one.train([task(graph((6,)), 3, seed) for seed in range(3)] + [task(graph((6, 6)), 50)], frozenset())
    next(parts)
    parts.close()
    assert threading.active_count() <= before + 1


def test_a_resumed_planner_trains_to_the_same_bits(crowd, shared):
    fresh = trainer(device=replace(ONE_PROGRAM, slots=(8,)))
    fresh.restore(shared.state())
    found = trained(fresh, TASKS[:3])
    again = trained(shared, TASKS[:3])
    for k in range(3):
        assert_alike(found[k], again[k], rel=0.0)
