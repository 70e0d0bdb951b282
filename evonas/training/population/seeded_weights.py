"""`SeededWeightsTrainer`: scores networks whose weights come from chains of seeds. No training, and no Keras.

Each network has its own forward pass in numpy, with one thread of the matrix library; one network per core is scored at
a time. Results do not depend on which networks are scored together.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from evonas.data.prepared import PreparedData
from evonas.data.views import Views
from evonas.evaluation import Evaluation, Status
from evonas.metrics.problem_scores import compute_scores
from evonas.metrics.scores import mean_loss
from evonas.networks.forward import raw_outputs
from evonas.networks.perturbation import Lineages
from evonas.training.replicates import combine_evaluations
from evonas.training.spans import span_since
from evonas.training_tasks import TrainingSettings, TrainingTask
from genomes.architecture.cost import count_parameters
from genomes.architecture.graph import graph_from_json

__all__ = ["SeededWeightsTrainer"]

#: Results less than this interval apart are returned together, since committing each costs as much as computing it.
_TOGETHER_SECONDS = 1.0


class SeededWeightsTrainer:
    """Implements `Trainer`, for tasks with a `lineage`. Replicates would be identical, so there is only one."""

    def __init__(self, data: PreparedData, settings: TrainingSettings) -> None:
        """Computes nothing yet.

        Args:
            data: the rows to score on.
            settings: common to all networks.
        """
        self._problem, self._settings = data.problem, settings
        self._views = Views(data)
        self._lineages = Lineages()

    def state(self) -> None:
        """Returns None: the state kept from earlier generations only saves time."""

    def restore(self, state: Any) -> None:
        """Has nothing to restore."""

    def train(
        self, tasks: Sequence[TrainingTask], done: frozenset[int] = frozenset()
    ) -> Iterator[Mapping[int, Evaluation]]:
        """See `Trainer.train`."""
        left = [position for position in range(len(tasks)) if position not in done]
        ready: dict[int, Evaluation] = {}
        with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as threads:
            try:
                # Weights are continued from those of earlier networks, in the order of the tasks.
                scored = {threads.submit(self._evaluate, tasks[k], self._weights(tasks[k])): k for k in left}
                given = time.monotonic()
                for future in as_completed(scored):
                    ready[scored[future]] = future.result()
                    if time.monotonic() - given > _TOGETHER_SECONDS:
                        yield ready
                        ready, given = {}, time.monotonic()
            finally:
                threads.shutdown(cancel_futures=True)
        yield ready

    def _weights(self, task: TrainingTask) -> dict[str, Any]:
        graph = self._problem.attach_columns(graph_from_json(task.architecture))
        problem = self._views.for_graph(graph).problem
        sizes = problem.num_features, problem.num_outputs
        return self._lineages.weights(task.architecture, graph, task.lineage, *sizes)

    def _evaluate(self, task: TrainingTask, weights: Mapping[str, Any]) -> Evaluation:
        """The evaluation of a network with these weights; its fitness is its loss on the training rows."""
        began, started = time.time(), time.perf_counter()
        problem, loss = self._problem, self._settings.loss
        graph = problem.attach_columns(graph_from_json(task.architecture))
        size = self._views.for_graph(graph).problem
        parameters = count_parameters(graph, size.num_features, size.num_outputs)
        evaluations: list[Evaluation] = []
        splits = self._views.for_graph(graph).splits
        for split in (splits[fold] for fold in task.folds(len(splits))):
            outputs = raw_outputs(graph, weights, split.x_validation)
            found = compute_scores(problem, split.y_validation, outputs)
            trained = raw_outputs(graph, weights, split.x_train)
            fitness = mean_loss(problem, loss, split.y_train, trained, split.weight_train)
            good = bool(found) and bool(np.isfinite(fitness))
            evaluations.append(
                Evaluation(
                    status=Status.OK if good else Status.FAILED,
                    scores=found if good else {},
                    reason="" if good else "the outputs are not finite",
                    best_epoch=1 if good else 0,
                    epochs=1,
                    curve=(mean_loss(problem, loss, split.y_validation, outputs),),
                    train_curve=(fitness,),
                    train_seconds=(time.perf_counter() - started) / (len(evaluations) + 1),
                    parameters=parameters,
                    weights=weights if good else None,
                )
            )
        return replace(combine_evaluations(evaluations), spans=(span_since(began),))
