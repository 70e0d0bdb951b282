"""`longest_first`: the order in which a generation is assigned to several workers, which affects only the total time.

If the longest training starts last, all other workers wait for it. Longest processing time first is within a third of
the optimum (Graham 1969), and requires only the order of times, for which multiplications and steps are a good proxy.

References:
    Graham 1969, Bounds on Multiprocessing Timing Anomalies. SIAM Journal on Applied Mathematics 17(2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genomes.architecture.options import REPRESENTATION_UNITS

if TYPE_CHECKING:
    from evonas.training_tasks import TrainingTask

__all__ = ["expected_work", "longest_first"]

#: Overhead of a layer per training step, in multiplications.
_STEP_MULTIPLICATIONS = 25_000.0
#: Width assumed for the input, whose columns are not known here, and for the output.
_WIDTH = 16


def expected_work(task: TrainingTask) -> float:
    """Relative duration of a task; its epochs if the network is unknown before it is built.

    >>> from evonas.training_tasks import TrainingTask
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
    if nodes and isinstance(nodes[-1], Mapping) and nodes[-1].get("output") == "neighbours":  # of the batch
        steps += REPRESENTATION_UNITS * int(training.get("batch_size", 32))
    return float(epochs * (members * sum(widths[before] * widths[after] for before, after in edges) + steps))


def _width(node: Mapping[str, Any]) -> int:
    """Number of outputs of a layer; an embedded input column counts with its embedding's dimension."""
    return int(node["units"]) if "units" in node else _WIDTH * int(node.get("embedding_units", 1))


def longest_first(tasks: Mapping[int, TrainingTask]) -> dict[int, TrainingTask]:
    """Sorts tasks by decreasing expected work; ties keep their order."""
    return dict(sorted(tasks.items(), key=lambda item: -expected_work(item[1])))
