"""`SequenceGenome`: stages of blocks over steps and how they are trained, as one frozen value.

No fitness, no id, no weights. What the fields may hold is checked where genomes are read; which of them a search may
choose is the space's affair.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from genomes.staged.genome import Stage
from genomes.training import AugmentedTraining

__all__ = ["AUGMENTATION", "BLOCK_LAYERS", "DOWNSAMPLINGS", "POOLINGS", "POSITIONS", "Block", "SequenceGenome"]

#: What a block is made of.
BLOCK_LAYERS = ("conv", "recurrent", "attention")
#: How a stage halves the number of steps, behind its last block.
DOWNSAMPLINGS = ("none", "max", "average")
#: What makes the last steps flat: the mean or the largest number of each channel, or the last state of a cell.
POOLINGS = ("average", "max", "gru", "lstm")
#: What may be done to series in training; nothing to texts.
AUGMENTATION = ("shift", "noise", "cutout", "mixup")
#: How attention knows the position of a step, if at all.
POSITIONS = ("none", "learned", "sine")


@dataclass(frozen=True)
class Block:
    """Convolutions, a recurrent layer, or self-attention. Genes of other layers than its own are idle.

    Attributes:
        layer: one of `BLOCK_LAYERS`.
        units: filters, units of a cell and direction, or of all heads together.
        convolutions, kernel, separable, squeeze_excite: of "conv", see `genomes.convolutional.Block`.
        dilation: steps from one number that a kernel takes to the next (of "conv"; Bai et al. 2018).
        cell: "gru" or "lstm" (of "recurrent").
        bidirectional: whether a second cell runs backwards, whose units are concatenated (of "recurrent").
        heads: of "attention", at most as many as there are units.
        positions: one of `POSITIONS`, added before the "attention".
        feed_forward: whether two dense layers for each step follow the "attention", the first twice as wide, and what
            they took is added again (Vaswani et al. 2017).
        residual: of "conv" and "recurrent": whether what the block takes is added to what it gives, as attention always
            does.
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
        """Channels that it gives."""
        return self.units * (2 if self.bidirectional else 1)


@dataclass(frozen=True)
class SequenceGenome:
    """A network over steps.

    >>> SequenceGenome(stages=()).stages
    ()

    Attributes:
        stages: of `Block`s; may be empty.
        tokens: whether steps are tokens of a text, which an embedding makes vectors of.
        vocabulary: the most frequent tokens that the embedding knows.
        length: tokens of a text that are taken.
        token_units, token_dropout: of the embedding.
        bag_of_words: whether the head takes the sum of the words' vectors, weighted by how rare the words are, in place
            of stages, see `genomes.architecture.bag_layers`. Of texts without stages.
        pair_buckets: how many hashes of word pairs have vectors, too (of `bag_of_words`); 0 are none.
        random_convolutions: how many fixed random convolutions there are in place of stages; the head takes the share
            of the steps at which each is positive (Dempster et al. 2021). Of series without stages; 0 are none.
        activation, normalization: of convolutions and dense layers.
        dropout: share of the outputs of each block dropped in training, in [0, 0.9].
        initializer: of every kernel.
        head_pooling: one of `POOLINGS`.
        state_units: of the cell of `head_pooling`.
        head_layers: dense layers before the output, 0 to 3.
        head_units, head_dropout: of each of these.
        training: how it is trained.
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
