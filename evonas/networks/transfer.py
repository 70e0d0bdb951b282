"""Transfer of weights from a network trained on other data, as far as their shapes allow. Pure numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.data.prepared import Problem
from evonas.data.pretrained import PretrainedNetwork
from evonas.evaluation import Weights
from evonas.networks.data_biases import begins_at_rows, with_data_biases
from evonas.networks.forward import INPUT_RATE, SCALES
from evonas.networks.inheritance import inherit_weights
from evonas.networks.initial import initial_weights
from evonas.networks.layered import fit_frozen, fitted_nodes, is_layered
from evonas.networks.neighbours import without_references
from evonas.networks.partial_inheritance import inherit_parts, is_plain
from evonas.seeds import RandomStream, stream_rng
from genomes.architecture.graph import graph_from_json
from genomes.errors import InputError

__all__ = ["first_weights", "of_features", "transfer_weights"]

#: Number of rows on which inherited weights are corrected.
_ROWS = 256


def first_weights(
    graph: nx.DiGraph,
    problem: Problem,
    seed: int,
    pretrained: PretrainedNetwork | None,
    rows: NDArray[Any],
    frozen: Callable[[], Weights | None] = lambda: None,
) -> Callable[[], dict[str, NDArray[Any]]]:
    """A function that computes a network's weights before the first epoch.

    Args:
        graph: the network.
        problem: the prediction problem.
        seed: seed of the initial weights.
        pretrained: network from which layers are inherited, if any.
        rows: features of the training rows, shape `(num_rows, num_features)`.
        frozen: returns the weights of frozen layers if these are already fitted, otherwise None.
    """
    drawn = partial(initial_weights, graph, problem.num_features, problem.num_outputs, seed)

    def own_weights() -> dict[str, NDArray[Any]]:
        if begins_at_rows(graph):
            return with_data_biases(graph, drawn(), rows, seed)
        if not is_layered(graph) or not fitted_nodes(graph):
            return drawn()
        fitted = frozen()
        return fit_frozen(graph, drawn(), rows) if fitted is None else {**drawn(), **fitted}

    return (
        own_weights
        if pretrained is None
        else lambda: transfer_weights(pretrained, problem, graph, own_weights(), rows, seed)
    )


def transfer_weights(
    pretrained: PretrainedNetwork,
    problem: Problem,
    graph: nx.DiGraph,
    initial: dict[str, NDArray[Any]],
    rows: NDArray[Any],
    seed: int,
) -> dict[str, NDArray[Any]]:
    """The initial weights, with the pretrained network's hidden layers, and its output layer if the targets are equal.

    Features with the same name keep their weights. Features that the pretrained network lacks start from a tenth of
    their initial weights, so that they do not drown out what was learned from the others.

    Raises:
        InputError: the pretrained weights do not belong to the pretrained architecture.
    """
    theirs = graph_from_json(pretrained.architecture)
    pretrained = replace(pretrained, weights=without_references(pretrained.weights))
    if is_layered(theirs) or is_layered(graph):
        theirs.graph.update({name: value for name, value in graph.graph.items() if name == "sample"})
        taken, _ = inherit_weights(
            theirs, pretrained.weights, graph, initial, rows, stream_rng(RandomStream.TRANSFER, seed)
        )
        return _with_own_output(taken, initial, pretrained, problem)
    if not (is_plain(theirs) and is_plain(graph)):
        same = tuple(pretrained.feature_names) == tuple(problem.feature_names)
        taken = inherit_parts(theirs, pretrained.weights, graph, initial, same)
        return _with_own_output(taken, initial, pretrained, problem)
    given = _with_features_of(pretrained, theirs, problem)
    some = rows[:: max(1, len(rows) // _ROWS)][:_ROWS]
    rng = stream_rng(RandomStream.TRANSFER, seed)
    found, _ = inherit_weights(theirs, given, graph, initial, some, rng)
    for name in _first_kernels(graph):
        new = [k for k, feature in enumerate(problem.feature_names) if feature not in pretrained.feature_names]
        found[name][new] = 0.1 * initial[name][new]
    return _with_own_output(found, initial, pretrained, problem)


def _with_own_output(
    found: dict[str, NDArray[Any]], initial: Mapping[str, NDArray[Any]], pretrained: PretrainedNetwork, problem: Problem
) -> dict[str, NDArray[Any]]:
    """The weights with the initial output layer, if the pretrained network has other targets or classes."""
    if (pretrained.target_names, pretrained.classes) != (problem.target_names, problem.classes):
        return found | {name: value for name, value in initial.items() if name.startswith("output/")}
    return found


def _with_features_of(pretrained: PretrainedNetwork, graph: nx.DiGraph, problem: Problem) -> dict[str, NDArray[Any]]:
    """The pretrained weights for the features of `problem`; new features have weight 0."""
    shapes = initial_weights(graph, len(pretrained.feature_names), _outputs(pretrained, graph), 0)
    there = {name: value.shape for name, value in pretrained.weights.items()}
    if {name: value.shape for name, value in shapes.items()} != there:
        raise InputError("transferred weights must be those of their network: restore the run that they are from")
    return of_features(pretrained.weights, graph, pretrained.feature_names, problem.feature_names)


def of_features(
    weights: Weights, graph: nx.DiGraph, before: Sequence[str], now: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Converts the weights of a network with features `before` to features `now`; new features have weight 0."""
    number = {feature: k for k, feature in enumerate(before)}
    given = {name: np.asarray(value, np.float32) for name, value in weights.items()}
    if SCALES in given:
        known = dict(zip(before, given[SCALES].tolist(), strict=True))
        given[SCALES] = np.array([known.get(feature, 1.0 / INPUT_RATE) for feature in now], np.float32)
    for name in _first_kernels(graph):
        # The rows of the features come first, since node 0 is the first source of every node that uses it.
        rest = given[name][len(before) :]
        mapped = np.zeros((len(now), rest.shape[1]), np.float32)
        for k, feature in enumerate(now):
            if feature in number:
                mapped[k] = given[name][number[feature]]
        given[name] = np.concatenate([mapped, rest])
    return given


def _first_kernels(graph: nx.DiGraph) -> list[str]:
    """Names of the kernels that are applied to the features."""
    last = len(graph) - 1
    return ["output/kernel" if node == last else f"layer_{node}/kernel" for node in graph.successors(0)]


def _outputs(pretrained: PretrainedNetwork, graph: nx.DiGraph) -> int:
    kernel = pretrained.weights.get("output/kernel")
    return 0 if kernel is None or kernel.ndim != 2 else kernel.shape[1]
