"""Trainers of populations whose grouping is known, and how two results are compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evonas.training.population.cost import CPU
from evonas.training.population.planner import Planner
from evonas.training_tasks import TrainingSettings
from tests.training.networks import data

__all__ = ["EACH_ITS_OWN", "ONE_PROGRAM", "assert_alike", "trainer"]

#: No compilation pays, so that all share one program.
ONE_PROGRAM = replace(CPU, compile_seconds=1e9)
EACH_ITS_OWN = replace(CPU, compile_seconds=0.0, node_compile_seconds=0.0, slots=(1,))


def trainer(prepared=None, device=None, **settings):
    from evonas.training.population.trainer import PopulationTrainer

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
