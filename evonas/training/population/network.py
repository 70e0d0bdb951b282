"""`Network`: an architecture graph as plain tuples, which the population trainer plans and packs. No Keras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import networkx as nx

from evonas.training.optimizers import constants_of
from genomes.errors import InputError

__all__ = ["Network"]


@dataclass(frozen=True)
class Network:
    """One dense network and its training genes, node by node.

    Attributes:
        widths, activations, normalizations, dropouts: of each hidden layer.
        edges: (source, node) pairs, sorted by node, then source; 0 is the input, `len(widths) + 1` the output.
        penalties: L2 factor of each hidden layer's kernel, then of the output's.
        optimizer, learning_rate, batch_size, schedule, warmup, weight_decay, beta2: see `genomes.dense.Training`.
        view: the features that it uses, see `evonas.data.prepared.Problem.view`.
        columns: their indices among all features; empty if it uses all.
    """

    widths: tuple[int, ...]
    activations: tuple[str, ...]
    normalizations: tuple[str, ...]
    dropouts: tuple[float, ...]
    edges: tuple[tuple[int, int], ...]
    penalties: tuple[float, ...]
    optimizer: str
    learning_rate: float
    batch_size: int
    schedule: str
    warmup: float
    weight_decay: float
    view: str = "standard"
    columns: tuple[int, ...] = ()
    beta2: float = 0.999

    @classmethod
    def from_graph(cls, graph: nx.DiGraph) -> Network:
        """The network of an architecture graph.

        Raises:
            InputError: it has properties that the population trainer does not support.
        """
        output = graph.number_of_nodes() - 1
        hidden = [graph.nodes[node] for node in range(1, output)]
        training: Mapping[str, Any] = graph.graph["training"]
        parametric = any(layer.get("parametric_activation") for layer in hidden)
        about: Mapping[str, Any] = {**graph.nodes[0], "parametric_activation": parametric}
        places = [(name, about) for name in ("scaling", "category_units", "parametric_activation")]
        places.append(("output", graph.nodes[output]))
        rates = ("bias_rate", "embedding_rate", "output_rate")
        for name in ("label_smoothing", *rates, "parametrization", "decay_schedule", "bias_initializer"):
            places.append((name, training))
        for name, there in places:
            if there.get(name):
                raise InputError(
                    f"{name} must be off with the population trainer, not {there[name]}: take the trainer native or "
                    "single, or fix the gene in the space"
                )
        return cls(
            widths=tuple(int(layer["units"]) for layer in hidden),
            activations=tuple(layer["activation"] for layer in hidden),
            normalizations=tuple(layer["normalization"] for layer in hidden),
            dropouts=tuple(float(layer["dropout"]) for layer in hidden),
            edges=tuple(sorted(((int(u), int(v)) for u, v in graph.edges), key=lambda edge: (edge[1], edge[0]))),
            penalties=tuple(float(graph.nodes[node]["l2"]) for node in range(1, output + 1)),
            optimizer=training["optimizer"],
            learning_rate=float(training["learning_rate"]),
            batch_size=int(training["batch_size"]),
            schedule=training["schedule"],
            warmup=float(training["warmup"]),
            weight_decay=float(training["weight_decay"]),
            beta2=constants_of(training).beta2,
        )

    @property
    def output(self) -> int:
        """Number of the output node."""
        return len(self.widths) + 1
