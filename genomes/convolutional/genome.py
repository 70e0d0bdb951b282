"""`ConvolutionalGenome`: stages of blocks of convolutions and how they are trained, as one frozen value.

No fitness, no id, no weights. What the fields may hold is checked where genomes are read; which of them a search may
choose is the space's affair.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from genomes.staged.genome import Stage
from genomes.training import AugmentedTraining

__all__ = ["POOLINGS", "Block", "ConvolutionalGenome"]

#: What makes the last map flat: the mean or the largest number of each channel, or all numbers.
POOLINGS = ("average", "max", "flatten")


@dataclass(frozen=True)
class Block:
    """Convolutions of one kind, one after the other, each followed by normalisation and activation.

    Attributes:
        filters: of each convolution, at least 1.
        convolutions: how many, 1 to 3.
        kernel: width along each axis.
        separable: whether each is a depthwise and a pointwise one (Chollet 2017).
        residual: whether what the block takes is added to what it gives, before the last activation (He et al. 2016).
        squeeze_excite: the ratio of squeeze-and-excitation behind the convolutions (Hu et al. 2018), 0 for none.
    """

    filters: int
    convolutions: int
    kernel: int
    separable: bool
    residual: bool
    squeeze_excite: int

    @property
    def width(self) -> int:
        """Channels that it gives."""
        return self.filters


@dataclass(frozen=True)
class ConvolutionalGenome:
    """A network of convolutions.

    >>> ConvolutionalGenome(stages=(), head_layers=1, head_units=32).head_pooling
    'average'

    Attributes:
        stages: of `Block`s; may be empty.
        activation, normalization, initializer: of every layer.
        dropout: share of the channels that the last convolution of each block drops in training, in [0, 0.9].
        input_pooling: how many pixels along each axis are averaged before the first stage, 1 to 8: the network sees
            images that are so much smaller, 1 for images as they are.
        head_pooling: one of `POOLINGS`.
        head_layers: dense layers before the output, 0 to 3.
        head_units, head_dropout: of each of these.
        training: how it is trained.
    """

    stages: tuple[Stage, ...]
    activation: str = "relu"
    normalization: str = "batch"
    dropout: float = 0.0
    initializer: str = "he_normal"
    input_pooling: int = 1
    head_pooling: str = "average"
    head_layers: int = 0
    head_units: int = 1
    head_dropout: float = 0.0
    training: AugmentedTraining = field(default_factory=AugmentedTraining)
