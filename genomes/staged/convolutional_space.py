"""`ConvolutionalSpace`: the convolutional networks that a search may try."""

# ruff: noqa: RUF009 (domains are frozen: as defaults they can be shared)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from genomes.domains import Choice, Domain, Range, Value
from genomes.staged.convolutional_genes import CONVOLUTIONAL
from genomes.staged.convolutional_graph import to_graph
from genomes.staged.convolutional_known_defaults import RECIPES
from genomes.staged.known_defaults import Recipe
from genomes.staged.mutation import Mutation, mutations_of
from genomes.staged.rows import Encoding
from genomes.staged.space import StagedSpace

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["MUTATIONS", "ConvolutionalSpace"]

#: Accepted forms of a gene: a domain, the options of a choice, or a fixed value.
Given = Domain | Sequence[Value] | Value

MUTATIONS: Mapping[str, Mutation] = mutations_of(CONVOLUTIONAL)


@dataclass(frozen=True)
class ConvolutionalSpace(StagedSpace):
    """Convolutional networks. Each gene is a `Range`, a `Choice` (or a list of options), or a fixed value.

    The default suits images of 28x28 to 64x64 pixels, trained on a few CPUs.

    >>> import numpy as np
    >>> space = ConvolutionalSpace(stages=2, kernel=3)
    >>> len(space.sample(np.random.default_rng(0)).stages)
    2

    Attributes:
        stages: number of stages, 0 to 8; each halves its feature map unless its `downsampling` is "none".
        blocks: number of blocks per stage, 1 to 8.
        filters, convolutions, kernel, separable, residual, squeeze_excite: genes of each block, see
            `convolutional_genome.Block`. In random networks all blocks of a stage have the same width.
        downsampling: downsampling of each stage, among "none", "stride", "max" and "average" (pooling).
        activation, normalization, dropout, initializer, input_pooling, head_pooling, head_layers, head_units,
            head_dropout: see `ConvolutionalGenome`.
        optimizer, learning_rate, batch_size, schedule, warmup, l2, weight_decay, beta2, label_smoothing: see
            `genomes.training.Training`.
        flip, shift, rotation, zoom, cutout, mixup: augmentation of training samples, see
            `genomes.training.AugmentedTraining`; each is off in more than half of all random networks.
        extra_mutations: names of user-defined mutations, see `genomes.mutations`.

    Raises:
        InputError: a value is invalid for its gene; the message names the table, the key, the value and the fix.
    """

    encoding: ClassVar[Encoding] = CONVOLUTIONAL
    known_mutations: ClassVar[Mapping[str, Mutation]] = MUTATIONS
    recipes: ClassVar[tuple[Recipe, ...]] = RECIPES

    stages: Given = Range(1, 3)
    blocks: Given = Range(1, 2)
    filters: Given = Range(8, 64, log=True)
    convolutions: Given = Choice((1, 2))
    kernel: Given = Choice((3, 5))
    separable: Given = Choice((False, True))
    residual: Given = Choice((False, True))
    squeeze_excite: Given = Choice((0, 4, 8))
    downsampling: Given = Choice(("stride", "max", "average"))
    activation: Given = Choice(("relu", "leaky_relu", "elu", "gelu", "silu"))
    normalization: Given = Choice(("none", "batch"))
    dropout: Given = Range(0.05, 0.3, zero=True)
    initializer: Given = Choice(("he_normal", "glorot_uniform"))
    input_pooling: Given = Choice((1, 2))
    head_pooling: Given = Choice(("average", "max", "flatten"))
    head_layers: Given = Choice((0, 1))
    head_units: Given = Range(32, 256, log=True)
    head_dropout: Given = Range(0.1, 0.5, zero=True)
    optimizer: Given = Choice(("nesterov", "adam", "adamw"))
    learning_rate: Given = Range(1e-4, 1e-2, log=True)
    batch_size: Given = Choice((32, 64, 128, 256))
    schedule: Given = Choice(("constant", "cosine", "flat_cosine"))
    warmup: Given = Choice((0.0, 0.05))
    l2: Given = Range(1e-6, 1e-3, log=True, zero=True)
    weight_decay: Given = Range(1e-5, 1e-1, log=True, zero=True)
    beta2: Given = Choice((0.99, 0.999))
    label_smoothing: Given = Choice((0.0, 0.05, 0.1))
    flip: Given = Choice((False, True))
    shift: Given = Range(0.02, 0.2, zero=True)
    rotation: Given = Range(0.01, 0.1, zero=True)
    zoom: Given = Range(0.02, 0.3, zero=True)
    cutout: Given = Range(0.1, 0.5, zero=True)
    mixup: Given = Range(0.1, 0.5, zero=True)
    extra_mutations: tuple[str, ...] = ()

    def architecture(self, genome: Any) -> nx.DiGraph:
        """The graph that training sees; see `genomes.architecture.graph`."""
        return to_graph(genome)
