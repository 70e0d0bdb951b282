"""The population trainer: what may and may not affect a network's result, and failures.

`test_contract.py` tests what it has in common with every other trainer.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from evonas.evaluation import Status
from evonas.metrics.scores import compute_scores
from tests.training.networks import data, graph, task, train_all
from tests.training.population.programs import EACH_ITS_OWN, ONE_PROGRAM, assert_alike, trainer

pytestmark = pytest.mark.keras
#: Each compiles separate programs, for ten seconds and more.
long = pytest.mark.soak

#: Networks with different depth, width, wiring, normalisation, batch size and optimizer.
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


@pytest.fixture(scope="module")
def shared():
    """A trainer that puts all networks into one program of 8 slots."""
    return trainer(device=replace(ONE_PROGRAM, slots=(8,)))


@pytest.fixture(scope="module")
def crowd(shared):
    found = train_all(shared, TASKS)
    assert found.keys() == set(range(len(TASKS)))
    assert len(shared.state()) == 1
    return found


@long
@pytest.mark.soak
def test_a_network_alone_equals_the_network_in_a_population(crowd):
    alone = trainer(device=EACH_ITS_OWN)
    found = train_all(alone, TASKS)
    assert len(alone.state()) == len(CROWD)
    for k in range(len(TASKS)):
        assert_alike(found[k], crowd[k])


@long
@pytest.mark.soak
def test_slots_grouping_and_order_change_nothing(crowd):
    """Three slots, each of which takes the next waiting network; then the generation reversed, among other networks."""
    few = trainer(device=replace(ONE_PROGRAM, slots=(3,)))
    order = list(range(len(TASKS)))[::-1]
    found = train_all(few, [TASKS[k] for k in order] + [task(graph((11, 4)), 2, 77)])
    (shape,) = few.state()
    assert shape["slots"] == 3
    for index, k in enumerate(order):
        assert_alike(found[index], crowd[k])


@pytest.mark.soak
def test_the_same_call_again_gives_the_same_bits(shared, crowd):
    found = train_all(shared, TASKS)
    for k in range(len(TASKS)):
        assert_alike(found[k], crowd[k], rel=0.0)


@pytest.mark.parametrize(
    "device", [pytest.param(replace(ONE_PROGRAM, slots=(4,)), marks=long), replace(ONE_PROGRAM, slots=(2,))]
)
def test_a_diverged_network_fails_and_its_neighbours_keep_their_bits(device):
    bad = graph((8,), activation="linear", optimizer="momentum", learning_rate=100.0)
    tame = graph((8,), activation="linear", optimizer="momentum", learning_rate=0.001)
    one = trainer(device=device)
    good = [task(graph((8,), dropout=0.3, normalization="batch"), 6, 5), task(graph((6,)), 6), task(graph((7,)), 6)]
    with_bad = train_all(one, [task(bad, 6), *good])
    assert with_bad[0].status is Status.FAILED
    assert "diverged" in with_bad[0].reason
    assert dict(with_bad[0].scores) == {}
    assert with_bad[0].weights is None
    assert with_bad[0].epochs == len(with_bad[0].curve) < 6
    assert not math.isfinite(with_bad[0].curve[-1])
    without = train_all(one, [task(tame, 6), *good])
    assert without[0].status is Status.OK
    for k in range(1, 4):
        assert_alike(with_bad[k], without[k], rel=0.0)


@long
def test_half_precision_is_close_and_scored_as_exported():
    """As in `SingleTrainer`: the exported network computes in float32, so its score uses float32 outputs."""
    from evonas.training.model import build_model, set_weights
    from evonas.training.single.graph_model import raw_outputs

    prepared, network = data(), graph((16, 8), activation="relu")
    (exact,) = train_all(trainer(prepared), [task(network, 4)]).values()
    (found,) = train_all(trainer(prepared, precision="bfloat16"), [task(network, 4)]).values()
    assert found.status is Status.OK
    assert all(value.dtype == np.float32 for value in found.weights.values())
    np.testing.assert_allclose(found.curve, exact.curve, rtol=0.05)
    assert found.curve != exact.curve
    model, split = build_model(network, 4, 1), prepared.splits[0]
    set_weights(model, found.weights)
    outputs = raw_outputs(model, split.x_validation)
    assert compute_scores(prepared.problem, split.y_validation, outputs) == pytest.approx(dict(found.scores), rel=1e-5)


class Refusing:
    """Programs some of which are refused for lack of memory."""

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


@pytest.mark.parametrize("most", [2, pytest.param(8, marks=long)])
@pytest.mark.soak
def test_out_of_memory_halves_the_group(crowd, most):
    one = trainer(device=replace(ONE_PROGRAM, slots=(most,)))
    one._programs = Refusing(one, lambda shape: shape.slots < 2)
    found = train_all(one, TASKS[:most])
    slots = [shape.slots for shape in one._programs.asked]
    assert list(dict.fromkeys(slots)) == [slots for slots in (8, 4, 2, 1) if slots <= most]
    for k in range(len(TASKS[:most])):
        assert_alike(found[k], crowd[k])


def test_too_large_even_alone_is_a_failure_with_a_reason():
    one = trainer(device=replace(ONE_PROGRAM, slots=(2,)))
    one._programs = Refusing(one, lambda shape: False)
    found = train_all(one, TASKS[:2])
    for k in range(2):
        assert found[k].status is Status.FAILED
        assert "out of memory" in found[k].reason
        assert found[k].weights is None


@long
@pytest.mark.soak
def test_one_oversized_network_does_not_fail_its_neighbours(crowd):
    """Their own shape would have fitted; their results must not depend on their neighbours."""
    one = trainer(device=ONE_PROGRAM)
    one._programs = Refusing(one, lambda shape: max(shape.widths, default=0) < 500)
    found = train_all(one, [*TASKS[:2], task(graph((600,)), 3)])
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
        train_all(one, TASKS[:1])


@long
def test_leaving_early_stops_the_thread():
    import threading

    before = threading.active_count()
    one = trainer(device=EACH_ITS_OWN)
    parts = one.train([task(graph((6,)), 3, seed) for seed in range(3)] + [task(graph((6, 6)), 50)], frozenset())
    next(parts)
    parts.close()
    assert threading.active_count() <= before + 1


@long
@pytest.mark.soak
def test_a_resumed_planner_trains_to_the_same_bits(crowd, shared):
    fresh = trainer(device=replace(ONE_PROGRAM, slots=(8,)))
    fresh.restore(shared.state())
    found = train_all(fresh, TASKS[:3])
    again = train_all(shared, TASKS[:3])
    for k in range(3):
        assert_alike(found[k], again[k], rel=0.0)
