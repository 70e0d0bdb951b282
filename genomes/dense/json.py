"""Dense genomes as JSON values, and back with every value checked."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from genomes.architecture.layers import MAX_LAYERS
from genomes.checks import Whole, items, record, table
from genomes.codec import VERSION, check_header
from genomes.dense.genes import EMBEDDING_GENES, MEMBER_GENES, NETWORK_GENES, TRAINING_GENES
from genomes.dense.genome import DenseGenome, Layer, Training
from genomes.dense.wiring import wiring_faults
from genomes.errors import InputError

__all__ = ["genome_from_json", "genome_to_json"]

_LAYER_KINDS = {name: NETWORK_GENES[name] for name in ("units", "activation")}
_NETWORK_KINDS = {name: NETWORK_GENES[name] for name in ("dropout", "normalization", "initializer", "numbers")}
#: Genes that came later: left out where they are as in every network before.
_LATER = {name: getattr(DenseGenome((), (0,)), name) for name in (*EMBEDDING_GENES, *MEMBER_GENES)}
_LATER_KINDS = {name: NETWORK_GENES[name] for name in _LATER}
_KEYS = ("encoding", "version", "layers", "output_sources", *_NETWORK_KINDS, *_LATER, "training")
_REQUIRED = tuple(key for key in _KEYS if key != "numbers" and key not in _LATER)
_POSITION = Whole(0, MAX_LAYERS)


def genome_to_json(genome: DenseGenome) -> dict[str, Any]:
    """The genome as JSON values."""
    layers = [
        {"units": layer.units, "activation": layer.activation, "sources": list(layer.sources)}
        for layer in genome.layers
    ]
    return {
        "encoding": "dense",
        "version": VERSION,
        "layers": layers,
        "output_sources": list(genome.output_sources),
        **{name: getattr(genome, name) for name in _NETWORK_KINDS},
        **{name: value for name, usual in _LATER.items() if (value := getattr(genome, name)) != usual},
        "training": asdict(genome.training),
    }


def genome_from_json(value: Any, place: str = "genome") -> DenseGenome:
    """The genome back.

    Raises:
        InputError: the value is no dense genome; the text names the place.
    """
    check_header(value, place, "dense")
    parts = {"numbers": "standard", **_LATER, **table(value, place, _KEYS, required=_REQUIRED)}
    layers = items(parts["layers"], f"{place}.layers", MAX_LAYERS)
    training = table(parts["training"], f"{place}.training", TRAINING_GENES, required=TRAINING_GENES)
    genome = DenseGenome(
        layers=tuple(_read_layer(layer, f"{place}.layers[{k}]") for k, layer in enumerate(layers)),
        output_sources=_read_sources(parts["output_sources"], f"{place}.output_sources"),
        training=Training(**record(training, f"{place}.training", TRAINING_GENES)),
        **record(parts, place, _NETWORK_KINDS | _LATER_KINDS),
    )
    for inside, fault in wiring_faults(genome):
        raise InputError(f"{place}.{inside} {fault}")
    return genome


def _read_layer(value: Any, place: str) -> Layer:
    keys = (*_LAYER_KINDS, "sources")
    parts = table(value, place, keys, required=keys)
    return Layer(**record(parts, place, _LAYER_KINDS), sources=_read_sources(parts["sources"], f"{place}.sources"))


def _read_sources(value: Any, place: str) -> tuple[int, ...]:
    sources = items(value, place, MAX_LAYERS + 1)
    return tuple(_POSITION.read(source, f"{place}[{k}]") for k, source in enumerate(sources))
