"""The real worker, with Keras in it."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from evonas.data.prepared import PreparedData
from evonas.evaluation import Status
from evonas.execution import WorkerEvaluator
from evonas.export_tasks import ExportTask
from evonas.interruption import Abandoned
from evonas.training_tasks import TrainingSettings, task_of
from genomes.architecture.graph import graph_to_json
from genomes.errors import InputError
from tests.execution.stubs import UnitsSpace, candidates, collected
from tests.training.trainers import TRAINERS

pytestmark = pytest.mark.keras


@pytest.mark.parametrize("trainer", ["native", pytest.param("single", marks=pytest.mark.soak)])
def test_a_killed_worker_costs_nothing_but_time(data_path, tmp_path, trainer):
    log, settings = tmp_path / "worker.log", TrainingSettings(trainer=trainer)
    generation = candidates(8, 9, 10, epochs=3)
    space = UnitsSpace()
    with WorkerEvaluator(space, data_path, settings, log) as evaluator:
        evaluator.start()
        parts = evaluator.evaluate(generation)
        found = dict(next(parts))
        os.kill(evaluator.pid, signal.SIGKILL)
        found |= collected(parts)

        tasks = [task_of(space, candidate, None) for candidate in generation]
        here = collected(p for p in TRAINERS[trainer](PreparedData.load(data_path), settings).train(tasks) if p)
        for position, evaluation in here.items():
            assert found[position].status is Status.OK
            assert found[position].scores == evaluation.scores
            assert found[position].curve == evaluation.curve
            for name, value in evaluation.weights.items():
                np.testing.assert_array_equal(found[position].weights[name], value)
    assert log.exists()


@pytest.mark.soak
def test_the_worker_exports(data_path, tmp_path):
    """A whole search that does is in `tests.cli.test_real_runs`."""
    space, settings = UnitsSpace(), TrainingSettings(trainer="native")
    with WorkerEvaluator(space, data_path, settings, tmp_path / "worker.log") as evaluator:
        found = collected(evaluator.evaluate(candidates(8, 9, epochs=3)))
        order = ExportTask(
            graph_to_json(space.architecture(9)), tmp_path / "best.keras", found[1].weights, found[1].scores
        )
        report = evaluator.export(order)
        assert report.validation_scores["rmse"] == pytest.approx(found[1].scores["rmse"], rel=1e-5)
        assert order.path.is_file()
        with pytest.raises(InputError, match="existing folder"):
            evaluator.export(ExportTask(order.architecture, tmp_path / "no" / "best.keras", found[1].weights))


def test_the_native_trainer_says_how_far_it_is_while_its_kernels_run(data_path):
    heard, most = [], 100_000

    def note(found):
        heard.extend(found)
        if len({each.epoch for each in heard}) >= 3:
            raise Abandoned

    with WorkerEvaluator(UnitsSpace(), data_path, TrainingSettings(patience=None)) as evaluator:
        evaluator.watch_training(note)
        with pytest.raises(Abandoned):
            collected(evaluator.evaluate(candidates(8, epochs=most)))
    assert {(each.number, each.epochs) for each in heard} == {(0, most)}
    assert [each.epoch for each in heard] == sorted(each.epoch for each in heard)
    assert 0 < heard[-1].epoch < most
    assert heard[-1].parameters == 3 * 8 + 8 + 8 + 1
