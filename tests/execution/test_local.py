"""`LocalEvaluator`: trains in this process and leaves its state unchanged."""

# ruff: noqa: NPY002  (the global generators are what is tested)

from __future__ import annotations

import random

import numpy as np

from evonas.evaluation import Candidate, Evaluation, Status
from evonas.execution.local import LocalEvaluator
from genomes import HyperparameterSpace

SPACE = HyperparameterSpace({"units": [1, 2, 4]})


class Drawing:
    """A trainer that seeds the global generators, and counts the networks that it trains."""

    def __init__(self):
        self.count = 0

    def state(self):
        return self.count

    def restore(self, state):
        self.count = state or 0

    def train(self, tasks, done):
        for position, task in enumerate(tasks):
            if position not in done:
                random.seed(task.seed)
                np.random.seed(task.seed)
                self.count += 1
                yield {position: Evaluation(Status.OK, {"units": task.architecture["values"]["units"]})}


def test_parts_come_one_by_one_and_the_callers_generators_are_unchanged():
    made = []
    evaluator = LocalEvaluator(SPACE, lambda: made.append(Drawing()) or made[-1])
    genomes = [SPACE.from_values({"units": units}) for units in (4, 1, 2)]
    candidates = [Candidate(genome, SPACE.digest(genome), 5, 1) for genome in genomes]
    evaluator.restore(7)
    assert made == []
    random.seed(1)
    np.random.seed(1)
    found = {}
    for part in evaluator.evaluate(candidates, frozenset({1})):
        found |= part
    assert {index: evaluation.scores["units"] for index, evaluation in found.items()} == {0: 4, 2: 2}
    assert evaluator.state() == 9
    drawn = random.random(), np.random.random()
    random.seed(1)
    np.random.seed(1)
    assert drawn == (random.random(), np.random.random())
    evaluator.close()
    evaluator.close()
