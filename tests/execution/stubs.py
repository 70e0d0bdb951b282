"""A space of numbers of units, and an evaluator whose worker does not train."""

from __future__ import annotations

import sys
from pathlib import Path

from evonas.evaluation import Candidate
from evonas.execution import WorkerEvaluator
from genomes.architecture.graph import make_graph

TRAINING = {"optimizer": "adam", "learning_rate": 0.01, "batch_size": 32}
TRAINING |= {"schedule": "constant", "warmup": 0.0, "weight_decay": 0.0}


class UnitsSpace:
    """Genomes are numbers of units in one hidden layer."""

    def architecture(self, genome):
        layer = {"kind": "dense", "units": genome, "activation": "tanh", "dropout": 0.0, "normalization": "none"}
        ends = {"initializer": "glorot_uniform", "l2": 0.0}
        return make_graph([{"kind": "input"}, layer | ends, {"kind": "output"} | ends], [(0, 1), (1, 2)], TRAINING)


class StubEvaluator(WorkerEvaluator):
    options: tuple[str, ...] = ()

    def _command(self):
        return [sys.executable, str(Path(__file__).with_name("stub_worker.py")), *self.options]


def candidates(*units, epochs=2):
    return [Candidate(genome=u, digest=str(u), seed=0, epochs=epochs, index=i) for i, u in enumerate(units)]


def collect(parts):
    found = {}
    for part in parts:
        assert part, "an evaluator yields no empty part"
        assert not found.keys() & part.keys(), "yielded twice"
        found |= part
    return found
