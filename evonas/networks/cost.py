"""Cost measures of networks, computed from their architecture graph, and limits on them. Imports no Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from evonas.evaluation import Evaluation, Status
from genomes.architecture.cost import count_activations, count_flops, count_moving, count_parameters

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["excess", "measured_before", "over_limit"]

_UNITS = {"parameters": "parameters", "flops": "FLOPs", "training_flops": "FLOPs in training", "latency_ms": "ms"}


def measured_before(
    graph: nx.DiGraph, num_features: int, num_outputs: int, sample_shape: tuple[int, ...] = ()
) -> dict[str, float]:
    """Parameters, FLOPs and memory of a network; the arguments are those of `count_parameters`."""
    data = num_features, num_outputs, sample_shape
    parameters = count_parameters(graph, *data)
    held = parameters + count_moving(graph, *data) + count_activations(graph, *data)
    return {
        "parameters": float(parameters),
        "flops": float(count_flops(graph, *data)),
        "memory_bytes": 4.0 * held,
    }


def excess(value: float, limit: float) -> float:
    """Relative excess over the limit; 0 if the value is within the limit."""
    return max(0.0, value / limit - 1.0)


def over_limit(measures: Mapping[str, float], limits: Mapping[str, float]) -> Evaluation | None:
    """The evaluation of a network that exceeds a limit; None if it is within all limits."""
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
