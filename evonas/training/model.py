"""From an architecture graph to a `keras.Model`, and between its weights and weights by name.

Only built-in Keras layers, so that plain `keras.models.load_model` opens whatever is built here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import networkx as nx
import numpy as np

from evonas.evaluation import Weights
from evonas.networks.forward import INPUT_RATE, SCALES
from genomes.architecture.graph import scales_inputs
from genomes.errors import InputError

__all__ = ["build_model", "get_weights", "set_weights"]

_NORMALIZATIONS = {"batch": keras.layers.BatchNormalization, "layer": keras.layers.LayerNormalization}


def build_model(
    graph: nx.DiGraph, num_features: int, num_outputs: int, seed: int = 0, precision: str = "float32"
) -> keras.Model:
    """The network of the graph, from `(num_samples, num_features)` to raw outputs `(num_samples, num_outputs)`.

    Raw outputs are standardised predictions or logits. Initial values are Keras's own; call `set_weights` for others.

    Args:
        graph: an architecture graph.
        num_features, num_outputs: width of the input and of the output.
        seed: of dropout.
        precision: "float32", or "bfloat16" for mixed precision.
    """
    dtype = "float32" if precision == "float32" else f"mixed_{precision}"
    last = graph.number_of_nodes() - 1
    inputs = keras.Input((int(num_features),), name="features")
    held = {0: _scaled(inputs, dtype) if scales_inputs(graph) else inputs}
    for node in range(1, last + 1):
        attributes = graph.nodes[node]
        sources = [held[source] for source in sorted(graph.predecessors(node))]
        h = sources[0] if len(sources) == 1 else keras.layers.Concatenate(name=f"inputs_{node}", dtype=dtype)(sources)
        name = "output" if node == last else f"layer_{node}"
        h = keras.layers.Dense(
            # Keras refuses numpy integers.
            int(num_outputs if node == last else attributes["units"]),
            kernel_initializer=attributes["initializer"],
            # Batch normalisation takes any bias away again.
            use_bias=attributes.get("normalization") != "batch",
            kernel_regularizer=keras.regularizers.L2(attributes["l2"]) if attributes["l2"] else None,
            name=name,
            dtype=dtype,
        )(h)
        if node < last:
            if attributes["normalization"] != "none":
                h = _NORMALIZATIONS[attributes["normalization"]](name=f"{name}_normalization", dtype=dtype)(h)
            h = keras.layers.Activation(attributes["activation"], name=f"{name}_activation", dtype=dtype)(h)
            if attributes["dropout"]:
                rate, stream = attributes["dropout"], (seed + node) % 2**31
                h = keras.layers.Dropout(rate, seed=stream, name=f"{name}_dropout", dtype=dtype)(h)
        held[node] = h
    return keras.Model(inputs, held[last], name="network")


def _scaled(inputs: Any, dtype: str) -> Any:
    """The features times `INPUT_RATE` times their weights."""
    h = keras.layers.Rescaling(INPUT_RATE, name="input_rate", dtype=dtype)(inputs)
    return keras.layers.EinsumDense("ab,b->ab", int(inputs.shape[1]), name="input", dtype=dtype)(h)


def get_weights(model: keras.Model) -> dict[str, Any]:
    """Copies of the weights by name, float32."""
    return {name: keras.ops.convert_to_numpy(variable).copy() for name, variable in _variables(model)}


def set_weights(model: keras.Model, weights: Weights) -> None:
    """Gives the model the weights; names and shapes are those of `get_weights`.

    Raises:
        InputError: a name is missing, left over, or of another shape, as in a run that somebody changed.
    """
    variables = dict(_variables(model))
    wanted = {name: tuple(variable.shape) for name, variable in variables.items()}
    given = {name: np.shape(array) for name, array in weights.items()}
    if wanted != given:
        wrong = sorted(name for name in wanted.keys() | given.keys() if wanted.get(name) != given.get(name))
        first = wrong[0]
        raise InputError(
            f"weights must be this network's, but {', '.join(wrong[:3])}{' and more' if len(wrong) > 3 else ''} are "
            f"not ({first!r} must be {wanted.get(first, 'absent')}, not {given.get(first, 'absent')}): restore the "
            "run from a copy"
        )
    for name, variable in variables.items():
        variable.assign(weights[name])


def _variables(model: keras.Model) -> Iterator[tuple[str, Any]]:
    for layer in model.layers:
        for variable in layer.weights:
            name = f"{layer.name.removesuffix('_normalization')}/{variable.name}"
            yield SCALES if name == "input/kernel" else name, variable
