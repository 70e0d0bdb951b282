"""Weight inheritance layer by layer, for networks whose units cannot be traced. Pure numpy.

This applies if one of the networks has an embedding or members. Weights of corresponding layers are copied as far as
their shapes overlap, and new weights keep their initial values. The embeddings of categories are the last inputs of a
layer: a child that embeds them differently inherits the other inputs, and the weights of these start at 0. Members are
inherited in turn. The weights of a network without members are copied to each member, whose adapters then start near 1.
"""

from __future__ import annotations

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Weights
from evonas.networks.alignment import align_nodes
from evonas.networks.forward import SCALES
from genomes.architecture.embedding import categories_of, embeds
from genomes.architecture.graph import finds_neighbours
from genomes.architecture.members import count_of, members_of

__all__ = ["inherit_parts", "is_plain"]

Array = NDArray[np.float32]

#: Distance from 1 of the initial adapters of members that inherit the weights of a single network.
_SPREAD = 0.1
#: Attributes of the input node that determine the meaning of its units.
_INPUT = ("embedding", "embedding_units")


def is_plain(graph: nx.DiGraph) -> bool:
    """Whether a network has neither embeddings nor members, so that units can be traced."""
    return not embeds(graph) and members_of(graph) is None


def inherit_parts(
    parent: nx.DiGraph, trained: Weights, child: nx.DiGraph, initial: Weights, same_features: bool = True
) -> dict[str, Array]:
    """The child's weights, float32 by name.

    Args:
        parent, trained: the trained network and its weights.
        child, initial: the inheriting network and its initial weights.
        same_features: whether both networks use the same features.
    """
    found = {name: np.array(value, np.float32) for name, value in initial.items()}
    same_input = same_features and all(parent.nodes[0].get(name) == child.nodes[0].get(name) for name in _INPUT)
    same_categories = parent.nodes[0].get("category_units") == child.nodes[0].get("category_units")
    kept = [*(("embedding/", "waves/", SCALES) if same_input else ())]
    kept += ["categories/"] if same_features and same_categories else []
    for name, value in trained.items():
        if name.startswith(tuple(kept)) and name in found and np.shape(value) == found[name].shape:
            found[name] = np.array(value, np.float32)
    members = members_of(child)
    for ours, theirs in align_nodes(parent, child).items():
        if ours == len(child) - 1 and finds_neighbours(parent) != finds_neighbours(child):
            continue
        sources = [set(child.predecessors(ours)), set(parent.predecessors(theirs))]
        fed_alike = same_input or not any(0 in each for each in sources)
        single = all(len(each) == 1 for each in sources)
        prefix, before = _prefix(child, ours), _prefix(parent, theirs)
        for name in [name for name in found if ours and name.startswith(prefix)]:
            part, own = name.removeprefix(prefix), found[name]
            if before + part in trained:
                given = _for_members(own, np.asarray(trained[before + part], np.float32), part)
                # The rows of a kernel correspond to the units of its sources.
                if part not in ("kernel", "adapter") or (fed_alike and (single or given.shape == own.shape)):
                    if part == "kernel" and not same_categories and 0 in sources[0]:
                        own, given = _zero_categories(child, own), _without_categories(parent, given)
                    found[name] = _overlay(own, given)
            elif part == "adapter" and members is not None and ours in members.first and count_of(parent) == 1:
                found[name] = 1.0 + np.float32(_SPREAD) * own
    return found


def _without_categories(graph: nx.DiGraph, kernel: Array) -> Array:
    """A kernel over the input without the rows of categories, which are the last ones."""
    categories = categories_of(graph)
    return kernel if categories is None else kernel[..., : kernel.shape[-2] - categories.width, :]


def _zero_categories(graph: nx.DiGraph, kernel: Array) -> Array:
    """The kernel with the rows of categories set to 0, so that these have no effect until they are trained."""
    found = kernel.copy()
    found[..., _without_categories(graph, kernel).shape[-2] :, :] = 0.0
    return found


def _prefix(graph: nx.DiGraph, node: int) -> str:
    return "output/" if node == len(graph) - 1 else f"layer_{node}/"


def _by_member(value: Array, part: str) -> bool:
    """Whether the first axis of a weight is that of members."""
    return value.ndim == {"kernel": 3, "adapter": 2, "scale": 2, "bias": 2, "blend": 2}.get(part, 0)


def _for_members(own: Array, given: Array, part: str) -> Array:
    """Converts a weight to the child's number of members: copied from one, averaged to one, or repeated in turn."""
    if not _by_member(own, part):
        return np.asarray(given.mean(axis=0)) if _by_member(given, part) else given
    if not _by_member(given, part):
        return np.broadcast_to(given, (len(own), *given.shape))
    return given[np.resize(np.arange(len(given)), len(own))]


def _overlay(own: Array, given: Array) -> Array:
    """The own values, overwritten by the given ones where the shapes overlap."""
    found, both = own.copy(), tuple(slice(min(a, b)) for a, b in zip(own.shape, given.shape, strict=True))
    found[both] = given[both]
    return found
