"""`SequenceGenome`: stages of sequence blocks with training settings, as a frozen value.

It has no fitness, id or weights. Fields are validated when genomes are read; the space decides which values a search
may choose.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from genomes.staged.genome import Stage
from genomes.training import AugmentedTraining

__all__ = ["AUGMENTATION", "BLOCK_LAYERS", "DOWNSAMPLINGS", "POOLINGS", "POSITIONS", "Block", "SequenceGenome"]

#: Types of blocks.
BLOCK_LAYERS = ("conv", "recurrent", "attention")
#: How a stage halves the number of steps after its last block.
DOWNSAMPLINGS = ("none", "max", "average")
#: How the last steps are reduced to a vector: mean or maximum of each channel, or the last state of a cell.
POOLINGS = ("average", "max", "gru", "lstm")
#: Augmentation genes for series; texts are not augmented.
AUGMENTATION = ("shift", "noise", "cutout", "mixup")
#: Position encodings of attention.
POSITIONS = ("none", "learned", "sine")


@dataclass(frozen=True)
class Block:
    """Convolutions, a recurrent layer, or self-attention. Genes of the other layer types are idle.

    Attributes:
        layer: type of the block, one of `BLOCK_LAYERS`.
        units: number of filters, of units per cell and direction, or of units of all heads together.
        convolutions, kernel, separable, squeeze_excite: for "conv", see `convolutional_genome.Block`.
        dilation: spacing of the steps that a kernel takes (for "conv"; Bai et al. 2018).
        cell: "gru" or "lstm" (for "recurrent").
        bidirectional: whether the outputs of a second cell, which runs backwards, are concatenated (for "recurrent").
        heads: number of heads, at most `units` (for "attention").
        positions: position encoding added before the attention, one of `POSITIONS` (for "attention").
        feed_forward: whether a residual block of two position-wise dense layers, the first twice as wide, follows the
            attention (for "attention"; Vaswani et al. 2017).
        residual: whether the block's input is added to its output (for "conv" and "recurrent"; attention always does
            so).
    """

    layer: str
    units: int
    convolutions: int = 1
    kernel: int = 1
    dilation: int = 1
    separable: bool = False
    squeeze_excite: int = 0
    cell: str = "gru"
    bidirectional: bool = False
    heads: int = 1
    positions: str = "none"
    feed_forward: bool = False
    residual: bool = False

    @property
    def width(self) -> int:
        """Number of output channels."""
        return self.units * (2 if self.bidirectional else 1)


@dataclass(frozen=True)
class SequenceGenome:
    """A sequence network.

    >>> SequenceGenome(stages=()).stages
    ()

    Attributes:
        stages: stages of `Block`s; may be empty.
        tokens: whether steps are tokens of a text, which are embedded as vectors.
        vocabulary: number of most frequent tokens that have an embedding.
        length: number of leading tokens of a text that are used.
        token_units, token_dropout: size and dropout rate of the embedding.
        bag_of_words: whether the head takes the sum of the words' vectors, weighted by the rarity of the words, instead
            of stages, see `genomes.architecture.bag_layers`. For texts without stages.
        pair_buckets: number of hash buckets with vectors of word pairs (for `bag_of_words`); 0 for no pairs.
        random_convolutions: number of features of fixed random convolutions that the head takes instead of stages: the
            proportion of steps at which each is positive (Dempster et al. 2021). For series without stages; 0 for none.
        activation, normalization: those of convolutions and dense layers.
        dropout: share of the outputs of each block dropped in training, in [0, 0.9].
        initializer: initializer of every kernel.
        head_pooling: pooling before the head, one of `POOLINGS`.
        state_units: units of the cell, if `head_pooling` is one.
        head_layers: number of dense layers before the output, 0 to 3.
        head_units, head_dropout: width and dropout rate of each of these.
        training: training settings.
    """

    stages: tuple[Stage, ...]
    tokens: bool = False
    vocabulary: int = 2
    length: int = 1
    token_units: int = 1
    token_dropout: float = 0.0
    bag_of_words: bool = False
    pair_buckets: int = 0
    random_convolutions: int = 0
    activation: str = "relu"
    normalization: str = "batch"
    dropout: float = 0.0
    initializer: str = "he_normal"
    head_pooling: str = "average"
    state_units: int = 1
    head_layers: int = 0
    head_units: int = 1
    head_dropout: float = 0.0
    training: AugmentedTraining = field(default_factory=AugmentedTraining)
