"""Alignment of a child's layers with its parent's. Pure Python."""

from __future__ import annotations

import math
from functools import cache

import networkx as nx

__all__ = ["align_nodes"]

#: Cost of a gap; two gaps cost more than any mismatch of layers of the same kind.
_MISSING = 1.0
#: Cost of aligning layers of different kinds, which never happens, since two gaps cost less.
_OTHER_KIND = 3.0
#: Attributes for the width of a layer, and other attributes that distinguish layers of the same kind.
_WIDTHS = ("units", "filters")
_SHAPING = ("kernel", "stride", "dilation", "separable", "cell", "bidirectional", "sequences", "pooling", "size")


def align_nodes(parent: nx.DiGraph, child: nx.DiGraph) -> dict[int, int]:
    """Nodes of the child -> corresponding nodes of the parent, for nodes that have one.

    This is the optimal alignment of the two sequences of hidden layers (Needleman and Wunsch 1970). Ties favour the
    earlier layer, so that the second of two equal layers is the new one. Inputs and outputs are always aligned.

    References:
        Needleman and Wunsch, "A general method applicable to the search for similarities in the amino acid sequence of
        two proteins", Journal of Molecular Biology 48, 1970.
    """
    last, last_child = len(parent) - 1, len(child) - 1

    @cache
    def cost(p: int, c: int) -> float:
        """The cost of aligning the parent's layers from `p` onwards with the child's from `c` onwards."""
        if p == last or c == last_child:
            return _MISSING * (last - p + last_child - c)
        matched = _difference(parent, p, child, c) + cost(p + 1, c + 1)
        return min(matched, _MISSING + cost(p + 1, c), _MISSING + cost(p, c + 1))

    pairs, p, c = {0: 0, last_child: last}, 1, 1
    while p < last and c < last_child:
        if cost(p, c) == _difference(parent, p, child, c) + cost(p + 1, c + 1):
            pairs[c] = p
            p, c = p + 1, c + 1
        elif cost(p, c) == _MISSING + cost(p, c + 1):
            c += 1
        else:
            p += 1
    return pairs


def _difference(parent: nx.DiGraph, p: int, child: nx.DiGraph, c: int) -> float:
    """Dissimilarity of two layers: 0 if equal, and below two gaps if they have the same kind."""
    a, b = parent.nodes[p], child.nodes[c]
    if a["kind"] != b["kind"]:
        return _OTHER_KIND
    widening = max((abs(math.log2(a[name] / b[name])) for name in _WIDTHS if name in a), default=0.0)
    others: int = sum(a[name] != b.get(name) for name in _SHAPING if name in a)
    return (0.6 if a.get("activation") != b.get("activation") else 0.0) + float(min(0.3 * (widening + others), 0.6))
