"""`GraphFitting`: trains the network of an architecture graph. Implements `Fitting`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import Problem, Split
from evonas.data.pretrained import PretrainedNetwork
from evonas.evaluation import Weights
from evonas.networks.transfer import first_weights
from evonas.training.losses import default_loss
from evonas.training.model import build_model, get_weights, set_weights, weights_behind
from evonas.training.single.fitting import State, restore, state_of
from evonas.training.single.frozen import Frozen
from evonas.training.single.graph_model import fit_epochs, predict_with, prepare_model, whole_model
from evonas.training.starting_point import start_of
from evonas.training_tasks import TrainingSettings, TrainingTask
from genomes.architecture.cost import count_parameters
from genomes.architecture.graph import graph_from_json

__all__ = ["GraphFitting"]


class GraphFitting:
    """The network of an architecture graph. Implements `Fitting`."""

    def __init__(
        self,
        task: TrainingTask,
        problems: tuple[Problem, Problem],
        settings: TrainingSettings,
        split: Split,
        seed: int,
        number: int,
        compiling: Mapping[str, bool],
        pretrained: PretrainedNetwork | None,
        frozen: Callable[[nx.DiGraph], Frozen | None],
    ) -> None:
        whole, problem = problems  # with all features, and with those that the network sees
        self._graph = whole.attach_columns(graph_from_json(task.architecture))
        self._problem, self._settings, self._split, self._seed = problem, settings, split, seed
        self._compiling = compiling
        self._horizon, self.epochs = task.horizon or task.epochs, task.epochs
        size = problem.num_features, problem.num_outputs, problem.sample_shape
        self.parameters = count_parameters(self._graph, *size)
        self._find_frozen = frozen
        own = first_weights(self._graph, problem, seed, pretrained, split.x_train, self._fitted)
        self._initial, self.start = start_of(task, self._graph, number, own, split.x_train, whole)
        before = (task.origin or task.architecture)["training"]["optimizer"]
        self._same_optimizer = before == self._graph.graph["training"]["optimizer"]
        self._loss = default_loss(problem, settings)

    def prepare(self) -> None:
        """See `Fitting.prepare`."""
        problem, rows, frozen = self._problem, len(self._split.x_train), self._find_frozen(self._graph)
        behind = int(frozen is not None)
        self._kept = {} if frozen is None else frozen.weights
        seen = self._split if frozen is None else frozen.split(self._split)
        self._x_validation = np.asarray(seen.x_validation)
        sizes = rows, self._horizon
        self._model = prepare_model(
            self._graph, problem, self._settings, self._seed, *sizes, behind=behind, **self._compiling
        )
        set_weights(self._model, weights_behind(self._initial(), behind))
        if self.start is not None:
            set_weights(self._model, weights_behind(self.start.weights, behind))
            restore(self._model, self.start, moments=self._same_optimizer)
        first = self.start.epoch if self.start else 0
        part = self._settings.epoch_rows
        self._losses = fit_epochs(self._model, self._graph, seen, self._seed, self.epochs, first, part)
        self._predict = predict_with(whole_model(self._model), self._graph)

    def fit(self, epoch: int) -> float:
        """See `Fitting.fit`."""
        return next(self._losses)

    def outputs(self) -> tuple[float, NDArray[np.float32]]:
        """See `Fitting.outputs`."""
        outputs = self._predict(self._x_validation)
        return float(self._loss(self._split.y_validation, outputs)), outputs

    def weights(self) -> Weights:
        """See `Fitting.weights`."""
        return {**self._kept, **get_weights(self._model)}

    def exact(self, weights: Weights, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Fitting.exact`: an exported network computes in float32."""
        if self._settings.precision == "float32":
            return outputs
        model = build_model(self._graph, self._problem.num_features, self._problem.num_outputs)
        set_weights(model, weights)
        return predict_with(model, self._graph)(np.asarray(self._split.x_validation))

    def state(self) -> State:
        """See `Fitting.state`."""
        return state_of(self._model, self.weights())

    def _fitted(self) -> Weights | None:
        """Weights of a frozen first layer whose outputs are cached."""
        frozen = self._find_frozen(self._graph)
        return None if frozen is None else frozen.weights
