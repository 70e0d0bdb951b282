"""Conversion of architecture graphs to `keras.Model`s, and of their weights to weights by name.

Only built-in Keras layers are used, so that plain `keras.models.load_model` opens the models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import networkx as nx
import numpy as np

from evonas.evaluation import Weights
from evonas.networks.forward import INPUT_RATE, SCALES
from evonas.networks.layered import Sample, is_layered, sample_of
from evonas.training.layers import NORMALIZATIONS, Node, build_of, part_of
from evonas.training.neighbour_layers import (
    ReferenceShape,
    mean_targets,
    references_from_keras,
    references_to_keras,
)
from genomes.architecture.embedding import FREQUENCIES, Embedding, categories_of, embedding_of
from genomes.architecture.graph import finds_neighbours, scales_inputs
from genomes.architecture.members import members_of
from genomes.architecture.options import REPRESENTATION_UNITS
from genomes.architecture.shapes import node_shapes
from genomes.errors import InputError

__all__ = ["build_model", "get_weights", "members_model", "set_weights", "trainable_names", "trained_model"]
__all__ += ["weights_behind"]


def build_model(
    graph: nx.DiGraph,
    num_features: int,
    num_outputs: int,
    seed: int = 0,
    precision: str = "float32",
    sample_shape: tuple[int, ...] = (),
    batch_normalization: Callable[..., Any] = keras.layers.BatchNormalization,
    behind: int = 0,
    references: ReferenceShape | None = None,
) -> keras.Model:
    """The network of the graph, from `(num_samples, num_features)` to raw outputs `(num_samples, num_outputs)`.

    Raw outputs are standardised predictions or logits. Initial weights are Keras's; use `set_weights` for others.

    Args:
        graph: an architecture graph.
        num_features, num_outputs: width of the input and of the output.
        seed: seed of dropout.
        precision: "float32", or "bfloat16" for mixed precision.
        sample_shape: shape of a sample before flattening, for layers that need it; by default the shape that
            `Problem.attach_columns` stored in the graph.
        batch_normalization: layer class to use for it in layered networks.
        behind: a node of a layered network with a flat output; only the part after it, which takes that output, is
            built.
        references: the reference rows of a network that predicts from learned neighbours; None for a network whose
            outputs are representations.
    """
    dtype = "float32" if precision == "float32" else f"mixed_{precision}"
    if is_layered(graph):
        sample = Sample(tuple(sample_shape)) if sample_shape else sample_of(graph, num_features)
        return _build_layered(graph, sample, int(num_outputs), seed, dtype, batch_normalization, behind)
    last, members, embedding = graph.number_of_nodes() - 1, members_of(graph), embedding_of(graph)
    features = keras.Input((int(num_features),), name="features")
    scaled = _scale_features(features, dtype) if scales_inputs(graph) else features
    first = scaled if embedding is None else _embed(scaled, embedding, dtype)
    if (categories := categories_of(graph)) is not None:
        beside = _by_column(features, categories, dtype)
        first = keras.layers.Concatenate(name="inputs_and_categories", dtype=dtype)([first, beside])
    held, width = {0: first}, REPRESENTATION_UNITS if finds_neighbours(graph) else num_outputs
    for node in range(1, last + 1):
        attributes = graph.nodes[node]
        sources = [held[source] for source in sorted(graph.predecessors(node))]
        name = "output" if node == last else f"layer_{node}"
        several = members is not None and node not in members.shared
        if members is not None and several:
            sources = [_repeat(source, members.count, f"{name}_members_{k}") for k, source in enumerate(sources)]
        h = sources[0] if len(sources) == 1 else keras.layers.Concatenate(name=f"inputs_{node}", dtype=dtype)(sources)
        if members is not None and several and node == last:
            held[node] = _member_outputs(h, members.count, int(num_outputs), attributes, dtype)
            break
        if members is not None and node in members.adapted:
            h = _each(h, f"{name}_adapter", None, dtype)
        scaled = members is not None and node in members.scaled
        h = _dense(name, width if node == last else attributes["units"], attributes, scaled, dtype)(h)
        held[node] = h if node == last else _behind_dense(h, name, attributes, scaled, (seed + node) % 2**31, dtype)
    outputs = held[last] if references is None else mean_targets(held[last], references)
    if members is not None:
        outputs = keras.layers.GlobalAveragePooling1D(name="mean", dtype=dtype)(outputs)
    return keras.Model(features, outputs, name="network")


def trained_model(graph: nx.DiGraph, num_features: int, num_outputs: int, weights: Weights) -> keras.Model:
    """The predicting network of the graph with these weights, those of a finished training run.

    Raises:
        InputError: as in `set_weights`.
    """
    references = ReferenceShape.from_weights(weights)
    model = build_model(graph, num_features, num_outputs, references=references)
    set_weights(model, weights)
    return model


def _dense(name: str, units: int, attributes: Mapping[str, Any], scaled: bool, dtype: str) -> keras.layers.Dense:
    """The product of a dense layer. Batch normalisation and differences of representations cancel any bias."""
    biased = attributes.get("normalization") != "batch" and attributes.get("output") != "neighbours"
    return keras.layers.Dense(
        int(units),  # Keras rejects numpy integers
        kernel_initializer=attributes["initializer"],
        use_bias=biased and not scaled,
        kernel_regularizer=keras.regularizers.L2(attributes["l2"]) if attributes["l2"] else None,
        name=name,
        dtype=dtype,
    )


def _behind_dense(h: Any, name: str, attributes: Mapping[str, Any], scaled: bool, seed: int, dtype: str) -> Any:
    """Layers after a hidden dense layer: scales of members, normalisation, activation and dropout."""
    if scaled:
        h = _each(h, f"{name}_scale", "kd", dtype)
    if attributes["normalization"] != "none":
        h = NORMALIZATIONS[attributes["normalization"]](name=f"{name}_normalization", dtype=dtype)(h)
    before = h
    h = keras.layers.Activation(attributes["activation"], name=f"{name}_activation", dtype=dtype)(h)
    if attributes.get("parametric_activation"):
        h = before + _each(h - before, f"{name}_blend", None, dtype)
    if attributes["dropout"]:
        h = keras.layers.Dropout(attributes["dropout"], seed=seed, name=f"{name}_dropout", dtype=dtype)(h)
    return h


def _build_layered(
    graph: nx.DiGraph,
    sample: Sample,
    num_outputs: int,
    seed: int,
    dtype: str,
    batch_normalization: Callable[..., Any],
    behind: int = 0,
) -> keras.Model:
    """The network of a graph with layers other than dense ones: features are first reshaped to samples."""
    shape = tuple(map(int, node_shapes(graph, sample.shape, num_outputs)[behind] if behind else sample.shape))
    features, last = keras.Input((math.prod(shape),), name="features"), len(graph) - 1
    first = features if len(shape) == 1 else keras.layers.Reshape(shape, name="sample", dtype=dtype)(features)
    mask = (
        keras.ops.cast(first[..., -1:] > 0.5, keras.DTypePolicy(dtype).compute_dtype)
        if sample.masked and not behind
        else None
    )
    held = {behind: (first, mask)}
    for node in range(behind + 1, last + 1):
        attributes = graph.nodes[node] if node < last else {**graph.nodes[node], "units": num_outputs}
        sources = [held[source] for source in sorted(graph.predecessors(node))]
        mask = next((each for _, each in sources if each is not None), None)
        name = "output" if node == last else f"layer_{node}"
        built = Node(name, attributes, (seed + node) % 2**31, dtype, mask, batch_normalization)
        held[node] = build_of(attributes["kind"])(built, [h for h, _ in sources])
    return keras.Model(features, held[last][0], name="network")


def members_model(model: keras.Model) -> keras.Model:
    """The trained part of a network of `build_model`; with members, outputs are `(num_samples, members, num_outputs)`.

    Its loss is the mean of the members' losses, whereas the loss of the whole model would be that of their mean. The
    weights are those of the model.
    """
    if "mean" not in {layer.name for layer in model.layers}:
        return model
    return keras.Model(model.inputs[0], model.get_layer("output").output, name="members")


def _repeat(h: Any, count: int, name: str) -> Any:
    return h if len(h.shape) == 3 else keras.layers.RepeatVector(count, name=name)(h)


def _each(h: Any, name: str, bias: str | None, dtype: str) -> Any:
    """Factors of each unit, separate for each member, and optional offsets."""
    shape = tuple(h.shape[1:])
    if len(shape) == 1:
        return keras.layers.EinsumDense("ab,b->ab", shape[0], kernel_initializer="ones", name=name, dtype=dtype)(h)
    return keras.layers.EinsumDense(
        "akd,kd->akd", shape, bias_axes=bias, kernel_initializer="ones", name=name, dtype=dtype
    )(h)


def _member_outputs(h: Any, count: int, num_outputs: int, attributes: Mapping[str, Any], dtype: str) -> Any:
    return keras.layers.EinsumDense(
        "akd,kdo->ako",
        (count, num_outputs),
        bias_axes="ko",
        kernel_initializer=attributes["initializer"],
        kernel_regularizer=keras.regularizers.L2(attributes["l2"]) if attributes["l2"] else None,
        name="output",
        dtype=dtype,
    )(h)


def _embed(features: Any, embedding: Embedding, dtype: str) -> Any:
    """The trained embedding of columns, then the features that pass through unchanged."""
    h = _by_column(features, embedding, dtype)
    if not embedding.rest:
        return h
    beside = features
    if len(embedding.rest) < features.shape[1]:
        beside = keras.ops.take(features, list(embedding.rest), axis=1)
    return keras.layers.Concatenate(name="inputs", dtype=dtype)([h, beside])


def _by_column(features: Any, embedding: Embedding, dtype: str) -> Any:
    """Concatenates the embeddings of columns."""
    name = "categories" if embedding.kind == "categories" else "embedding"
    count, fan_in = len(embedding.groups), max(len(group) for group in embedding.groups)
    # Shorter groups are padded with a feature that has no effect.
    padded = [[*group, *[group[0]] * (fan_in - len(group))] for group in embedding.groups]
    real = [[float(k < len(group)) for k in range(fan_in)] for group in embedding.groups]
    h = keras.ops.take(features, [place for group in padded for place in group], axis=1)
    if not all(map(all, real)):
        h = h * np.array([number for group in real for number in group], np.float32)
    if embedding.kind == "periodic":
        h = keras.layers.EinsumDense("af,fp->afp", (count, FREQUENCIES), bias_axes="fp", name="waves", dtype=dtype)(h)
        # Whole periods are removed, since they would cost precision in float32.
        h = keras.ops.cos(2.0 * np.pi * (h - keras.ops.floor(h)))
    else:
        h = keras.layers.Reshape((count, fan_in), name=f"{name}_grouped")(h)
    h = keras.layers.EinsumDense("afp,fpd->afd", (count, embedding.units), bias_axes="fd", name=name, dtype=dtype)(h)
    if embedding.kind == "linear":
        h = keras.layers.Activation("relu", name="embedding_activation", dtype=dtype)(h)
    return keras.layers.Reshape((count * embedding.units,), name=f"{name}_side_by_side")(h)


def _scale_features(inputs: Any, dtype: str) -> Any:
    """The features times `INPUT_RATE` times their weights."""
    h = keras.layers.Rescaling(INPUT_RATE, name="input_rate", dtype=dtype)(inputs)
    return keras.layers.EinsumDense("ab,b->ab", int(inputs.shape[1]), name="input", dtype=dtype)(h)


def get_weights(model: keras.Model) -> dict[str, Any]:
    """Copies of the weights by name, float32."""
    return references_from_keras(
        {name: keras.ops.convert_to_numpy(variable).copy() for name, variable in _variables(model)}
    )


def set_weights(model: keras.Model, weights: Weights) -> None:
    """Sets the weights of the model; names and shapes as in `get_weights`.

    Raises:
        InputError: a name is missing, unknown, or has another shape, as in a modified run.
    """
    variables, weights = dict(_variables(model)), references_to_keras(weights)
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


def weights_behind(weights: Weights, node: int) -> Weights:
    """Names of the weights after a node, see `build_model`; all weights for node 0."""
    before = tuple(f"layer_{each}/" for each in range(1, node + 1))
    return {name: value for name, value in weights.items() if not name.startswith(before)} if node else weights


def trainable_names(model: keras.Model) -> list[str]:
    """Names of the trained weights, in the order of the model's trainable variables."""
    names = {id(variable): name for name, variable in _variables(model)}
    return [names[id(variable)] for variable in model.trainable_variables]


def _variables(model: keras.Model) -> Iterator[tuple[str, Any]]:
    for layer in model.layers:
        for variable in layer.weights:
            name, _, beside = layer.name.rpartition("_")
            if beside in ("adapter", "scale", "blend"):
                yield f"{name}/{beside if variable.name == 'kernel' else variable.name}", variable
            elif layer.name == "input":
                yield SCALES, variable
            else:
                yield part_of(layer.name, variable.path), variable
