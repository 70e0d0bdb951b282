"""A package of a researcher's own, as an installer leaves it: a mutation, a metric, a layer kind and an encoding."""

from __future__ import annotations

from pathlib import Path

MODULE = '''
import math
from dataclasses import dataclass, replace

import numpy as np

from evonas import Metric
from evonas.networks.convolution import convolve_depthwise
from evonas.networks.layer_row import NetworkRow, Weight, side_by_side
from genomes import ConvolutionalSpace
from genomes.architecture import LayerKind, LayerRow, graph_to_json, make_graph
from genomes.architecture.layer_row import needs_rank, positions_in
from genomes.checks import Wholes
from genomes.staged.convolutional_genes import CONVOLUTIONAL


def equalise(genome, space, rng):
    if len({layer.units for layer in genome.layers}) < 2:
        return None
    units = genome.layers[int(rng.integers(len(genome.layers)))].units
    return replace(genome, layers=tuple(replace(layer, units=units) for layer in genome.layers))


def worst(y, predicted):
    return float(np.abs(predicted - y).max())


WORST = Metric("worst", "min", worst, ("regression",))


def sure(y, predicted):
    return float(predicted[np.arange(len(y)), y].mean())


SURE = Metric("sure", "max", sure, ("binary", "multiclass"))


def shape(attributes, taken):
    needs_rank(taken, 3)
    return taken


def area(attributes):
    return math.prod(attributes["kernel"])


def build(node, sources):
    from keras import layers

    h = sources[0] if len(sources) == 1 else layers.Concatenate()(list(sources))
    kernel = tuple(node.attributes["kernel"])
    layer = node.layer(layers.DepthwiseConv2D, kernel_size=kernel, padding="same", use_bias=False)
    return layer(h), None


def exported(settings, sources, others):
    (found,) = sources
    if settings["padding"] != "same" or settings["depth_multiplier"] != 1 or settings["use_bias"]:
        raise ValueError(settings)
    return found, math.prod(settings["kernel_size"]) * found[-1]


DEPTHWISE = LayerKind(
    "depthwise",
    LayerRow(
        attributes={"kernel": Wholes(1, 15, 2)},
        shape=shape,
        parameters=lambda attributes, taken, given: area(attributes) * taken[-1],
        flops=lambda attributes, taken, given: 2 * area(attributes) * taken[-1] * positions_in(given),
        label=lambda attributes: "depthwise " + "x".join(map(str, attributes["kernel"])),
    ),
    NetworkRow(
        lambda attributes, taken, given: {
            "kernel": Weight(
                (*attributes["kernel"], taken[-1], 1), "ssci", fans=(area(attributes) * taken[-1], area(attributes))
            )
        },
        lambda attributes, parts, sources, mask: (convolve_depthwise(side_by_side(sources), parts["kernel"]), None),
        passes=True,
    ),
    build,
    {"DepthwiseConv2D": exported},
)


@dataclass(frozen=True)
class DepthwiseSpace(ConvolutionalSpace):
    """Convolutional networks with a depthwise convolution before all else."""

    encoding = replace(CONVOLUTIONAL, name="depthwise_first", layer_kinds=CONVOLUTIONAL.layer_kinds | {"depthwise"})

    def architecture(self, genome):
        value = graph_to_json(super().architecture(genome))
        first, *rest = value["nodes"]
        nodes = [first, {"kind": "depthwise", "kernel": [3, 5]}, *rest]
        return make_graph(nodes, [(0, 1), *((u + 1, v + 1) for u, v in value["edges"])], value["training"])
'''

POINTS = """
[evonas.mutations]
equalise = {name}_module:equalise
[evonas.metrics]
worst = {name}_module:WORST
sure = {name}_module:SURE
[evonas.layer_kinds]
depthwise = {name}_module:DEPTHWISE
[evonas.encodings]
depthwise_first = {name}_module:DepthwiseSpace
"""


def install(folder: Path, name: str = "outside", version: str = "1.2") -> None:
    """The distribution, in a folder that Python is to import from."""
    about = folder / f"{name}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (about / "entry_points.txt").write_text(POINTS.format(name=name))
    (about / "top_level.txt").write_text(f"{name}_module\n")
    (folder / f"{name}_module.py").write_text(MODULE)
