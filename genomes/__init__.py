"""What evolves: genomes, the spaces they live in, and the architecture graphs they build.

A *genome* is a frozen value without score or weights. A *space* (`SearchSpace`) defines which genomes a search may try
and how to move among them; random methods take their generator as an argument::

    import numpy as np
    from genomes import Choice, DenseSpace, Range

    space = DenseSpace(layers=Range(1, 3), activation=["relu", "tanh"], batch_size=64, embedding="none")
    rng = np.random.default_rng(0)
    parent = space.sample(rng)
    child, mutation = space.mutate(parent, rng)
    child = space.crossover(parent, child, rng)

`DenseSpace` holds networks of dense layers, `ConvolutionalSpace` networks of convolutions over images or series,
`SequenceSpace` networks over series and texts; `HyperparameterSpace` holds named values for a model built by your own
function (see `genomes.hyperparameters`)::

    from genomes import Gene, HyperparameterSpace

    HyperparameterSpace({"filters": Range(8, 64, log=True), "pool": ["avg", "max"], "augment": [False, True],
                         "angle": Gene(Range(0.0, 0.5), when={"augment": True})})

Each gene of a space is a `Range` of numbers, a `Choice` (or a list of options), or one fixed value. Bounds and names
are checked when a space is created; every mistake raises an `InputError` that names the location, the value and the
fix.

An *architecture graph* (`networkx.DiGraph`, see `genomes.architecture`) is all that training sees of a genome::

    from genomes import architecture

    graph = space.architecture(child)
    print(architecture.draw(graph))
    architecture.count_parameters(graph, num_features=8, num_outputs=1)

`space.digest(genome)` is equal exactly when two genomes build the same network and train it the same way, whatever
order their layers are listed in.

Files: spaces are TOML (`read_space`, `space_to_toml`), populations are JSON (`read_population`, `population_to_text`).
Reading never runs code: no pickle, no eval, no import strings.

=========================  ===========================================================
module                     owns
=========================  ===========================================================
`genomes.space`            `SearchSpace`, the protocol of every encoding, and `FlatSpace`, an optional one
`genomes.domains`          `Range` and `Choice`: the values that a gene may take
`genomes.gene`             `Gene`: a domain with a name and the condition under which it is active
`genomes.dense`            the dense encoding: genome, space, mutations, crossover, graph
`genomes.staged`           networks made of stages of blocks: the convolutional encoding for images and series, the
                           sequence encoding for series and texts, and the code that they share
`genomes.hyperparameters`  flat typed genes: genome, space, mutations
`genomes.architecture`     the graph: JSON, checks, parameters, FLOPs, digest, drawing; canonical form under
                           isomorphism; names and bounds of layer and training settings
`genomes.encodings`        spaces of any encoding from TOML and JSON
`genomes.population`       population files
`genomes.codec`            JSON text, SHA-256, format version
=========================  ===========================================================

Imports the standard library, numpy and networkx, the last two only when they are needed; nothing from `evonas`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genomes.dense import DenseGenome, DenseSpace, Layer, Neighbours, Training
    from genomes.domains import Choice, Range
    from genomes.encodings import read_space, space_from_json, space_from_toml, space_to_toml
    from genomes.errors import InputError
    from genomes.gene import Gene
    from genomes.hyperparameters import HyperparameterGenome, HyperparameterSpace
    from genomes.population import Population, population_to_text, read_population
    from genomes.space import SearchSpace
    from genomes.staged import ConvolutionalGenome, ConvolutionalSpace, SequenceGenome, SequenceSpace, StagedSpace

__all__ = [
    "Choice",
    "ConvolutionalGenome",
    "ConvolutionalSpace",
    "DenseGenome",
    "DenseSpace",
    "Gene",
    "HyperparameterGenome",
    "HyperparameterSpace",
    "InputError",
    "Layer",
    "Neighbours",
    "Population",
    "Range",
    "SearchSpace",
    "SequenceGenome",
    "SequenceSpace",
    "StagedSpace",
    "Training",
    "population_to_text",
    "read_population",
    "read_space",
    "space_from_json",
    "space_from_toml",
    "space_to_toml",
]

#: Name -> module that defines it, loaded on first use, so that importing an error does not import numpy.
_HOMES = {
    **dict.fromkeys(("DenseGenome", "DenseSpace", "Layer", "Neighbours", "Training"), "dense"),
    **dict.fromkeys(("Choice", "Range"), "domains"),
    **dict.fromkeys(("ConvolutionalGenome", "ConvolutionalSpace", "SequenceGenome", "SequenceSpace"), "staged"),
    "StagedSpace": "staged",
    **dict.fromkeys(("HyperparameterGenome", "HyperparameterSpace"), "hyperparameters"),
    **dict.fromkeys(("Population", "population_to_text", "read_population"), "population"),
    **dict.fromkeys(("read_space", "space_from_json", "space_from_toml", "space_to_toml"), "encodings"),
    "Gene": "gene",
    "InputError": "errors",
    "SearchSpace": "space",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
