"""`DenseGenome`: a dense network with its training settings, as a frozen value.

It has no fitness, id, run settings or weights. Fields are validated when genomes are read (`genomes.dense.json`); the
space decides which values a search may choose.
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
    """Training settings of a dense network, in addition to those of all networks.

    >>> Training(optimizer="adamw", weight_decay=1e-4).learning_rate
    0.001

    Attributes:
        bias_rate: learning rate of biases, as a multiple of that of all other weights; > 0.
        parametrization: "standard", or "ntk", the neural tangent parametrisation: kernels are trained as standard
            normal ones times 1 / sqrt(fan in).
        decay_schedule: schedule of weight decay, in addition to that of the rate: "constant", or "flat_cosine" as in
            `schedule`.
        bias_initializer: initial biases of hidden layers: "zeros", or "rows", so that each unit's pre-activation is 0
            at a random training row; there are no biases with batch normalisation.
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
        parametric_activation: whether each unit has a trained weight of its activation: x + w * (activation(x) - x),
            with w = 1 initially.
        initializer: one of `INITIALIZERS`, of every kernel, the output's included.
        training: how it is trained.
        numbers: one of `NUMERIC_ENCODINGS`: how numeric columns enter the network. A table without that encoding gives
            the standardised numbers alone. It has no effect with an embedding, which uses an encoding of its own.
        scaling: whether each feature is multiplied by a trained factor before the first layer; no effect with an
            embedding.
        category_units: output size of a trained linear map of each categorical column, in addition to its one-hot
            features; 0 for none.
        neighbours: columns and bandwidths of neighbour features; None for no such features.
        embedding: one of `EMBEDDINGS`: what is trained of each numeric column before the first layer.
        embedding_units: output size per column, at least 2; with "periodic" one of them is the number itself.
        embedding_sigma: standard deviation of the initial frequencies of "periodic", in periods per standard deviation.
        members: number of networks that share their kernels and are trained side by side; the prediction is their mean.
            1 is a plain network, and so is any network without hidden layers.
        adapters: one of `ADAPTERS`: the parameters of individual members.
        member_start: one of `MEMBER_STARTS`: where members begin to differ; "input" if there is only one hidden layer.
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
