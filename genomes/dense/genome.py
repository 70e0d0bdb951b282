"""`DenseGenome`: a network of dense layers and how it is trained, as one frozen value.

No fitness, no id, no run settings, no weights. What the fields may hold is checked where genomes are read
(`genomes.dense.json`); which of them a search may choose is the space's affair.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from genomes.architecture.layers import (
    ACTIVATIONS,
    ADAPTERS,
    EMBEDDINGS,
    INITIALIZERS,
    MEMBER_STARTS,
    NORMALIZATIONS,
    NUMERIC_ENCODINGS,
    OPTIMIZERS,
    SCHEDULES,
)
from genomes.architecture.neighbours import Neighbours
from genomes.training import Training as AnyTraining
from genomes.training import replace_fields

__all__ = [
    "ACTIVATIONS",
    "ADAPTERS",
    "EMBEDDINGS",
    "INITIALIZERS",
    "MEMBER_STARTS",
    "NORMALIZATIONS",
    "NUMERIC_ENCODINGS",
    "OPTIMIZERS",
    "SCHEDULES",
    "DenseGenome",
    "Layer",
    "Neighbours",
    "Training",
    "replace_fields",
]


@dataclass(frozen=True)
class Layer:
    """One hidden layer: dense (without bias before batch normalisation), then normalisation, activation, dropout.

    >>> Layer(units=64, activation="relu", sources=(0,)).units
    64

    Attributes:
        units: at least 1.
        activation: one of `ACTIVATIONS`.
        sources: positions whose outputs are concatenated as this layer's input, ascending: 0 is the network's input,
            i the i-th hidden layer counted from 1. Each lies before this layer.
    """

    units: int
    activation: str
    sources: tuple[int, ...]


@dataclass(frozen=True)
class Training(AnyTraining):
    """How a dense network is trained: as every network, and

    >>> Training(optimizer="adamw", weight_decay=1e-4).learning_rate
    0.001

    Attributes:
        bias_rate: learning rate of biases, as a multiple of that of all else; > 0.
        parametrization: "standard", or "ntk": kernels learn at the rate that they have as standard normal ones times
            1 / sqrt(fan in).
        decay_schedule: what weight decay is multiplied by besides the rate: "constant", or "flat_cosine" as `schedule`.
        bias_initializer: where biases of hidden layers begin: at "zeros", or so that each unit's argument is 0 at a
            random one of the training "rows"; with batch normalisation there are none.
    """

    bias_rate: float = 1.0
    parametrization: str = "standard"
    decay_schedule: str = "constant"
    bias_initializer: str = "zeros"


@dataclass(frozen=True)
class DenseGenome:
    """A network of dense layers.

    >>> DenseGenome((Layer(64, "relu", (0,)),), output_sources=(1,)).layers[0].units
    64

    Attributes:
        layers: hidden layers in topological order; may be empty (a linear model).
        output_sources: positions concatenated as the input of the output layer, ascending; `(len(layers),)` in a chain.
        dropout: share of each hidden layer's outputs dropped in training, in [0, 0.9].
        normalization: one of `NORMALIZATIONS`, in every hidden layer.
        parametric_activation: whether each unit has a trained share of its activation: x + share * (activation(x) - x),
            where the share begins at 1.
        initializer: one of `INITIALIZERS`, of every kernel, the output's included.
        training: how it is trained.
        numbers: one of `NUMERIC_ENCODINGS`: how numeric columns enter the network. A table without that encoding gives
            the standardised numbers alone. It has no effect with an embedding, which uses an encoding of its own.
        scaling: whether each feature has a trained factor before the first layer; does nothing with an embedding.
        category_units: outputs of a trained linear map of each categorical column, in addition to its
            one-hot features; 0 for none.
        neighbours: which training rows are near, for features that are means of their targets; None for no such
            features.
        embedding: one of `EMBEDDINGS`: what is trained of each numeric column before the first layer.
        embedding_units: that each column gives, at least 2; one less with "periodic", where the number itself is one.
        embedding_sigma: standard deviation of the initial frequencies of "periodic", in waves a standard deviation.
        members: networks that share their kernels and are trained side by side; the prediction is their mean. 1 is a
            plain network; a network without hidden layers has no others.
        adapters: one of `ADAPTERS`: what each member has of its own.
        member_start: one of `MEMBER_STARTS`: from where on members differ; "input" if there is one hidden layer only.
    """

    layers: tuple[Layer, ...]
    output_sources: tuple[int, ...]
    dropout: float = 0.0
    normalization: str = "none"
    initializer: str = "glorot_uniform"
    training: Training = field(default_factory=Training)
    numbers: str = "standard"
    scaling: bool = False
    category_units: int = 0
    parametric_activation: bool = False
    neighbours: Neighbours | None = None
    embedding: str = "none"
    embedding_units: int = 8
    embedding_sigma: float = 0.1
    members: int = 1
    adapters: str = "mini"
    member_start: str = "hidden"
