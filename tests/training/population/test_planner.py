"""The planner: which networks share a program. Without Keras."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evonas.training.population.cost import CPU, GPU, compile_seconds, pack_bytes, step_microseconds
from evonas.training.population.network import Network
from evonas.training.population.planner import Planner, Workload
from genomes.architecture.layers import NORMALIZATIONS
from genomes.errors import InputError
from tests.training.networks import graph

WORKLOAD = Workload(num_features=8, num_outputs=1, loss="mse", train_rows=1000, validation_rows=300)


@st.composite
def networks(draw, most_units=300):
    """Any network of up to four layers, with skips."""
    depth = draw(st.integers(0, 4))
    widths = draw(st.lists(st.integers(1, most_units), min_size=depth, max_size=depth))
    edges = {(k, k + 1) for k in range(depth + 1)}
    edges |= {tuple(sorted(e)) for e in draw(st.sets(st.tuples(*[st.integers(0, depth + 1)] * 2))) if e[0] != e[1]}
    return Network.from_graph(
        graph(
            widths,
            sorted(edges),
            dropout=draw(st.sampled_from([0.0, 0.2])),
            normalization=draw(st.sampled_from(NORMALIZATIONS)),
            l2=draw(st.sampled_from([0.0, 0.1])),
            batch_size=draw(st.sampled_from([5, 32, 33, 128, 2000])),
        )
    )


def mixed_population(count, seed=0):
    """The mixed population of the benchmarks, with additional genes."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        widths = np.exp(rng.uniform(np.log(8), np.log(128), rng.integers(1, 5))).round().astype(int).tolist()
        edges = [(k, k + 1) for k in range(len(widths) + 1)]
        if len(widths) > 1 and rng.random() < 0.3:
            edges.append((0, len(widths)))
        made.append(
            Network.from_graph(
                graph(
                    widths,
                    edges,
                    normalization=str(rng.choice(NORMALIZATIONS, p=[0.6, 0.2, 0.2])),
                    dropout=float(rng.choice([0.0, 0.1])),
                    batch_size=int(rng.choice([32, 64, 128])),
                )
            )
        )
    return made


def assert_holds(shape, network, workload):
    """The shape has room for the network, and the code supports its operations."""
    assert shape.rows >= network.batch_size
    assert shape.steps >= -(-workload.train_rows // network.batch_size)
    assert shape.chunks * shape.chunk_rows >= workload.validation_rows
    assert len(shape.widths) >= len(network.widths)
    assert all(room >= width for room, width in zip(shape.widths, network.widths, strict=False))
    wired = {(u, shape.output if v == network.output else v) for u, v in network.edges}
    assert wired <= set(shape.edges)
    assert shape.mixed_edges or wired == set(shape.edges)
    assert shape.batch_norm or "batch" not in network.normalizations
    assert shape.layer_norm or "layer" not in network.normalizations
    assert shape.dropout or not any(network.dropouts)
    assert shape.penalised or not any(network.penalties)
    for name in ("num_features", "num_outputs", "loss", "weighted", "precision"):
        assert getattr(shape, name) == getattr(workload, name)
    assert all(shape.sources(node) for node in range(1, shape.output + 1))
    assert shape.epochs >= 1


@settings(max_examples=60)
@given(
    st.lists(st.lists(networks(), min_size=1, max_size=12), min_size=1, max_size=3),
    st.sampled_from([CPU, GPU]),
    st.sampled_from([1 << 18, 1 << 22, 1 << 30]),
)
def test_every_plan_is_sound(generations, device, memory_bytes):
    workload = replace(WORKLOAD, memory_bytes=memory_bytes)
    planner, other = Planner(device), Planner(device)
    for generation in generations:
        epochs = [1 + 7 * k % 30 for k in range(len(generation))]
        parts = planner.plan(generation, epochs, workload)
        # Every member exactly once.
        assert sorted(k for part in parts for k in part.members) == list(range(len(generation)))
        for part in parts:
            for k in part.members:
                assert_holds(part.shape, generation[k], workload)
            assert part.shape.slots in device.slots
            assert part.shape.slots == 1 or pack_bytes(part.shape) <= memory_bytes
            assert part.seconds > 0.0
            assert part.shape in planner.shape_cache
        assert [part.seconds for part in parts] == sorted((part.seconds for part in parts), reverse=True)
        # A pure function of networks and cache, also after a round trip through JSON: a resumed run gets the same plan.
        resumed = Planner(device)
        resumed.restore(json.loads(json.dumps(other.state())))
        assert resumed.plan(generation, epochs, workload) == parts
        other = resumed


@settings(max_examples=40)
@given(st.lists(networks(), min_size=1, max_size=12), st.sampled_from([CPU, GPU]))
def test_the_same_population_again_needs_no_new_program_unless_it_pays(generation, device):
    planner = Planner(device)
    first = planner.plan(generation, [10] * len(generation), WORKLOAD)
    known = set(planner.shape_cache)
    again = planner.plan(generation, [10] * len(generation), WORKLOAD)
    # Compiled shapes are merged first, which can leave networks whose own program is worth compiling.
    new = {part.shape for part in again} - known
    compilation = device.compile_weight * sum(compile_seconds(shape, device) for shape in new)
    assert not new or sum(part.seconds for part in again) + compilation < sum(part.seconds for part in first)
    assert set(planner.shape_cache) == known | new


@settings(max_examples=40)
@given(st.lists(networks(most_units=1024), min_size=2, max_size=8))
def test_sharing_never_makes_a_program_outgrow_the_budget(generation):
    """A program over the budget contains only one network, which exceeds the budget by itself."""
    workload = replace(WORKLOAD, memory_bytes=1 << 22)
    for part in Planner(CPU).plan(generation, [10] * len(generation), workload):
        if pack_bytes(part.shape) > workload.memory_bytes:
            alone = [Planner(CPU).plan([generation[k]], [10], workload)[0].shape for k in part.members]
            assert max(map(pack_bytes, alone)) > workload.memory_bytes


def test_a_network_on_its_own_gets_its_own_shape():
    (part,) = Planner(CPU).plan([Network.from_graph(graph((17, 64)))], [5], WORKLOAD)
    assert part.shape.widths == (32, 64)
    assert part.shape.slots == 1
    assert not any(getattr(part.shape, name) for name in ("mixed_edges", "normalized", "dropout", "penalised"))


def test_compilation_is_weighed_against_padding():
    """Little work shares one program; much work is split, into more programs if compiling is cheaper."""
    population = mixed_population(64)

    def programs(epochs, device):
        return len({part.shape for part in Planner(device).plan(population, [epochs] * 64, WORKLOAD)})

    few, many = programs(1, CPU), programs(3000, CPU)
    assert few < many
    assert programs(100, replace(CPU, compile_seconds=1e6)) == 1
    free = replace(CPU, compile_seconds=0.0, node_compile_seconds=0.0)
    assert programs(100, free) > programs(100, CPU)


def test_a_plan_costs_less_than_one_program_for_all_or_each():
    population, epochs = mixed_population(60, seed=1), [300] * 60

    def cost(device):
        parts = Planner(device).plan(population, epochs, WORKLOAD)
        return sum(p.seconds for p in parts) + sum(compile_seconds(s, CPU) for s in {p.shape for p in parts})

    planned = cost(CPU)
    assert planned < cost(replace(CPU, compile_seconds=1e6))
    assert planned < cost(replace(CPU, compile_seconds=0.0, node_compile_seconds=0.0))


def test_a_gpu_gets_fewer_and_larger_programs():
    population, epochs = mixed_population(256), [30] * 256
    cpu, gpu = (Planner(device).plan(population, epochs, WORKLOAD) for device in (CPU, GPU))
    assert len({part.shape for part in gpu}) < len({part.shape for part in cpu})
    assert max(part.shape.slots for part in gpu) > max(CPU.slots) >= max(part.shape.slots for part in cpu)
    assert len(gpu) < len(cpu)


@pytest.mark.parametrize("device", [CPU, GPU], ids=["cpu", "gpu"])
def test_more_members_never_get_fewer_slots(device):
    slots = []
    for count in (1, 2, 3, 5, 8, 16, 40, 200, 3000):
        parts = Planner(device).plan([Network.from_graph(graph((16, 16)))] * count, [20] * count, WORKLOAD)
        assert len({part.shape for part in parts}) == 1
        slots.append(parts[0].shape.slots)
    assert slots == sorted(slots)
    assert slots[-1] > slots[0] == 1


def test_a_smaller_budget_takes_fewer_slots():
    population = [Network.from_graph(graph((128, 128)))] * 64
    slots = []
    for megabytes in (1, 8, 64, 1024):
        workload = replace(WORKLOAD, memory_bytes=megabytes << 20)
        slots.append(Planner(GPU).plan(population, [20] * 64, workload)[0].shape.slots)
    assert slots == sorted(slots)
    assert slots[0] < slots[-1]


def test_one_part_a_program():
    population = mixed_population(60, 3)
    parts = Planner(CPU).plan(population, [30] * 60, WORKLOAD)
    assert len({part.shape for part in parts}) == len(parts)
    assert [part.seconds for part in parts] == sorted((part.seconds for part in parts), reverse=True)


def test_neighbours_in_a_part_step_alike():
    population = [Network.from_graph(graph((16,), batch_size=32 if k % 2 else 128)) for k in range(40)]
    parts = Planner(replace(CPU, compile_seconds=1e6)).plan(population, [20] * 40, WORKLOAD)
    for part in parts:
        sizes = [population[k].batch_size for k in part.members]
        assert sizes == sorted(sizes)


def test_the_shape_cache_does_not_grow_forever():
    planner = Planner(replace(CPU, compile_seconds=0.0, node_compile_seconds=0.0))
    for seed in range(4):
        planner.plan(mixed_population(40, seed), [30] * 40, WORKLOAD)
    assert 40 < len(planner.shape_cache) <= 64


def test_an_empty_generation_has_an_empty_plan():
    assert Planner(CPU).plan([], [], WORKLOAD) == []


@pytest.mark.parametrize("state", [[{"slots": 1}], ["shape"], [{"widths": None, "edges": ()}], 7])
def test_a_damaged_shape_cache_is_refused(state):
    with pytest.raises(InputError, match="planner"):
        Planner(CPU).restore(state)


def test_costs_grow_with_the_work():
    (part,) = Planner(CPU).plan([Network.from_graph(graph((64, 64)))], [5], WORKLOAD)
    for grown in (
        replace(part.shape, widths=(64, 128)),
        replace(part.shape, slots=2),
        replace(part.shape, rows=128),
        replace(part.shape, batch_norm=True),
        replace(part.shape, dropout=True),
    ):
        assert step_microseconds(grown, CPU) > step_microseconds(part.shape, CPU)
        assert pack_bytes(grown) >= pack_bytes(part.shape)


@pytest.mark.parametrize("device", [CPU, GPU], ids=["cpu", "gpu"])
@pytest.mark.soak
def test_thousands_of_networks_are_planned_in_seconds(device):
    population = mixed_population(4096)

    def too_slow(*_):
        raise AssertionError("planning 4,096 networks took more than 20 s of processor time")

    before = signal.signal(signal.SIGVTALRM, too_slow)
    signal.setitimer(signal.ITIMER_VIRTUAL, 20.0)
    try:
        began = time.process_time()
        parts = Planner(device).plan(population, [30] * len(population), WORKLOAD)
        taken = time.process_time() - began
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)
    print(f"\n4,096 networks planned in {taken:.1f} s: {len({p.shape for p in parts})} programs, {len(parts)} parts")
    assert sorted(k for part in parts for k in part.members) == list(range(len(population)))


def test_planning_imports_no_keras():
    code = (
        "import sys; import tests.training.population.test_planner as t; "
        "t.Planner(t.CPU).plan(t.mixed_population(8), [3] * 8, t.WORKLOAD); "
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'keras', 'tensorflow', 'jax'}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
