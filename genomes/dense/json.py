"""Conversion of dense genomes to JSON values and back, with validation."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from genomes.architecture.layers import MAX_LAYERS, OFF
from genomes.architecture.neighbours import attributes_of, neighbours_from_json
from genomes.checks import Whole, items, record, table
from genomes.codec import VERSION, check_header
from genomes.dense.genes import EMBEDDING_GENES, MEMBER_GENES, NETWORK_GENES, TRAINING_GENES
from genomes.dense.genome import DenseGenome, Layer, Training
from genomes.dense.wiring import wiring_faults
from genomes.errors import InputError

__all__ = ["genome_from_json", "genome_to_json"]

_LAYER_KINDS = {name: NETWORK_GENES[name] for name in ("units", "activation")}
_NETWORK_KINDS = {
    name: NETWORK_GENES[name]
    for name in (
        "dropout",
        "normalization",
        "initializer",
        "numbers",
        "scaling",
        "category_units",
        "parametric_activation",
        "output",
    )
}
#: Genes added later -> the default, which is left out; all older networks have this value.
_LATER = {name: getattr(DenseGenome((), (0,)), name) for name in (*EMBEDDING_GENES, *MEMBER_GENES)}
_LATER_KINDS = {name: NETWORK_GENES[name] for name in _LATER}
_KEYS = ("encoding", "version", "layers", "output_sources", *_NETWORK_KINDS, *_LATER, "neighbours", "training")
_REQUIRED = tuple(key for key in _KEYS if key not in OFF and key not in _LATER and key != "neighbours")
#: Always written, since it predates the rule that defaults are left out.
_ALWAYS = "numbers"
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
        **_drop_off_values({name: getattr(genome, name) for name in _NETWORK_KINDS}),
        **{name: value for name, usual in _LATER.items() if (value := getattr(genome, name)) != usual},
        **attributes_of(genome.neighbours),
        "training": _drop_off_values(asdict(genome.training)),
    }


def genome_from_json(value: Any, place: str = "genome") -> DenseGenome:
    """Reads a genome from JSON values.

    Raises:
        InputError: the value is not a dense genome; the message names the location.
    """
    check_header(value, place, "dense")
    parts = {**OFF, **_LATER, **table(value, place, _KEYS, required=_REQUIRED)}
    layers = items(parts["layers"], f"{place}.layers", MAX_LAYERS)
    needed = [name for name in TRAINING_GENES if name not in OFF]
    training = {**OFF, **table(parts["training"], f"{place}.training", TRAINING_GENES, required=needed)}
    genome = DenseGenome(
        layers=tuple(_read_layer(layer, f"{place}.layers[{k}]") for k, layer in enumerate(layers)),
        output_sources=_read_sources(parts["output_sources"], f"{place}.output_sources"),
        training=Training(**record(training, f"{place}.training", TRAINING_GENES)),
        **record(parts, place, _NETWORK_KINDS | _LATER_KINDS),
        neighbours=neighbours_from_json(parts["neighbours"], f"{place}.neighbours") if "neighbours" in parts else None,
    )
    for inside, fault in wiring_faults(genome):
        raise InputError(f"{place}.{inside} {fault}")
    return genome


def _drop_off_values(values: dict[str, Any]) -> dict[str, Any]:
    """Leaves out the values that are off."""
    return {name: value for name, value in values.items() if name == _ALWAYS or value != OFF.get(name)}


def _read_layer(value: Any, place: str) -> Layer:
    keys = (*_LAYER_KINDS, "sources")
    parts = table(value, place, keys, required=keys)
    return Layer(**record(parts, place, _LAYER_KINDS), sources=_read_sources(parts["sources"], f"{place}.sources"))


def _read_sources(value: Any, place: str) -> tuple[int, ...]:
    sources = items(value, place, MAX_LAYERS + 1)
    return tuple(_POSITION.read(source, f"{place}[{k}]") for k, source in enumerate(sources))
