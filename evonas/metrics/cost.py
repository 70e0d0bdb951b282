"""What a network costs, known before training from the architecture graph; and what over a limit means. No Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from evonas.evaluation import Evaluation, Status
from genomes.architecture.cost import count_flops, count_parameters
from genomes.architecture.embedding import input_columns
from genomes.architecture.members import members_of

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["excess", "measured_before", "over_limit"]

_MOVING_AVERAGES = {"batch": 2}
_UNITS = {"parameters": "parameters", "flops": "FLOPs", "latency_ms": "ms"}


def measured_before(graph: nx.DiGraph, num_features: int, num_outputs: int) -> dict[str, float]:
    """Parameters, FLOPs and memory of the network of the graph."""
    parameters = count_parameters(graph, num_features, num_outputs)
    held, layers = 0, range(1, len(graph) - 1)
    for node in layers:
        held += graph.nodes[node]["units"] * _MOVING_AVERAGES.get(graph.nodes[node]["normalization"], 0)
    members = members_of(graph)
    counts = {
        node: 1 if members is None or node in members.shared else members.count for node in (*layers, len(graph) - 1)
    }
    activations = input_columns(graph, num_features) + num_outputs * counts[len(graph) - 1]
    activations += sum(graph.nodes[node]["units"] * counts[node] for node in layers)
    return {
        "parameters": float(parameters),
        "flops": float(count_flops(graph, num_features, num_outputs)),
        "memory_bytes": 4.0 * (parameters + held + activations),
    }


def excess(value: float, limit: float) -> float:
    """By how much of the limit the value is over it; 0 when it is not."""
    return max(0.0, value / limit - 1.0)


def over_limit(measures: Mapping[str, float], limits: Mapping[str, float]) -> Evaluation | None:
    """The evaluation of a network that is over a limit; None when it is not."""
    over = {name: excess(measures[name], limit) for name, limit in limits.items() if measures[name] > limit}
    if not over:
        return None
    reason = "; ".join(f"{measures[name]:.6g} {_UNITS[name]}, at most {limits[name]:g}" for name in over)
    return Evaluation(
        Status.INFEASIBLE,
        {**measures, "violation": sum(over.values())},
        reason=f"over the limit: {reason}",
        parameters=int(measures.get("parameters", 0)),
    )
