"""A small data file, and an evaluator on the stub worker."""

from __future__ import annotations

import numpy as np
import pytest

from evonas.data.prepared import PreparedData, Problem, Split
from evonas.execution import WorkerLimits
from evonas.training_tasks import TrainingSettings
from tests.execution.stubs import StubEvaluator, UnitsSpace


@pytest.fixture(scope="session")
def data_path(tmp_path_factory):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3)).astype(np.float32)
    y = (x[:, :1] - x[:, 1:2] ** 2).astype(np.float32)
    problem = Problem("regression", 3, 1, target_mean=(50.0,), target_std=(4.0,))
    path = tmp_path_factory.mktemp("data") / "data.npz"
    PreparedData(problem, (Split(x[:80], y[:80], x[80:100], y[80:100]),), x[100:], y[100:]).save(path)
    return path


@pytest.fixture
def evaluator(data_path, tmp_path):
    with StubEvaluator(
        UnitsSpace(), data_path, TrainingSettings(), tmp_path / "worker.log", WorkerLimits(silence_seconds=20.0)
    ) as made:
        yield made
