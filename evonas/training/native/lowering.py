"""Lowers an architecture graph to a `Program`: instructions, offsets of weights and activations. Imports no numba."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import networkx as nx

from evonas.networks.forward import INPUT_RATE, SCALES
from evonas.training.native.program import Program, Tensor
from evonas.training.native.program_builder import Builder
from genomes.architecture.embedding import categories_of, embedding_of
from genomes.architecture.graph import finds_neighbours, scales_inputs
from genomes.architecture.members import Members, members_of
from genomes.architecture.options import REPRESENTATION_UNITS

__all__ = ["lower"]


def lower(graph: nx.DiGraph, num_features: int, num_outputs: int, rows: int) -> Program:
    """The program of an architecture graph.

    Args:
        graph: see `genomes.architecture.graph`.
        num_features, num_outputs: width of the network's input and output.
        rows: maximum number of rows per pass.
    """
    builder = Builder(num_features, rows)
    embedding, members = embedding_of(graph), members_of(graph)
    held = {0: [builder.input] if embedding is None else builder.embed(embedding)}
    if scales_inputs(graph):  # never together with an embedding
        held[0] = [builder.scale(builder.merge([(INPUT_RATE, builder.input)]), SCALES.partition("/")[0])]
    if (categories := categories_of(graph)) is not None:
        held[0].append(builder.embed_categories(categories))
    last = graph.number_of_nodes() - 1
    for node in range(1, last + 1):
        attributes = graph.nodes[node]
        name = "output" if node == last else f"layer_{node}"
        sources = [each for source in sorted(graph.predecessors(node)) for each in held[source]]
        units = num_outputs if node == last else int(attributes["units"])
        several = members is not None and node not in members.shared
        if members is not None and several:
            sources = [_of_members(builder, sources, members, node, name)]
        if node == last:
            l2 = float(attributes["l2"])
            if several:
                output = builder.member_outputs(sources[0], units, name)
                if l2:
                    builder.penalty(f"{name}/kernel", 0.0, l2)
                return builder.finish(output)
            if finds_neighbours(graph):
                return builder.finish(builder.dense(sources, REPRESENTATION_UNITS, name, False, l2), num_outputs)
            return builder.finish(builder.dense(sources, units, name, True, l2))
        scaled = members is not None and node in members.scaled
        held[node] = [_hidden(builder, sources, attributes, node, scaled)]
    raise ValueError("a graph must have an output")


def _hidden(builder: Builder, sources: list[Tensor], attributes: Mapping[str, Any], node: int, scaled: bool) -> Tensor:
    """A hidden layer: product, normalisation, activation, dropout; with `scaled`, members have factors and biases."""
    name, normalization = f"layer_{node}", attributes["normalization"]
    # Batch normalisation cancels any bias.
    bias = normalization != "batch" and not scaled
    h = builder.dense(sources, int(attributes["units"]), name, bias, float(attributes["l2"]))
    if scaled:
        h = builder.scale(h, name, f"{name}/bias")
    if normalization != "none":
        h = (builder.batch_norm if normalization == "batch" else builder.layer_norm)(h, name)
    kind = attributes["activation"]
    h = builder.blend(h, kind, name) if attributes.get("parametric_activation") else builder.activation(h, kind)
    return builder.dropout(h, attributes["dropout"], node)


def _of_members(builder: Builder, sources: list[Tensor], members: Members, node: int, name: str) -> Tensor:
    """The input of a node with several members as one tensor, multiplied by the members' factors if it has any."""
    adapter = f"{name}/adapter" if node in members.adapted else ""
    if all(source.members == 1 for source in sources):
        source = sources[0] if len(sources) == 1 else builder.concatenate(sources)
        return builder.repeat(source, members.count, adapter)
    sources = [source if source.members > 1 else builder.repeat(source, members.count) for source in sources]
    source = sources[0] if len(sources) == 1 else builder.concatenate(sources)
    return builder.scale(source, adapter) if adapter else source
