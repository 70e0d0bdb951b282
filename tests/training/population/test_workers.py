"""Queues of waiting members: who works on what."""

from __future__ import annotations

from dataclasses import replace

from evonas.training.population.cost import CPU
from evonas.training.population.network import Network
from evonas.training.population.planner import Planner, ProgramRun
from evonas.training.population.workers import Queues
from tests.training.networks import graph
from tests.training.population.test_planner import WORKLOAD

SHAPE = Planner(CPU).need(Network.from_graph(graph((16,))), WORKLOAD)
A, B, C = (replace(SHAPE, widths=(width,)) for width in (16, 32, 64))


def queues():
    return Queues([ProgramRun(A, (0, 1, 2, 3), 8.0), ProgramRun(B, (4, 5), 6.0), ProgramRun(C, (6,), 1.0)])


def test_the_program_with_most_work_comes_first():
    made = queues()
    assert made.next() is A
    made.take(A, 2)  # two of 2 s are left at A, two of 3 s at B
    assert made.next() is B


def test_nobody_is_taken_twice_and_nobody_forgotten():
    made, taken = queues(), []
    while (shape := made.next()) is not None:
        taken += made.take(shape, 3)
    assert sorted(taken) == list(range(7))


def test_members_put_back_are_taken_again():
    made = queues()
    half = replace(A, slots=A.slots * 2)
    made.put(half, made.take(A, 9))
    assert made.take(A, 9) == []
    assert made.take(half, 9) == [0, 1, 2, 3]
