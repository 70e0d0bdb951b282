"""`longest_first`: in which order a generation is given to several workers. Changes no result, but the end of it.

A worker that begins the longest training last keeps all others waiting. Longest first is within a third of the best
order (Graham 1969), and needs no true times, but the order of them: multiplications and steps tell it well enough.

References:
    Graham 1969, Bounds on Multiprocessing Timing Anomalies. SIAM Journal on Applied Mathematics 17(2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evonas.tasks.train import TrainingTask

__all__ = ["expected_work", "longest_first"]

#: Multiplications that take as long as the other costs of a layer in a training step.
_STEP_MULTIPLICATIONS = 25_000.0
#: Width of what has none: the input, whose columns are not known here, and the output.
_WIDTH = 16


def expected_work(task: TrainingTask) -> float:
    """How long a task takes, in no unit; its epochs alone where the network is not known before it is built.

    >>> from evonas.tasks.train import TrainingTask
    >>> expected_work(TrainingTask({"units": 8}, seed=0, epochs=3))
    3.0
    """
    nodes, edges = task.architecture.get("nodes"), task.architecture.get("edges")
    epochs = float(task.epochs - max((snapshot.epoch for snapshot in task.start), default=0) * (not task.inherit))
    if not isinstance(nodes, list) or not isinstance(edges, list):
        return epochs
    widths = [_width(node) if isinstance(node, Mapping) else _WIDTH for node in nodes]
    training = task.architecture.get("training") or {}
    steps = _STEP_MULTIPLICATIONS * len(nodes) / max(1, int(training.get("batch_size", 32)))
    members = int(nodes[0].get("members", 1)) if nodes and isinstance(nodes[0], Mapping) else 1
    return float(epochs * (members * sum(widths[before] * widths[after] for before, after in edges) + steps))


def _width(node: Mapping[str, Any]) -> int:
    """Numbers that a layer gives; each column of the input has as many as it is embedded in."""
    return int(node["units"]) if "units" in node else _WIDTH * int(node.get("embedding_units", 1))


def longest_first(tasks: Mapping[int, TrainingTask]) -> dict[int, TrainingTask]:
    """The tasks in that order; equal ones as they were."""
    return dict(sorted(tasks.items(), key=lambda item: -expected_work(item[1])))
