"""Parameters, floating-point operations and activations of a network, computed from its architecture graph."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from genomes.architecture.embedding import categories_of, embedding_of, input_columns
from genomes.architecture.flat_layers import pair_flops
from genomes.architecture.layers import Attributes, LayerRow, Shape, row_of
from genomes.architecture.members import NodeMembers, members_of, node_members
from genomes.architecture.options import MAX_REFERENCES
from genomes.architecture.shapes import input_shape_of, node_shapes
from genomes.errors import InputError

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["accepts_any_size", "count_activations", "count_fixed", "count_flops", "count_frozen_flops", "count_moving"]
__all__ += ["count_pair_flops", "count_parameters", "count_training_flops", "input_width"]

#: Heights and widths of images for `accepts_any_size`.
_SIZES = (16, 64)


def input_width(graph: nx.DiGraph, node: int, num_features: int) -> int:
    """Width of a dense node's input: the concatenated outputs of its sources."""
    return sum(
        input_columns(graph, num_features) if source == 0 else int(graph.nodes[source]["units"])
        for source in graph.predecessors(node)
    )


def count_parameters(graph: nx.DiGraph, num_features: int, num_outputs: int, sample_shape: Shape = ()) -> int:
    """Trainable parameters: kernels, biases, two per normalised unit (moving averages are not trained) and one per
    scaled feature. Reference rows of predictions from learned neighbours are not trained, either.

    Layers with batch normalisation have no bias, since the normalisation would cancel it. Parameters of embeddings and
    of individual members are included.

    Args:
        graph: architecture of the network.
        num_features: length of a flat sample.
        num_outputs: number of outputs.
        sample_shape: shape of a sample with several axes, see `genomes.architecture.shapes.input_shape`.

    Raises:
        InputError: a layer does not accept the shapes of its sources; the message names the node.
    """
    total = num_features if graph.nodes[0].get("scaling") else 0
    total += sum(each.parameters for each in (embedding_of(graph), categories_of(graph)) if each is not None)
    for attributes, row, taken, given, members in _nodes(graph, num_features, num_outputs, sample_shape):
        if members.count > 1 and row.member_parameters is not None:
            total += row.member_parameters(attributes, taken, given, members)
        else:
            total += row.parameters(attributes, taken, given)
    return total


def accepts_any_size(graph: nx.DiGraph) -> bool:
    """Whether a network takes images of any height and width, with weights of the same shapes.

    This is the case if it ends in global pooling.
    """
    try:
        counts = {count_parameters(graph, size * size, 1, (size, size, 1)) for size in _SIZES}
    except InputError:  # it takes no images
        return False
    return len(counts) == 1


def count_flops(graph: nx.DiGraph, num_features: int, num_outputs: int, sample_shape: Shape = ()) -> int:
    """Floating-point operations of matrix products and biases in the forward pass of one sample.

    A kernel takes `fan_in * fan_out` multiplications and, with the bias, as many additions, at each position and for
    each member. Elementwise work (activation, normalisation, pooling, members' factors) is not counted. For predictions
    from learned neighbours, as many reference rows are assumed as a network may have.

    Args:
        graph, num_features, num_outputs, sample_shape: as in `count_parameters`.

    Raises:
        InputError: see `count_parameters`.
    """
    total = sum(each.flops for each in (embedding_of(graph), categories_of(graph)) if each is not None)
    for attributes, row, taken, given, members in _nodes(graph, num_features, num_outputs, sample_shape):
        total += members.count * row.flops(attributes, taken, given)
    return total


def count_frozen_flops(graph: nx.DiGraph, num_features: int, num_outputs: int, sample_shape: Shape = ()) -> int:
    """The part of `count_flops` that training computes only once per row: that of a frozen first layer. Arguments as
    there.

    0 if other layers take the input too.
    """
    if len(graph) < 3 or list(graph.successors(0)) != [1] or not row_of(graph.nodes[1]).frozen:
        return 0
    attributes, row, taken, given, _ = next(_nodes(graph, num_features, num_outputs, sample_shape))
    return row.flops(attributes, taken, given)


def count_training_flops(graph: nx.DiGraph, num_features: int, num_outputs: int, sample_shape: Shape = ()) -> int:
    """The part of `count_flops` that training computes for each row of a batch. Arguments as there.

    Excludes a frozen first layer. Neighbours are the rows of the batch, not all reference rows.
    """
    size = num_features, num_outputs, sample_shape
    spared = MAX_REFERENCES - int(graph.graph["training"].get("batch_size", MAX_REFERENCES))
    return count_flops(graph, *size) - count_frozen_flops(graph, *size) - spared * count_pair_flops(graph, num_outputs)


def count_pair_flops(graph: nx.DiGraph, num_outputs: int) -> int:
    """Floating-point operations for a row and one of its neighbours; 0 for a network that does not predict from any."""
    return pair_flops(graph.nodes[len(graph) - 1], num_outputs)


def count_activations(graph: nx.DiGraph, num_features: int, num_outputs: int, sample_shape: Shape = ()) -> int:
    """Size of all layer outputs for one sample, including the input. Arguments as in `count_parameters`."""
    nodes = _nodes(graph, num_features, num_outputs, sample_shape)
    return input_columns(graph, num_features) + sum(members.count * math.prod(given) for *_, given, members in nodes)


def count_moving(graph: nx.DiGraph, num_features: int, num_outputs: int, sample_shape: Shape = ()) -> int:
    """Number of moving averages of batch normalisation, which are stored but not trained. Arguments as in
    `count_parameters`.
    """
    nodes = _nodes(graph, num_features, num_outputs, sample_shape)
    return sum(row.moving(attributes, taken, given) for attributes, row, taken, given, _ in nodes)


def count_fixed(graph: nx.DiGraph, num_features: int, num_outputs: int, sample_shape: Shape = ()) -> int:
    """Number of stored values of frozen layers, such as random convolutions: fitted to the training rows, but not
    trained. Arguments as in `count_parameters`.
    """
    nodes = _nodes(graph, num_features, num_outputs, sample_shape)
    return sum(row.moving(attributes, taken, given) for attributes, row, taken, given, _ in nodes if row.frozen)


def _nodes(
    graph: nx.DiGraph, num_features: int, num_outputs: int, sample_shape: Shape
) -> Iterator[tuple[Attributes, LayerRow, Shape, Shape, NodeMembers]]:
    """For each node except the input: attributes, row, input and output shape, and how many times it is computed."""
    shapes = node_shapes(graph, sample_shape or (num_features,), num_outputs)
    members = members_of(graph)
    for node in range(1, len(graph)):
        attributes = graph.nodes[node]
        several = node_members(members, node, len(graph) - 1)
        yield attributes, row_of(attributes), input_shape_of(graph, node, shapes), shapes[node], several
