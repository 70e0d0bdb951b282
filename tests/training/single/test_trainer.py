"""The trainer by Keras's own `fit`: what is not in the contract of all trainers, `test_contract.py`."""

from __future__ import annotations

import numpy as np
import pytest

from evonas.evaluation import Status
from evonas.training_tasks import TrainingSettings
from tests.training.networks import data, graph, task, trained

pytestmark = pytest.mark.keras


def single(prepared, **settings):
    from evonas.training.single.trainer import SingleTrainer

    return SingleTrainer(prepared, TrainingSettings(trainer="single", **settings))


def test_out_of_memory_is_a_value_and_other_errors_are_not(monkeypatch):
    from evonas.training.single import graph_fitting as module

    class ResourceExhaustedError(Exception):
        pass

    for error in (
        ResourceExhaustedError("OOM when allocating"),
        RuntimeError("RESOURCE_EXHAUSTED: ..."),
        MemoryError(),
    ):

        def refuse(*_, error=error):
            raise error

        monkeypatch.setattr(module, "fit_epochs", refuse)
        (found,) = trained(single(data()), [task(graph())]).values()
        assert found.status is Status.FAILED
        assert "out of memory" in found.reason

    def fail(*_):
        raise KeyError("a bug")

    monkeypatch.setattr(module, "fit_epochs", fail)
    with pytest.raises(KeyError):
        trained(single(data()), [task(graph())])


def test_mixed_precision_is_scored_as_it_is_exported():
    (found,) = trained(single(data(), precision="bfloat16"), [task(graph((16,)))]).values()
    assert found.status is Status.OK
    assert all(value.dtype == np.float32 for value in found.weights.values())
