"""`ConvolutionalGenome`: stages of convolutional blocks with training settings, as a frozen value.

It has no fitness, id or weights. Fields are validated when genomes are read; the space decides which values a search
may choose.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from genomes.staged.genome import Stage
from genomes.training import AugmentedTraining

__all__ = ["POOLINGS", "Block", "ConvolutionalGenome"]

#: How the last feature map is flattened: global average or maximum pooling, or all values.
POOLINGS = ("average", "max", "flatten")


@dataclass(frozen=True)
class Block:
    """Equal convolutions in sequence, each followed by normalisation and activation.

    Attributes:
        filters: number of filters of each convolution, at least 1.
        convolutions: number of convolutions, 1 to 3.
        kernel: width along each axis.
        separable: whether they are depthwise separable (Chollet 2017).
        residual: whether the block's input is added to its output, before the last activation (He et al. 2016).
        squeeze_excite: reduction ratio of squeeze-and-excitation after the convolutions (Hu et al. 2018), 0 for none.
    """

    filters: int
    convolutions: int
    kernel: int
    separable: bool
    residual: bool
    squeeze_excite: int

    @property
    def width(self) -> int:
        """Number of output channels."""
        return self.filters


@dataclass(frozen=True)
class ConvolutionalGenome:
    """A convolutional network.

    >>> ConvolutionalGenome(stages=(), head_layers=1, head_units=32).head_pooling
    'average'

    Attributes:
        stages: stages of `Block`s; may be empty.
        activation, normalization, initializer: those of every layer.
        dropout: rate of spatial dropout after the last convolution of each block, in [0, 0.9].
        input_pooling: size of the average pooling before the first stage, 1 (none) to 8.
        head_pooling: pooling before the head, one of `POOLINGS`.
        head_layers: number of dense layers before the output, 0 to 3.
        head_units, head_dropout: width and dropout rate of each of these.
        training: training settings.
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
