"""Checks for user-defined mutations, metrics and layer kinds. They raise AssertionError."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evonas.data.prepared import Problem
from evonas.metrics.metric import Metric, metric_value
from evonas.networks.forward import raw_outputs
from evonas.networks.initial import initial_weights
from evonas.networks.layers import network_row
from evonas.networks.perturbation import perturb
from evonas.testing.spaces import check_member, members
from genomes.architecture.cost import count_moving, count_parameters
from genomes.architecture.graph import digest, graph_from_json, graph_to_json, make_graph
from genomes.architecture.layer_kind import LAYER_KINDS_FROM_OUTSIDE, LayerKind
from genomes.architecture.shapes import node_shapes
from genomes.mutations import mutation_name
from genomes.space import SearchSpace

__all__ = ["check_layer_kind", "check_metric", "check_mutation_function"]

_TRAINING = {
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "batch_size": 32,
    "schedule": "constant",
    "warmup": 0.0,
    "weight_decay": 0.0,
    "beta2": 0.999,
}


def check_mutation_function(mutation: Any, space: SearchSpace, seeds: Sequence[int] = range(25)) -> None:
    """Checks that a mutation returns other members of the space, is deterministic, and does not change its parent.

    Args:
        mutation: function `(genome, space, rng) -> genome`; returns None if it does not apply.
        space: space of genomes to which it applies.
        seeds: seeds of parents and mutations.

    Raises:
        AssertionError: a check failed, or the mutation applies to none of the genomes.
    """
    name, applied = mutation_name(mutation), 0
    for seed in seeds:
        (parent,) = members(space, seed, 1)
        before = copy.deepcopy(parent)
        child = mutation(parent, space, np.random.default_rng(seed))
        assert parent == before, f"{name} changed its parent"
        assert child == mutation(parent, space, np.random.default_rng(seed)), (
            f"{name} returns different children for equal generators"
        )
        if child is not None:
            check_member(space, child)
            applied += space.digest(child) != space.digest(parent)
    assert applied, f"{name} changes none of {len(seeds)} genomes of the space"


def check_metric(metric: Metric, rows: int = 40) -> None:
    """Checks that a metric is finite for each of its tasks, deterministic, and best for perfect predictions.

    Raises:
        AssertionError: a check failed.
    """
    rng = np.random.default_rng(0)
    for task in metric.tasks:
        classes = {"regression": (), "binary": ("a", "b"), "multiclass": ("a", "b", "c")}[task]
        width = 3 if task == "multiclass" else 1
        scale: dict[str, Any] = {} if classes else {"target_mean": (5.0,), "target_std": (2.0,)}
        problem = Problem(task, 2, width, classes=classes, **scale)
        y = rng.normal(size=(rows, 1)) if not classes else rng.integers(0, len(classes), rows)
        perfect = y if not classes else 20.0 * np.eye(len(classes))[y]
        perfect = perfect if task != "binary" else perfect[:, 1:] - perfect[:, :1]
        best = metric_value(metric, problem, y, perfect)
        other = perfect + rng.normal(size=perfect.shape) * (1.0 if not classes else 40.0)
        worse = metric_value(metric, problem, y, other)
        assert worse == metric_value(metric, problem, y, other), f"{metric.name} has different values for equal rows"
        better = worse < best if metric.direction == "min" else worse > best
        assert not better, f"{metric.name} ({metric.direction}) of a {task} target must be best for perfect predictions"


def check_layer_kind(
    kind: LayerKind | str, attributes: Mapping[str, Any], sample: tuple[int, ...], keras: bool = True
) -> None:
    """Checks that the rows of a kind agree: JSON and digest, shapes, parameters, forward passes in numpy and Keras.

    Args:
        kind: the kind to check, or the name of a built-in kind.
        attributes: all attributes that a node of this kind needs.
        sample: shape of the node's input: `(height, width, channels)`, `(steps, channels)` or `(units,)`.
        keras: whether to build it in Keras, which takes seconds the first time.

    Raises:
        AssertionError: they do not agree.
    """
    name = kind if isinstance(kind, str) else LAYER_KINDS_FROM_OUTSIDE.give(kind.name, kind)
    network = graph_from_json(graph_to_json(_network_of(name, attributes, sample)))
    value = json.loads(json.dumps(graph_to_json(network)))
    assert digest(graph_from_json(value)) == digest(network), f"{name} is a different layer after JSON"
    network.graph["sample"] = (sample, False)
    shapes, width = node_shapes(network, sample, 2), math.prod(sample)
    weights = initial_weights(network, width, 2, 3)
    trained = count_parameters(network, width, 2, sample) + count_moving(network, width, 2, sample)
    held = sum(value.size for value in weights.values())
    assert held == trained, f"{name} has {held} numbers in its weights, but its row counts {trained}"
    weights = {key: np.abs(part) + 0.5 if "variance" in key else part for key, part in perturb(weights, 5).items()}
    x = np.random.default_rng(1).normal(size=(6, width)).astype(np.float32)
    inputs = np.asarray(x.reshape(len(x), *shapes[0]), np.float64)
    own = {part.partition("/")[2]: np.asarray(value) for part, value in weights.items() if part.startswith("layer_1/")}
    output, _ = network_row(name).forward(network.nodes[1], own, [inputs], None)
    assert output.shape[1:] == shapes[1], f"{name} has the output shape {output.shape[1:]}, but its row {shapes[1]}"
    found = raw_outputs(network, weights, x)
    np.testing.assert_allclose(raw_outputs(network, weights, x[2:4]), found[2:4], rtol=1e-4, atol=1e-5)
    if keras:
        from evonas.training.model import build_model, get_weights, set_weights

        model = build_model(network, width, 2)
        assert get_weights(model).keys() == weights.keys(), f"{name} has {sorted(get_weights(model))} in Keras"
        set_weights(model, weights)
        np.testing.assert_allclose(np.asarray(model(x, training=False)), found, rtol=1e-3, atol=1e-4)


def _network_of(name: str, attributes: Mapping[str, Any], sample: tuple[int, ...]) -> Any:
    """A network of the layer, flattening of its output, and the output node."""
    end = {"kind": "output", "initializer": "glorot_uniform", "l2": 0.0}
    nodes = [{"kind": "input"}, {"kind": name, **attributes}, end]
    try:
        flat = len(node_shapes(make_graph(nodes, [(0, 1), (1, 2)], _TRAINING), sample, 2)[1]) == 1
    except ValueError:  # the output node takes a single axis
        flat = False
    if not flat:
        nodes.insert(2, {"kind": "flatten"})
    return make_graph(nodes, [(k, k + 1) for k in range(len(nodes) - 1)], _TRAINING)
