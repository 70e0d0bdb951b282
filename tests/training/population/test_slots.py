"""Slots: who trains when, and the move to a smaller program. With programs that record their calls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evonas.training.population.cost import CPU
from evonas.training.population.planner import Planner
from tests.training.networks import data, graph, task, train_all
from tests.training.population.programs import ONE_PROGRAM, assert_alike, trainer

pytestmark = pytest.mark.keras

#: Ends of very different trainings: one outlives all the others.
TASKS = [
    task(graph((6,), dropout=0.2, normalization="batch"), epochs, seed) for seed, epochs in enumerate([2, 40, 3, 1])
]


class Noting:
    """Programs that record their shape and how many slots train."""

    def __init__(self, made):
        self._programs, self.calls = made._programs, []
        self.shapes = []

    def __call__(self, shape):
        program = self._programs(shape)

        def noted(state, members, schedule, data):
            self.shapes.append(shape)
            self.calls.append(np.asarray(schedule["remaining"]).tolist())
            return program(state, members, schedule, data)

        return noted


def noted(device, tasks, prepared=None, **settings):
    made = trainer(prepared, device, **settings)
    made._programs = Noting(made)
    return train_all(made, tasks), made._programs


@pytest.fixture(scope="module")
def together():
    return noted(replace(ONE_PROGRAM, slots=(4,)), TASKS)


@pytest.mark.soak
def test_the_last_networks_move_to_a_smaller_program_when_that_pays_off(together):
    straight, kept = together
    assert {shape.slots for shape in kept.shapes} == {4}
    # Compiling is free here, so it pays off as soon as half the slots are idle; steps cost by the slot.
    free = replace(CPU, slots=(4,), compile_seconds=0.0, node_compile_seconds=0.0, step_overhead=0.0)
    found, programs = noted(free, TASKS)
    slots = [shape.slots for shape in programs.shapes]
    assert slots[0] == 4
    assert slots[-1] == 1
    assert slots == sorted(slots, reverse=True)
    for k in range(len(TASKS)):
        assert_alike(found[k], straight[k], rel=1e-5)


@pytest.mark.soak
def test_more_members_than_slots_are_seated_as_slots_become_free():
    tasks = [task(graph((6,)), epochs, seed) for seed, epochs in enumerate([40, 3, 3, 20, 1, 2, 18])]
    found, programs = noted(replace(ONE_PROGRAM, slots=(2,)), tasks)
    assert {shape.slots for shape in programs.shapes} == {2}
    shape = programs.shapes[0]
    assert 1 < shape.epochs < 40
    # Nobody trains past the budget, and all of it is trained.
    assert sum(map(sum, programs.calls)) == sum(each.epochs for each in tasks)
    assert all(max(call) <= shape.epochs for call in programs.calls)
    # No slot idles while a network waits: idle slots occur in the last calls only.
    idle = [0 in call for call in programs.calls]
    assert idle == sorted(idle)
    alone, _ = noted(replace(ONE_PROGRAM, slots=(1,)), tasks)
    for k, each in enumerate(tasks):
        assert found[k].epochs == each.epochs
        assert_alike(found[k], alone[k])


def test_stopped_members_stop_costing():
    """A part whose members have all stopped does not train to the end of their budgets."""
    prepared = data(num_rows=60)
    tasks = [task(graph((32, 32), activation="relu", learning_rate=0.05), 400, seed) for seed in range(4)]
    found, programs = noted(replace(ONE_PROGRAM, slots=(2,)), tasks, prepared, patience=2)
    assert all(each.epochs < 60 for each in found.values())
    shape = programs.shapes[0]
    assert len(programs.calls) <= sum(-(-each.epochs // shape.epochs) for each in found.values())


@pytest.mark.soak
def test_diverged_members_leave_their_slot_to_the_next():
    bad = graph((6,), activation="linear", optimizer="momentum", learning_rate=100.0)
    fine = graph((6,), activation="linear", optimizer="momentum", learning_rate=0.001)
    device = replace(ONE_PROGRAM, slots=(1,))
    found, programs = noted(device, [task(bad, 200), task(fine, 5)])
    assert len(programs.calls) <= 4
    after, _ = noted(device, [task(fine, 5)])
    # The slot keeps nothing of its former network, neither a NaN nor a moment.
    assert_alike(found[1], after[0], rel=0.0)


@pytest.mark.soak
def test_networks_with_different_batch_sizes_take_their_own_steps():
    tasks = [task(graph((6,), batch_size=size), 4, 1) for size in (5, 64, 150, 149)]
    found, programs = noted(replace(ONE_PROGRAM, slots=(4,)), tasks)
    assert len(set(programs.shapes)) == 1
    for k, each in enumerate(tasks):
        alone, _ = noted(replace(CPU, slots=(1,)), [each])
        assert_alike(found[k], alone[0])


@pytest.mark.soak
def test_neighbours_and_slots_change_no_bit():
    """A resumed run trains only what is missing, beside other networks and in other slots."""
    kinds = (
        {"activation": "gelu", "normalization": "batch", "optimizer": "adam"},
        {"activation": "tanh", "normalization": "layer", "optimizer": "nadam", "dropout": 0.2},
        {"activation": "relu", "optimizer": "momentum", "learning_rate": 0.01},
    )
    crowd = [task(graph((7 + k, 20), batch_size=(16, 64)[k % 2], **kinds[k % 3]), 3 + k % 3, k) for k in range(9)]
    device = replace(ONE_PROGRAM, slots=(4,))
    whole, programs = noted(device, crowd)
    assert len(set(programs.shapes)) == 1
    made = trainer(device=device)
    rest = dict(item for part in made.train(crowd, frozenset({0, 2, 3, 6, 7})) for item in part.items())
    assert made._planner.shape_cache == [programs.shapes[0]]
    for k in (1, 4, 5, 8):
        assert rest[k].curve == whole[k].curve
        assert all((rest[k].weights[name] == value).all() for name, value in whole[k].weights.items())


def test_a_cancelled_table_returns():
    from evonas.training.population.layout import Fold, PopulationMember
    from evonas.training.population.network import Network
    from evonas.training.population.slots import Stopping, run_slots

    network = Network.from_graph(graph((6,)))
    made = trainer()
    (part,) = Planner(CPU).plan([network], [10], made._workload)
    member = PopulationMember(network, dict, 0, 10, 10, Fold(0, 150, 0, 50))
    found = run_slots(None, part.shape, lambda _: [(0, member)], {}, Stopping(None, 0.0), CPU, lambda: True)
    assert list(found) == []
