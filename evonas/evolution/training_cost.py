"""Estimated seconds of training a network, from its architecture, the number of rows and the speed of a core.

Imports no Keras.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from evonas.config import Settings
from evonas.data.kernel_regression import MOST_CENTRES
from evonas.data.neighbours import marks_of, num_visible_columns
from evonas.evolution.early_stopping import expected_epochs
from evonas.networks.initial import rows_of_epoch
from evonas.networks.neighbours import MAX_EPOCH_REFERENCES
from genomes.architecture.cost import count_activations, count_frozen_flops, count_pair_flops, count_training_flops
from genomes.architecture.graph import views_of

if TYPE_CHECKING:
    import networkx as nx

    from evonas.data.prepared import PreparedData

__all__ = ["MULTIPLICATIONS", "Speed", "cost_of_training", "speed_of", "training_seconds"]

#: Matrix products of a training step: forward, gradients of weights, gradients of inputs.
MULTIPLICATIONS = 3
#: Operations of a neighbour feature for a row and a training row: 1.8 ns on a core of 97 GFLOPS.
_PAIR_OPERATIONS = 175.0


@dataclass(frozen=True)
class Speed:
    """Speed model of a trainer.

    Attributes:
        share: share of a core's peak FLOPS that is achieved.
        step_seconds: overhead of a training step, per layer.
        start_seconds: overhead of a network.
        at_once: whether networks are trained in parallel on several cores.
        layer_seconds: further overhead of a network per layer, for tracing and compilation.
        activation_operations: operations that take as long as moving one activation through memory.
    """

    share: float
    step_seconds: float
    start_seconds: float
    at_once: bool
    layer_seconds: float = 0.0
    activation_operations: float = 0.0


#: Trainer -> estimate of its speed on a CPU. That of "native" is fitted to networks of the default space, with a fifth
#: added, see benchmarks/results/LOG.md; that of "single" is conservative.
_SPEEDS = {
    "native": Speed(0.8, 1.3e-6, 0.02, True, 0.0, 50.0),
    "single": Speed(0.2, 400e-6, 1.0, True, 0.3),
}
#: Convolutions over images reach a core's peak; what takes long is the memory of wide layers before the first pooling.
#: Fitted to networks of the default space, see benchmarks/results/LOG.md.
_SPEED_OF_IMAGES = Speed(0.8, 150e-6, 1.0, True, 0.3, 180.0)


def speed_of(trainer: str, sample_shape: tuple[int, ...] = ()) -> Speed | None:
    """The estimated speed of a trainer; None if it is unknown.

    Args:
        trainer: name of the trainer.
        sample_shape: shape of a sample, see `Problem.sample_shape`.
    """
    return _SPEED_OF_IMAGES if trainer == "single" and len(sample_shape) == 3 else _SPEEDS.get(trainer)


def training_seconds(
    graph: nx.DiGraph,
    num_features: int,
    num_outputs: int,
    rows: int,
    validation_rows: int,
    speed: Speed,
    flops: float,
    sample_shape: tuple[int, ...] = (),
) -> float:
    """Estimated seconds per epoch on one core.

    Args:
        graph: the architecture.
        num_features, num_outputs: number of features and outputs of the network.
        rows, validation_rows: number of training and validation rows per epoch.
        speed: the trainer's speed.
        flops: operations per second of the core.
        sample_shape: shape of a sample, see `Problem.sample_shape`.
    """
    size, batch_size = (num_features, num_outputs, sample_shape), int(graph.graph["training"]["batch_size"])
    pair, references = count_pair_flops(graph, num_outputs), min(rows, MAX_EPOCH_REFERENCES)
    operations: float = count_training_flops(graph, *size) - batch_size * pair
    if speed.activation_operations:
        operations += speed.activation_operations * count_activations(graph, *size)
    operations *= MULTIPLICATIONS * rows + validation_rows + (references if pair else 0)
    operations += pair * (MULTIPLICATIONS * rows * min(batch_size, rows) + validation_rows * references)
    steps = math.ceil(rows / batch_size)
    return operations / (speed.share * flops) + steps * (len(graph) - 1) * speed.step_seconds


def cost_of_training(
    space: Any, data: PreparedData, settings: Settings, speed: Speed, flops: float
) -> Callable[[Any, int], float]:
    """A function (genome, epochs) -> seconds of training on all folds and replicates."""
    problem, split = data.problem, data.splits[0]
    rows = rows_of_epoch(len(split.y_train), settings.epoch_rows)
    stops_early = settings.patience is not None and not problem.sample_shape
    repetitions, sizes = len(data.splits) * settings.replicates + data.refits, (rows, len(split.y_validation))

    @cache
    def seconds(genome: Any) -> tuple[float, float]:
        """Seconds of the start and of an epoch."""
        graph = problem.attach_columns(space.architecture(genome))
        features = num_visible_columns(problem.views, problem.num_features, problem.num_outputs, *views_of(graph))
        epoch = training_seconds(graph, features, problem.num_outputs, *sizes, speed, flops, problem.sample_shape)
        frozen = count_frozen_flops(graph, features, problem.num_outputs, problem.sample_shape) * sum(sizes)
        start = speed.start_seconds + speed.layer_seconds * (len(graph) - 1) + frozen / (speed.share * flops)
        pairs = len(marks_of(views_of(graph))) * len(split.y_train) * min(len(split.y_train), MOST_CENTRES)
        return start + _PAIR_OPERATIONS * pairs / flops, epoch

    def cost(genome: Any, epochs: int) -> float:
        start, epoch = seconds(genome)
        return repetitions * (start + (expected_epochs(epochs) if stops_early else epochs) * epoch)

    return cost
