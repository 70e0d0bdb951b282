"""Conversion of the spaces of all encodings to TOML (for users) and JSON (for runs), and back.

Also blueprints and descriptions of genomes of any encoding. One row in `ENCODINGS` registers an encoding.
"""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Mapping
from os import PathLike
from types import MappingProxyType
from typing import Any

from genomes.architecture.graph import draw, graph_to_json
from genomes.checks import refuse
from genomes.codec import read_text
from genomes.dense.space import DenseSpace
from genomes.errors import InputError
from genomes.extensions import Extensions
from genomes.hyperparameters.space import HyperparameterSpace
from genomes.space import SearchSpace
from genomes.staged.convolutional_space import ConvolutionalSpace
from genomes.staged.sequence_space import SequenceSpace
from genomes.staged.space import StagedSpace
from genomes.toml import to_toml

__all__ = [
    "ENCODINGS",
    "ENCODINGS_FROM_OUTSIDE",
    "blueprint",
    "describe",
    "genome_of_any_space",
    "read_space",
    "short_name",
    "space_from_json",
    "space_from_toml",
    "space_to_toml",
]

#: Encoding -> its space class, which has a `from_json`.
ENCODINGS: Mapping[str, type[DenseSpace | HyperparameterSpace | StagedSpace]] = MappingProxyType(
    {
        "dense": DenseSpace,
        "convolutional": ConvolutionalSpace,
        "sequence": SequenceSpace,
        "hyperparameters": HyperparameterSpace,
    }
)


def _space_class(value: Any, what: str) -> Any:
    if not (isinstance(value, type) and callable(getattr(value, "from_json", None))):
        raise InputError(f"{what} must be the class of a space, with from_json, not {value!r:.80}: give the class")
    return value


#: User-defined space classes by the "encoding" in their JSON: registered when a space is passed, or installed as entry
#: points.
ENCODINGS_FROM_OUTSIDE: Extensions[Any] = Extensions("encoding", "encodings", "evonas.encodings", _space_class)

#: TOML is slow to parse.
_LONGEST_TOML = 1 << 18

_HEADING = """\
# A search space. Each setting is one value (fixed), a list of options, or a range:
#     { low = 16, high = 256, log = true }    evenly on a logarithmic scale
#     { low = 1e-6, high = 1e-3, zero = true }    0 (off), or at least 1e-6
"""
#: Encoding -> other keys that identify its files.
_LEFT_OUT = "# What is left out is as in the default space.\n"
_REMARKS = {
    "dense": _LEFT_OUT,
    "convolutional": _LEFT_OUT,
    "sequence": _LEFT_OUT,
    "hyperparameters": """\
# A gene may depend on others; it is absent where they have other values:
#     { low = 0.05, high = 0.5, when = { regularise = true } }
#     { options = ["avg", "max"], when = { layers = { low = 2 } } }
""",
}


def space_from_json(value: Any) -> SearchSpace:
    """Reads a space from JSON values, with the dense encoding unless they name another encoding or have genes.

    >>> space_from_json({"network": {"layers": 2}}).layers
    Choice(options=(2,))

    Raises:
        InputError: the value is not a space; the message names the table, the key, the value and the fix.
    """
    encoding = "dense"
    if isinstance(value, Mapping):
        encoding = value.get("encoding", "hyperparameters" if "genes" in value else "dense")
    return _encoding(encoding, "space.encoding").from_json(value)  # type: ignore[no-any-return]


def _encoding(name: Any, place: str) -> Any:
    """The space class of an encoding."""
    if isinstance(name, str) and name not in ENCODINGS and (found := ENCODINGS_FROM_OUTSIDE.find(name, ENCODINGS)):
        return found
    if isinstance(name, str) and name in ENCODINGS:
        return ENCODINGS[name]
    refuse(place, f"one of {', '.join(ENCODINGS)}", name, "choose one of them, or install the package that defines it")


def space_from_toml(text: str) -> SearchSpace:
    """Reads a space from TOML text.

    >>> space_from_toml("[network]\\nunits = { low = 8, high = 64 }").units
    Range(low=8, high=64, log=False, zero=False)

    Raises:
        InputError: see `space_from_json`, or the text is not TOML.
    """
    if len(text) > _LONGEST_TOML:
        raise InputError(f"space must have at most {_LONGEST_TOML} characters, not {len(text)}: is it the right file?")
    try:
        value = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"space must be TOML, which it is not ({error}): correct that line") from None
    return space_from_json(value)


def space_to_toml(space: SearchSpace) -> str:
    """The space as TOML, with a comment on how to edit it.

    >>> from genomes import DenseSpace
    >>> space_from_toml(space_to_toml(DenseSpace(layers=2))) == DenseSpace(layers=2)
    True
    """
    value = space.to_json()
    return _HEADING + _REMARKS.get(value["encoding"], "") + to_toml(value)


def read_space(path: str | PathLike[str]) -> SearchSpace:
    """Reads a space from a TOML file. Raises InputError like `space_from_toml`, or if the file cannot be read.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "space.toml"
    ...     size = path.write_text("[network]\\nlayers = 2\\n")
    ...     read_space(path).layers
    Choice(options=(2,))
    """
    return space_from_toml(read_text(path, "space file"))


def genome_of_any_space(value: Any) -> tuple[SearchSpace, Any]:
    """Reads a network's genome; returns the default space of its encoding, which may not contain it, and the genome.

    Raises:
        InputError: the value is not a genome of a network; the message names the location.
    """
    encoding = value.get("encoding", "dense") if isinstance(value, Mapping) else "dense"
    space = _encoding(encoding, "genome.encoding")
    if issubclass(space, HyperparameterSpace):
        raise InputError("genome of a user-defined model must come with its space: give the space")
    return space(), space.read_genome(value)


def short_name(genome: Mapping[str, Any]) -> str:
    """A short name of a genome (JSON values): the kinds and widths of its layers or blocks."""
    blocks = [block for stage in genome.get("stages", ()) for block in stage["blocks"]]
    widths = [str(block.get("filters", block.get("units"))) for block in blocks]
    if "stages" in genome:
        layers = dict.fromkeys(block.get("layer", "conv") for block in blocks)
        return f"{'-'.join(widths)} {' and '.join(layers)}" if blocks else "no stage"
    units = [str(layer["units"]) for layer in genome.get("layers", ()) if "units" in layer]
    return "-".join(units) or "no hidden layer"


def blueprint(space: Any, genome: Any) -> dict[str, Any]:
    """The part of a genome that training sees, as JSON values: the architecture graph, or the genes of user-defined
    models.

    Args:
        space: a `HyperparameterSpace`, or one whose genomes have an architecture.
        genome: a genome of the space.
    """
    if isinstance(space, HyperparameterSpace):
        return space.genome_to_json(genome)
    return graph_to_json(space.architecture(genome))


def describe(space: Any, genome: Any) -> str:
    """The genome as lines of text: the network and, in the last line, its training settings; or the genes."""
    if isinstance(space, HyperparameterSpace):
        return "\n".join(textwrap.wrap(", ".join(f"{name}={value}" for name, value in genome.items()), 100))
    return draw(space.architecture(genome))
