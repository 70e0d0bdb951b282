"""Builds the architecture graph of a network made of stages, node by node."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from genomes.architecture.graph import make_graph
from genomes.architecture.options import MAX_KERNEL, OFF

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Builder"]


class Builder:
    """An architecture graph under construction.

    Attributes:
        last: number of the last node.
        channels: number of channels of its output; None if it depends on the data.
    """

    def __init__(self, genome: Any) -> None:
        """Starts the graph of a genome, whose network genes apply to all layers."""
        self._genome = genome
        self._nodes: list[dict[str, Any]] = [{"kind": "input"}]
        self._edges: list[tuple[int, int]] = []
        self._kernel = {"initializer": genome.initializer, "l2": genome.training.l2}
        self.last = 0
        self.channels: int | None = None

    def add(self, kind: str, *sources: int, **attributes: Any) -> int:
        """Adds a node after the given sources, or after the last node, and returns its number."""
        node = len(self._nodes)
        self._edges += [(source, node) for source in sorted(sources or (self.last,))]
        self._nodes.append({"kind": kind, **attributes})
        self.last = node
        return node

    def conv(self, filters: int, kernel: int, activation: str | None = None, *sources: int, **other: Any) -> int:
        """Adds a convolution with the network's genes, of the concatenated `sources` or the last node; `other` holds
        stride, dilation, dropout etc. that differ from the defaults.
        """
        self.channels = filters
        return self.add(
            "conv",
            *sources,
            filters=filters,
            kernel=[kernel],
            **{"stride": 1, "dilation": 1, "separable": False, "dropout": 0.0, **other},
            activation=self._genome.activation if activation is None else activation,
            normalization=self._genome.normalization,
            **self._kernel,
        )

    def convolutions(self, block: Any, stride: int = 1, dilation: int = 1) -> None:
        """Adds a block of convolutions, the first with the stride, the last with the dropout; then
        squeeze-and-excitation.

        With several branches, each convolution becomes several side by side, whose kernels double from branch to branch
        up to the largest kernel, followed by a 1x1 convolution of them all (Ismail Fawaz et al. 2020). A residual block
        adds its input, through a 1x1 convolution if shapes differ.
        """
        before, channels = self.last, self.channels
        for number in range(block.convolutions):
            is_last = number == block.convolutions - 1
            activation = "linear" if is_last and block.residual else None
            dropout = self._genome.dropout if is_last else 0.0
            given = {"stride": 1 if number else stride, "dilation": dilation, "separable": block.separable}
            if (branches := getattr(block, "branches", 1)) == 1:
                self.conv(block.width, block.kernel, activation, dropout=dropout, **given)
                continue
            source = self.last
            kernels = [min(block.kernel << branch, MAX_KERNEL) for branch in range(branches)]
            ends = [self.conv(block.width, kernel, None, source, **given) for kernel in kernels]
            self.conv(block.width, 1, activation, *ends, dropout=dropout)
        if block.squeeze_excite:
            self.add("squeeze_excite", ratio=block.squeeze_excite)
        if block.residual:
            self.add_to(before, channels, stride)

    def add_to(self, before: int, channels: int | None, stride: int = 1) -> None:
        """Adds the sum of the last node and an earlier one, followed by the activation."""
        last, width = self.last, self.channels
        if stride > 1 or channels != width or width is None:
            if width is None:
                raise ValueError("a residual connection needs a node of known channels")
            self.last = before
            before = self.conv(width, 1, "linear", stride=stride)
        self.add("add", last, before, activation=self._genome.activation)

    def step_dense(self, units: int, activation: str, dropout: float = 0.0) -> None:
        """Adds a position-wise dense layer without normalisation."""
        parts = {"filters": units, "kernel": [1], "stride": 1, "dilation": 1, "separable": False}
        self.add("conv", **parts, activation=activation, normalization="none", dropout=dropout, **self._kernel)
        self.channels = units

    def pool(self, pooling: str, size: int = 2) -> None:
        """Adds a pooling, which halves each axis by default."""
        self.add("pool", pooling=pooling, size=size)

    def dense(self, units: int, dropout: float) -> None:
        """Adds a dense layer with the network's genes."""
        genome = self._genome
        self.add(
            "dense",
            units=units,
            activation=genome.activation,
            dropout=dropout,
            normalization=genome.normalization,
            **self._kernel,
        )

    def head(self) -> nx.DiGraph:
        """Adds the head and the output, and returns the graph."""
        genome = self._genome
        for _ in range(genome.head_layers):
            self.dense(genome.head_units, genome.head_dropout)
        self.add("output", **self._kernel)
        training = {field.name: getattr(genome.training, field.name) for field in fields(genome.training)}
        settings = {name: value for name, value in training.items() if name != "l2" and value != OFF.get(name)}
        return make_graph(self._nodes, self._edges, settings)
