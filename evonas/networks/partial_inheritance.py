"""Inheritance of weights layer by layer, for networks whose units cannot be traced. Pure numpy.

So it is where one of them has an embedding or members: weights of the same layer are copied as far as their shapes
reach, and what is new keeps its own initial values. What categorical columns give comes last of what a layer takes
in: a child that has it otherwise takes over the rest, and begins without it. Members are taken over in turn; a plain
network's weights are those of each member, whose own factors then begin near 1.
"""

from __future__ import annotations

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Weights
from evonas.networks.alignment import align_nodes
from evonas.networks.forward import SCALES
from genomes.architecture.embedding import categories_of, embeds
from genomes.architecture.members import count_of, members_of

__all__ = ["inherit_parts", "is_plain"]

Array = NDArray[np.float32]

#: How far from 1 the factors of members begin that share what one network had learned.
_SPREAD = 0.1
#: Genes of the input that decide what its units mean.
_INPUT = ("embedding", "embedding_units")


def is_plain(graph: nx.DiGraph) -> bool:
    """Whether a network is of layers alone, which inheritance follows unit by unit."""
    return not embeds(graph) and members_of(graph) is None


def inherit_parts(
    parent: nx.DiGraph, trained: Weights, child: nx.DiGraph, initial: Weights, same_features: bool = True
) -> dict[str, Array]:
    """The child's weights, float32 by name.

    Args:
        parent, trained: the network that was trained, and its weights.
        child, initial: the network that takes over, and its own initial weights.
        same_features: whether the two see the same features.
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
        sources = [set(child.predecessors(ours)), set(parent.predecessors(theirs))]
        fed_alike = same_input or not any(0 in each for each in sources)
        single = all(len(each) == 1 for each in sources)
        prefix, before = _prefix(child, ours), _prefix(parent, theirs)
        for name in [name for name in found if ours and name.startswith(prefix)]:
            part, own = name.removeprefix(prefix), found[name]
            if before + part in trained:
                given = _for_members(own, np.asarray(trained[before + part], np.float32), part)
                # Rows of a kernel correspond to the units of its sources.
                if part not in ("kernel", "adapter") or (fed_alike and (single or given.shape == own.shape)):
                    if part == "kernel" and not same_categories and 0 in sources[0]:
                        own, given = _zero_categories(child, own), _of_the_rest(parent, given)
                    found[name] = _overlay(own, given)
            elif part == "adapter" and members is not None and ours in members.first and count_of(parent) == 1:
                found[name] = 1.0 + np.float32(_SPREAD) * own
    return found


def _of_the_rest(graph: nx.DiGraph, kernel: Array) -> Array:
    """The rows of a kernel over the input without those of categories, which are the last ones."""
    categories = categories_of(graph)
    return kernel if categories is None else kernel[..., : kernel.shape[-2] - categories.width, :]


def _zero_categories(graph: nx.DiGraph, kernel: Array) -> Array:
    """The kernel with the rows of categories 0, so that these add nothing until they are trained."""
    found = kernel.copy()
    found[..., _of_the_rest(graph, kernel).shape[-2] :, :] = 0.0
    return found


def _prefix(graph: nx.DiGraph, node: int) -> str:
    return "output/" if node == len(graph) - 1 else f"layer_{node}/"


def _by_member(value: Array, part: str) -> bool:
    """Whether the first axis of a weight counts members."""
    return value.ndim == {"kernel": 3, "adapter": 2, "scale": 2, "bias": 2, "blend": 2}.get(part, 0)


def _for_members(own: Array, given: Array, part: str) -> Array:
    """The given weight for as many members as the own one has: all of one, the mean of several, or some twice."""
    if not _by_member(own, part):
        return np.asarray(given.mean(axis=0)) if _by_member(given, part) else given
    if not _by_member(given, part):
        return np.broadcast_to(given, (len(own), *given.shape))
    return given[np.resize(np.arange(len(given)), len(own))]


def _overlay(own: Array, given: Array) -> Array:
    """The own values, and the given ones as far as both reach."""
    found, both = own.copy(), tuple(slice(min(a, b)) for a, b in zip(own.shape, given.shape, strict=True))
    found[both] = given[both]
    return found
