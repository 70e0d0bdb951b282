"""From a dense genome to the architecture graph that training sees."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from genomes.architecture.graph import make_graph
from genomes.architecture.layers import INPUT_KINDS, OFF
from genomes.architecture.neighbours import attributes_of
from genomes.dense.genome import DenseGenome

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["to_graph"]


def to_graph(genome: DenseGenome) -> nx.DiGraph:
    """The genome's architecture graph; see `genomes.architecture.graph`."""
    training = {name: value for name, value in asdict(genome.training).items() if value != OFF.get(name)}
    kernel = {"initializer": genome.initializer, "l2": training.pop("l2")}
    every = {"kind": "dense", "dropout": genome.dropout, "normalization": genome.normalization, **kernel}
    hidden = [{**every, "units": layer.units, "activation": layer.activation} for layer in genome.layers]
    wiring = [*(layer.sources for layer in genome.layers), genome.output_sources]
    edges = [(source, node) for node, sources in enumerate(wiring, start=1) for source in sources]
    inputs = {name: value for name in INPUT_KINDS if (value := getattr(genome, name)) != OFF[name]}
    first = {"kind": "input", **inputs, **attributes_of(genome.neighbours)}
    return make_graph([first, *hidden, {"kind": "output", **kernel}], edges, training)
