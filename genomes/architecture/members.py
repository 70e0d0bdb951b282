"""Weight-sharing ensembles: the number of members of a network, and the nodes in which they differ.

Members are computed side by side. Layers before the first difference are computed once. Hidden kernels are shared; each
member has its own elementwise factors and its own output layer.

Source: Gorishniy, Kotelnikov and Babenko 2025, TabM (arXiv 2410.24210); Wen, Tran and Ba 2020, BatchEnsemble.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Members", "NodeMembers", "count_of", "members_of", "node_members"]


@dataclass(frozen=True)
class Members:
    """The members of a network with more than one.

    Attributes:
        count: number of members, at least 2.
        shared: nodes that are computed once for all members, including the input.
        first: hidden nodes in which members begin to differ.
        adapted: hidden nodes whose input is multiplied by factors of each member.
        scaled: hidden nodes whose output is multiplied by factors of each member, with one bias per member.
    """

    count: int
    shared: frozenset[int]
    first: frozenset[int]
    adapted: frozenset[int]
    scaled: frozenset[int]


def count_of(graph: nx.DiGraph) -> int:
    """Number of members; 1 for a plain network, and for one without hidden layers, since its members would be equal."""
    return int(graph.nodes[0].get("members", 1)) if len(graph) > 2 else 1


def members_of(graph: nx.DiGraph) -> Members | None:
    """The members of the network; None if it has only one."""
    count, about = count_of(graph), graph.nodes[0]
    if count < 2:
        return None
    hidden = range(1, len(graph) - 1)
    shared: set[int] = set()
    if about.get("member_start", "hidden") == "hidden":
        shared = {node for node in hidden if set(graph.predecessors(node)) == {0}}
        if len(shared) == len(hidden):  # only the output follows, where factors would have no effect
            shared = set()
    shared.add(0)
    several = frozenset(node for node in hidden if node not in shared)
    first = frozenset(node for node in several if shared & set(graph.predecessors(node)))
    full = about.get("adapters", "mini") == "full"
    return Members(count, frozenset(shared), first, several if full else first, several if full else frozenset())


@dataclass(frozen=True)
class NodeMembers:
    """How a node is computed for the members.

    Attributes:
        count: number of times that the node is computed.
        own_kernels: whether each member has a separate kernel.
        adapted, scaled: as in `Members`.
    """

    count: int = 1
    own_kernels: bool = False
    adapted: bool = False
    scaled: bool = False


def node_members(members: Members | None, node: int, output: int) -> NodeMembers:
    """How a node is computed; `output` is the index of the last node."""
    if members is None or node in members.shared:
        return NodeMembers()
    return NodeMembers(members.count, node == output, node in members.adapted, node in members.scaled)
