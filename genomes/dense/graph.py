"""Conversion of dense genomes to architecture graphs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from genomes.architecture.graph import make_graph
from genomes.architecture.layers import OFF
from genomes.architecture.neighbours import attributes_of
from genomes.dense.genes import COSTLY, EMBEDDING_GENES, MEMBER_GENES, is_active
from genomes.dense.genome import DenseGenome

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["to_graph"]


def to_graph(genome: DenseGenome) -> nx.DiGraph:
    """The genome's architecture graph; see `genomes.architecture.graph`."""
    training = {name: value for name, value in asdict(genome.training).items() if value != OFF.get(name)}
    if genome.embedding == "none":
        training.pop("embedding_rate", None)
    if not is_active(genome, "label_smoothing"):
        training.pop("label_smoothing", None)
    kernel = {"initializer": genome.initializer, "l2": training.pop("l2")}
    every = {"kind": "dense", "dropout": genome.dropout, "normalization": genome.normalization, **kernel}
    if genome.parametric_activation:
        every["parametric_activation"] = True
    hidden = [{**every, "units": layer.units, "activation": layer.activation} for layer in genome.layers]
    wiring = [*(layer.sources for layer in genome.layers), genome.output_sources]
    edges = [(source, node) for node, sources in enumerate(wiring, start=1) for source in sources]
    first = {"kind": "input", **_input_attributes(genome), **attributes_of(genome.neighbours)}
    output = {} if genome.output == OFF["output"] else {"output": genome.output}
    return make_graph([first, *hidden, {"kind": "output", **kernel, **output}], edges, training)


def _input_attributes(genome: DenseGenome) -> dict[str, Any]:
    """The attributes of the input that have an effect, so that equal networks have equal graphs."""
    found: dict[str, Any] = {}
    for name in ("numbers", "scaling", "category_units"):
        if getattr(genome, name) != OFF[name] and is_active(genome, name):
            found[name] = getattr(genome, name)
    for switch, genes in (("embedding", EMBEDDING_GENES), ("members", MEMBER_GENES)):
        if getattr(genome, switch) != COSTLY[switch] and is_active(genome, switch):
            found |= {name: getattr(genome, name) for name in genes if is_active(genome, name)}
    return found
