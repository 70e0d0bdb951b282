"""Conversion of convolutional genomes to architecture graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genomes.staged.builder import Builder
from genomes.staged.convolutional_genome import ConvolutionalGenome

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["LAYER_KINDS", "to_graph"]

#: Layer kinds in the graphs that `to_graph` builds.
LAYER_KINDS = frozenset({"conv", "pool", "global_pool", "flatten", "add", "squeeze_excite", "dense"})


def to_graph(genome: ConvolutionalGenome) -> nx.DiGraph:
    """The genome's architecture graph; see `genomes.architecture.graph`."""
    builder = Builder(genome)
    if genome.input_pooling > 1:
        builder.pool("average", genome.input_pooling)
    for stage in genome.stages:
        for number, block in enumerate(stage.blocks):
            builder.convolutions(block, stride=2 if stage.downsampling == "stride" and not number else 1)
        if stage.downsampling in ("max", "average"):
            builder.pool(stage.downsampling)
    if genome.head_pooling == "flatten":
        builder.add("flatten")
    else:
        builder.add("global_pool", pooling=genome.head_pooling)
    return builder.head()
