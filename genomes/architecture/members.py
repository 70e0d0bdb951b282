"""Networks that share their weights: how many there are in one, and where they differ.

Members are computed side by side. Layers that come before the first difference are computed once; each kernel is
everybody's, and members differ by factors of their own, and by the output.

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
    """The members of a network of several.

    Attributes:
        count: how many, at least 2.
        shared: nodes that are computed once for all of them, the input among them.
        first: hidden nodes in which members begin to differ.
        adapted: hidden nodes that multiply what they take in by each member's own factors.
        scaled: hidden nodes that multiply what their kernel gives by each member's own factors, and add its own bias.
    """

    count: int
    shared: frozenset[int]
    first: frozenset[int]
    adapted: frozenset[int]
    scaled: frozenset[int]


def count_of(graph: nx.DiGraph) -> int:
    """How many members the network has; 1 of a plain one, and of one without hidden layers, whose would be alike."""
    return int(graph.nodes[0].get("members", 1)) if len(graph) > 2 else 1


def members_of(graph: nx.DiGraph) -> Members | None:
    """The members of the network; None where it has no others than itself."""
    count, about = count_of(graph), graph.nodes[0]
    if count < 2:
        return None
    hidden = range(1, len(graph) - 1)
    shared: set[int] = set()
    if about.get("member_start", "hidden") == "hidden":
        shared = {node for node in hidden if set(graph.predecessors(node)) == {0}}
        if len(shared) == len(hidden):  # behind them is the output, whose factors would change nothing
            shared = set()
    shared.add(0)
    several = frozenset(node for node in hidden if node not in shared)
    first = frozenset(node for node in several if shared & set(graph.predecessors(node)))
    full = about.get("adapters", "mini") == "full"
    return Members(count, frozenset(shared), first, several if full else first, several if full else frozenset())


@dataclass(frozen=True)
class NodeMembers:
    """How a node is computed for several members.

    Attributes:
        count: how often.
        own_kernels: whether each time with a kernel of its own.
        adapted, scaled: as in `Members`.
    """

    count: int = 1
    own_kernels: bool = False
    adapted: bool = False
    scaled: bool = False


def node_members(members: Members | None, node: int, output: int) -> NodeMembers:
    """How a node is computed; `output` is the number of the last one."""
    if members is None or node in members.shared:
        return NodeMembers()
    return NodeMembers(members.count, node == output, node in members.adapted, node in members.scaled)
