"""Conversion of sequence genomes to architecture graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genomes.architecture.bag_layers import MOST_WORDS
from genomes.architecture.options import CELLS
from genomes.staged.builder import Builder
from genomes.staged.sequence_genome import AUGMENTATION, Block, SequenceGenome
from genomes.training import AugmentedTraining, replace_fields

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["to_graph"]


def to_graph(genome: SequenceGenome) -> nx.DiGraph:
    """The genome's architecture graph; see `genomes.architecture.graph`."""
    if genome.random_convolutions:
        return _random_convolution_graph(genome)
    builder = Builder(genome)
    if genome.bag_of_words:
        parts = {"vocabulary": min(genome.vocabulary, MOST_WORDS), "length": genome.length, "units": genome.token_units}
        builder.add("bag_of_words", **parts, buckets=genome.pair_buckets, dropout=genome.token_dropout)
        return builder.head()
    if genome.tokens:
        parts = {"vocabulary": genome.vocabulary, "length": genome.length, "units": genome.token_units}
        builder.add("tokens", **parts, dropout=genome.token_dropout)
        builder.channels = genome.token_units
    for stage in genome.stages:
        for block in stage.blocks:
            if block.layer == "conv":
                builder.convolutions(block, dilation=block.dilation)
            elif block.layer == "recurrent":
                _recurrent(builder, block, genome)
            else:
                _attention(builder, block, genome)
        if stage.downsampling != "none":
            builder.pool(stage.downsampling)
    if genome.head_pooling in CELLS:
        _cell(builder, genome, genome.head_pooling, genome.state_units, sequences=False)
    else:
        builder.add("global_pool", pooling=genome.head_pooling)
    return builder.head()


def _random_convolution_graph(genome: SequenceGenome) -> nx.DiGraph:
    """A network with a trained head on features that are computed once per series, hence without augmentation."""
    plain = AugmentedTraining()
    kept = {name: getattr(plain, name) for name in AUGMENTATION}
    builder = Builder(replace_fields(genome, training=replace_fields(genome.training, **kept)))
    builder.add("random_convolutions", features=genome.random_convolutions)
    return builder.head()


def _recurrent(builder: Builder, block: Block, genome: SequenceGenome) -> None:
    before, channels = builder.last, builder.channels
    _cell(builder, genome, block.cell, block.units, block.bidirectional, dropout=genome.dropout)
    builder.channels = block.width
    if block.residual:
        builder.add_to(before, channels)


def _cell(
    builder: Builder,
    genome: SequenceGenome,
    cell: str,
    units: int,
    bidirectional: bool = False,
    sequences: bool = True,
    dropout: float = 0.0,
) -> None:
    kernel = {"initializer": genome.initializer, "dropout": dropout}
    builder.add("recurrent", cell=cell, units=units, bidirectional=bidirectional, sequences=sequences, **kernel)


def _attention(builder: Builder, block: Block, genome: SequenceGenome) -> None:
    """Adds attention, after a convolution with kernel 1 if its input has a different width."""
    if builder.channels != block.units:
        builder.conv(block.units, 1, "linear")
    if block.positions != "none":
        builder.add("positions", positions=block.positions)
    heads = min(block.heads, block.units)
    builder.add("attention", heads=heads, key_units=block.units // heads * heads, dropout=genome.dropout)
    if block.feed_forward:
        before = builder.last
        builder.add("normalize", normalization="layer", activation="linear", dropout=0.0)
        builder.step_dense(2 * block.units, genome.activation)
        builder.step_dense(block.units, "linear", genome.dropout)
        builder.channels = block.units
        builder.add("add", builder.last, before, activation="linear")
