"""An architecture graph as text, for a terminal or a log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genomes.architecture.layers import TRAINING_KINDS, row_of
from genomes.checks import Truth

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["draw"]

#: Augmentation settings, drawn by name.
_AUGMENTATION = ("flip", "shift", "rotation", "zoom", "noise", "cutout", "mixup")

_THROUGH = {" ": "─", "│": "┼", "╮": "┬", "╯": "┴"}


def draw(graph: nx.DiGraph) -> str:
    """The network as lines of text from input to output, with skip connections as rails and a line on its training::

    ●─╮  input
    │ │
    ● │  64 relu, dropout 0.2
    │ │
    ●─╯  output
    adam at 0.001, batches of 32
    """
    lanes = _lanes(sorted((u, v) for u, v in graph.edges if v > u + 1))
    lines = []
    for node in range(len(graph)):
        lines.append(f"●{_rails(lanes, node)}  {row_of(graph.nodes[node]).label(graph.nodes[node])}")
        if node + 1 < len(graph):
            between = "".join(f" {'│' if any(u <= node < v for u, v in lane) else ' '}" for lane in lanes)
            lines.append(f"{'│' if graph.has_edge(node, node + 1) else ' '}{between}".rstrip())
    return "\n".join([*lines, _training_line(graph.graph["training"])])


def _lanes(skips: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Assigns skip connections to as few columns as possible without overlap."""
    lanes: list[list[tuple[int, int]]] = []
    for skip in skips:
        for lane in lanes:
            if lane[-1][1] < skip[0]:
                lane.append(skip)
                break
        else:
            lanes.append([skip])
    return lanes


def _rails(lanes: list[list[tuple[int, int]]], node: int) -> str:
    """The rails in a node's own line: connections that start or end at the node are joined to it."""
    marks = []
    for lane in lanes:
        mark = " "
        for u, v in lane:
            mark = "╮" if u == node else "╯" if v == node else "│" if u < node < v else mark
        marks.append(mark)
    last = max((k for k, mark in enumerate(marks) if mark in "╮╯"), default=-1)
    joined = (f"─{_THROUGH[mark] if k < last else mark}" if k <= last else f" {mark}" for k, mark in enumerate(marks))
    return "".join(joined)


def _training_line(training: Mapping[str, Any]) -> str:
    parts = [f"{training['optimizer']} at {training['learning_rate']:g}", f"batches of {training['batch_size']}"]
    if "beta2" in training and training["optimizer"] in ("adam", "adamw", "nadam"):
        parts[0] += f" with beta2 {training['beta2']:g}"
    if training["schedule"] != "constant":
        parts.append(f"{training['schedule']} schedule")
    if training["warmup"]:
        parts.append(f"warm-up {training['warmup']:g}")
    if training["weight_decay"] and training["optimizer"] == "adamw":
        schedule = f" on a {training['decay_schedule']} schedule" if "decay_schedule" in training else ""
        parts.append(f"weight decay {training['weight_decay']:g}{schedule}")
    if training.get("label_smoothing"):
        parts.append(f"label smoothing {training['label_smoothing']:g}")
    if "bias_rate" in training:
        parts.append(f"biases at {training['bias_rate']:g} times the rate")
    parts += [
        f"{name} at {training[key]:g} times the rate"
        for name, key in (("embedding", "embedding_rate"), ("output", "output_rate"))
        if key in training
    ]
    if "parametrization" in training:
        parts.append(f"{training['parametrization']} parametrization")
    if "bias_initializer" in training:
        parts.append("biases begin at training rows")
    for name in _AUGMENTATION:
        if training.get(name):
            parts.append(name if isinstance(TRAINING_KINDS[name], Truth) else f"{name} {training[name]:g}")
    return ", ".join(parts)
