"""`SequenceSpace`: the sequence networks that a search may try."""

# ruff: noqa: RUF009 (domains are frozen: as defaults they can be shared)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from genomes.domains import Choice, Domain, Range, Value
from genomes.staged.known_defaults import Recipe, express_recipes
from genomes.staged.mutation import Mutation, mutations_of
from genomes.staged.rows import Encoding
from genomes.staged.sequence_genes import SEQUENCE
from genomes.staged.sequence_graph import to_graph
from genomes.staged.sequence_known_defaults import RECIPES
from genomes.staged.space import StagedSpace

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["MUTATIONS", "SequenceSpace"]

#: Accepted forms of a gene: a domain, the options of a choice, or a fixed value.
Given = Domain | Sequence[Value] | Value

MUTATIONS: Mapping[str, Mutation] = mutations_of(SEQUENCE)


@dataclass(frozen=True)
class SequenceSpace(StagedSpace):
    """Sequence networks. Each gene is a `Range`, a `Choice` (or a list of options), or a fixed value.

    The default suits series of tens to hundreds of steps, trained on a few CPUs; `for_text` gives the default for
    texts.

    >>> import numpy as np
    >>> space = SequenceSpace(stages=1)
    >>> len(space.sample(np.random.default_rng(0)).stages)
    1

    Attributes:
        stages: number of stages, 0 to 8.
        blocks: number of blocks per stage, 1 to 8.
        layer, units, convolutions, kernel, dilation, separable, squeeze_excite, cell, bidirectional, heads, positions,
            feed_forward, residual: genes of each block, see `sequence_genome.Block`.
        downsampling: downsampling of each stage, among "none", "max" and "average" (pooling).
        tokens: whether samples are texts; the same for all networks of a search.
        vocabulary, length, token_units, token_dropout, bag_of_words, pair_buckets, random_convolutions, activation,
            normalization, dropout, initializer, head_pooling, state_units, head_layers, head_units, head_dropout: see
            `SequenceGenome`.
        optimizer, learning_rate, batch_size, schedule, warmup, l2, weight_decay, beta2, label_smoothing: see
            `genomes.training.Training`.
        shift, noise, cutout, mixup: augmentation of training series, see `genomes.training.AugmentedTraining`; each is
            off in more than half of all random networks.
        extra_mutations: names of user-defined mutations, see `genomes.mutations`.

    Raises:
        InputError: a value is invalid for its gene; the message names the table, the key, the value and the fix.
    """

    encoding: ClassVar[Encoding] = SEQUENCE
    known_mutations: ClassVar[Mapping[str, Mutation]] = MUTATIONS
    recipes: ClassVar[tuple[Recipe, ...]] = RECIPES

    stages: Given = Range(0, 3)
    blocks: Given = Range(1, 2)
    layer: Given = Choice(("conv", "recurrent", "attention"))
    units: Given = Range(16, 128, log=True)
    convolutions: Given = Choice((1, 2))
    kernel: Given = Choice((3, 5, 7, 9))
    dilation: Given = Choice((1, 2, 4))
    separable: Given = Choice((False, True))
    squeeze_excite: Given = Choice((0, 4, 8))
    cell: Given = Choice(("gru", "lstm"))
    bidirectional: Given = Choice((False, True))
    heads: Given = Choice((1, 2, 4))
    positions: Given = Choice(("none", "learned", "sine"))
    feed_forward: Given = Choice((False, True))
    residual: Given = Choice((False, True))
    downsampling: Given = Choice(("none", "max", "average"))
    tokens: Given = False
    vocabulary: Given = Choice((2000, 5000, 10_000, 20_000))
    length: Given = Choice((32, 64, 128, 256, 512))
    token_units: Given = Range(16, 128, log=True)
    token_dropout: Given = Range(0.1, 0.5, zero=True)
    bag_of_words: Given = Choice((False, True))
    pair_buckets: Given = Choice((0, 1 << 13, 1 << 15))
    random_convolutions: Given = Choice((1000, 2000, 5000, 10_000))
    activation: Given = Choice(("relu", "elu", "gelu", "silu"))
    normalization: Given = Choice(("none", "batch", "layer"))
    dropout: Given = Range(0.05, 0.4, zero=True)
    initializer: Given = Choice(("he_normal", "glorot_uniform"))
    head_pooling: Given = Choice(("average", "max", "gru", "lstm"))
    head_layers: Given = Choice((0, 1))
    head_units: Given = Range(32, 128, log=True)
    head_dropout: Given = Range(0.1, 0.5, zero=True)
    state_units: Given = Range(16, 128, log=True)
    optimizer: Given = Choice(("nesterov", "adam", "adamw"))
    learning_rate: Given = Range(1e-4, 1e-2, log=True)
    batch_size: Given = Choice((16, 32, 64, 128))
    schedule: Given = Choice(("constant", "cosine", "flat_cosine"))
    warmup: Given = Choice((0.0, 0.05, 0.1))
    l2: Given = Range(1e-6, 1e-3, log=True, zero=True)
    weight_decay: Given = Range(1e-5, 1e-1, log=True, zero=True)
    beta2: Given = Choice((0.99, 0.999))
    label_smoothing: Given = Choice((0.0, 0.05, 0.1))
    shift: Given = Range(0.02, 0.2, zero=True)
    noise: Given = Range(0.01, 0.3, log=True, zero=True)
    cutout: Given = Range(0.05, 0.3, zero=True)
    mixup: Given = Range(0.1, 0.5, zero=True)
    extra_mutations: tuple[str, ...] = ()

    @classmethod
    def for_text(cls, **genes: Any) -> SequenceSpace:
        """The default space for texts: an embedding of tokens, followed by few stages or none.

        Args:
            **genes: genes that differ from the default.
        """
        return cls(**{"tokens": True, "stages": Range(0, 2), "head_layers": 0, "kernel": Choice((2, 3, 4, 5)), **genes})

    def architecture(self, genome: Any) -> nx.DiGraph:
        """The graph that training sees; see `genomes.architecture.graph`."""
        return to_graph(genome)

    def known_defaults(self, task: str) -> tuple[Mapping[str, Any], ...]:
        """See `StagedSpace.known_defaults`."""
        random = self.domain("random_convolutions").greatest > 0
        recipes = (recipe for recipe in self.recipes if random or "random_convolutions" not in recipe.genes)
        return express_recipes(self, tuple(recipes))
