"""`GraphFitting`: trains the network of an architecture graph. Implements `Fitting`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import Problem, Split
from evonas.data.pretrained import PretrainedNetwork
from evonas.evaluation import Reduction, Weights
from evonas.networks.forward import parts_of, raw_outputs
from evonas.networks.neighbours import MAX_EPOCH_REFERENCES, check_supported, neighbour_outputs
from evonas.networks.transfer import first_weights
from evonas.training.losses import default_loss
from evonas.training.model import get_weights, set_weights, trained_model, weights_behind
from evonas.training.single.fitting import State, restore_state, state_of
from evonas.training.single.frozen import Frozen
from evonas.training.single.graph_model import (
    fit_epochs,
    predict_with,
    prepare_model,
    represent_references,
    whole_model,
)
from evonas.training.single.reduced import reduced_problem, reduced_rows, training_steps
from evonas.training.starting_point import start_of
from evonas.training_tasks import TrainingSettings, TrainingTask
from genomes.architecture.cost import count_parameters
from genomes.architecture.graph import finds_neighbours, graph_from_json
from genomes.architecture.options import MAX_REFERENCES
from genomes.errors import InputError

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
        reduced: Callable[[Reduction], Split] | None = None,
    ) -> None:
        whole, problem = problems  # with all features, and with those that the network sees
        self._graph = whole.attach_columns(graph_from_json(task.architecture))
        self._problem, self._settings, self._split, self._seed = problem, settings, split, seed
        self._compiling = compiling
        self._horizon, self.epochs = task.horizon or task.epochs, task.epochs
        size = problem.num_features, problem.num_outputs, problem.sample_shape
        self.parameters = count_parameters(self._graph, *size)
        self._find_frozen = frozen
        own = first_weights(self._graph, problem, seed, pretrained, split.x_train, self._get_frozen_weights)
        self._initial, self.start = start_of(task, self._graph, number, own, split.x_train, whole)
        before = (task.origin or task.architecture)["training"]["optimizer"]
        self._same_optimizer = before == self._graph.graph["training"]["optimizer"]
        self._loss = default_loss(problem, settings)
        if finds_neighbours(self._graph):
            check_supported(problem, split.weight_train)
        self._reduction = task.reduction
        self._reduced_split = reduced
        self.reduced_epochs = 0 if task.reduction is None else task.reduction.epochs

    def prepare(self) -> None:
        """See `Fitting.prepare`.

        Raises:
            InputError: data are to be reduced, but the network does not accept images of any size.
        """
        first = self.start.epoch if self.start else 0
        if self.start is None:
            self._begin(first, self._initial(), None)
        else:
            moments = self.start.first if self._same_optimizer else None
            self._begin(first, self.start.weights, (moments, self.start.second))

    def _begin(self, epoch: int, weights: Weights, state: tuple[Weights | None, Weights] | None) -> None:
        """Compiles the network for the data of an epoch, and sets its weights and the state of its training run.

        Args:
            epoch: number of the next epoch, from 0.
            weights: weights by name.
            state: see `restore_state`; None at the beginning.
        """
        rows, frozen = len(self._split.x_train), self._find_frozen(self._graph)
        behind = int(frozen is not None)
        self._kept = {} if frozen is None else frozen.weights
        seen, share, until = self._split if frozen is None else frozen.split(self._split), 1.0, self.epochs
        self._data_graph, self._data_problem = self._graph, self._problem
        if self._reduction is not None and epoch < self.reduced_epochs:
            seen, share, until = self._reduce(self._reduction), self._reduction.rows, min(until, self.reduced_epochs)
        self._x_validation = np.asarray(seen.x_validation)
        part, batch_size = self._settings.epoch_rows, int(self._graph.graph["training"]["batch_size"])
        steps = training_steps(rows, part, batch_size, self._horizon, self._reduction) if self._reduction else None
        self._model = prepare_model(
            self._data_graph,
            self._data_problem,
            self._settings,
            self._seed,
            rows,
            self._horizon,
            behind=behind,
            total_steps=steps,
            **self._compiling,
        )
        set_weights(self._model, weights_behind(weights, behind))
        if state is not None:
            restore_state(self._model, *state)
        part = reduced_rows(part, share)
        self._losses = fit_epochs(self._model, self._data_graph, seen, self._seed, until, epoch, part)
        self._predict = predict_with(whole_model(self._model), self._data_graph)

    def _reduce(self, reduction: Reduction) -> Split:
        """The reduced data; the graph and the problem become those for them."""
        if self._reduced_split is None:
            raise ValueError("the data of a fit on all rows cannot be reduced")
        problem = reduced_problem(self._problem, reduction.factor)
        graph = problem.attach_columns(self._graph.copy())
        size = problem.num_features, problem.num_outputs, problem.sample_shape
        if count_parameters(graph, *size) != self.parameters:
            raise InputError("images must not be reduced for networks whose weights depend on their size: use factor 1")
        self._data_graph, self._data_problem = graph, problem
        return self._reduced_split(reduction)

    def fit(self, epoch: int) -> float:
        """See `Fitting.fit`."""
        if epoch == self.reduced_epochs and self._data_graph is not self._graph:
            weights, first, second = self.state()
            self._begin(epoch, weights, (first, second))
        return next(self._losses)

    def outputs(self) -> tuple[float, NDArray[np.float32]]:
        """See `Fitting.outputs`."""
        outputs = self._predict(self._x_validation)
        if finds_neighbours(self._graph):
            outputs = neighbour_outputs(
                outputs, parts_of(self._graph, len(self._graph) - 1, self._references(MAX_EPOCH_REFERENCES))
            )
        return float(self._loss(self._split.y_validation, outputs)), outputs

    def weights(self) -> Weights:
        """See `Fitting.weights`."""
        return {**self._trained(), **self._references()}

    def _trained(self) -> Weights:
        return {**self._kept, **get_weights(self._model)}

    def _references(self, most: int = MAX_REFERENCES) -> Weights:
        """The weights of reference rows; empty for a network whose predictions do not refer to any."""
        if not finds_neighbours(self._graph):
            return {}
        return represent_references(self._predict, self._problem, self._split, self._seed, most)

    def exact(self, weights: Weights, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Fitting.exact`: an exported network computes in float32, and from all reference rows."""
        problem = self._data_problem
        if finds_neighbours(self._graph):
            return np.asarray(raw_outputs(self._graph, weights, self._x_validation), np.float32)
        if self._settings.precision == "float32":
            return outputs
        model = trained_model(self._data_graph, problem.num_features, problem.num_outputs, weights)
        return predict_with(model, self._data_graph)(self._x_validation)

    def state(self) -> State:
        """See `Fitting.state`."""
        return state_of(self._model, self._trained())

    def _get_frozen_weights(self) -> Weights | None:
        """Weights of a frozen first layer whose outputs are cached."""
        frozen = self._find_frozen(self._graph)
        return None if frozen is None else frozen.weights
