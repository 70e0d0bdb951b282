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
    OUTPUTS,
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
    "OUTPUTS",
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
        sources: indices of the earlier nodes whose outputs are concatenated as this layer's input, ascending: 0 is the
            network's input, i >= 1 the i-th hidden layer.
    """

    units: int
    activation: str
    sources: tuple[int, ...]


@dataclass(frozen=True)
class Training(AnyTraining):
    """Training settings of a dense network, in addition to those common to all networks.

    >>> Training(optimizer="adamw", weight_decay=1e-4).learning_rate
    0.001

    Attributes:
        bias_rate: learning rate of biases, as a multiple of the rate of all other weights; > 0.
        embedding_rate: learning rate of the numeric embedding, as a multiple of that of hidden layers; > 0.
        output_rate: learning rate of the output layer, as a multiple of that of hidden layers; > 0.
        parametrization: "standard", or "ntk", the neural tangent parametrisation: a kernel is a trained array with
            standard normal start, times 1 / sqrt(fan in).
        decay_schedule: schedule of weight decay, on top of the rate's: "constant", or "flat_cosine" as in `schedule`.
        bias_initializer: initial biases of hidden layers: "zeros", or "rows", so that each unit's pre-activation is 0
            at a random training row; there are no biases with batch normalisation.
    """

    bias_rate: float = 1.0
    embedding_rate: float = 1.0
    output_rate: float = 1.0
    parametrization: str = "standard"
    decay_schedule: str = "constant"
    bias_initializer: str = "zeros"


@dataclass(frozen=True)
class DenseGenome:
    """A network of dense layers.

    >>> DenseGenome((Layer(64, "relu", (0,)),), output_sources=(1,)).layers[0].units
    64

    Attributes:
        layers: hidden layers in topological order; empty for a linear model.
        output_sources: indices of the nodes concatenated as input of the output layer, ascending; `(len(layers),)` in a
            chain.
        dropout: share of each hidden layer's outputs dropped in training, in [0, 0.9].
        normalization: one of `NORMALIZATIONS`, for every hidden layer.
        parametric_activation: whether each unit has a trained activation weight: x + w * (activation(x) - x), with w =
            1 initially.
        initializer: one of `INITIALIZERS`, for every kernel including the output's.
        training: training settings.
        numbers: encoding of numeric columns, one of `NUMERIC_ENCODINGS`. For a table without that encoding, only the
            standardised numbers are used. No effect with an embedding, which determines its own encoding.
        scaling: whether each feature is multiplied by a trained factor before the first layer. No effect with an
            embedding.
        category_units: output size of a trained linear map of each categorical column, in addition to its one-hot
            features; 0 for none.
        neighbours: columns and bandwidths of the neighbour features; None for no such features.
        embedding: trained embedding of each numeric column, one of `EMBEDDINGS`.
        embedding_units: output size per column, at least 2; with "periodic", one of the outputs is the number itself.
        embedding_sigma: standard deviation of the initial frequencies of "periodic", in periods per standard deviation.
        members: number of networks that share their kernels and are trained jointly; the prediction is their mean. 1 is
            a plain network, as is any network without hidden layers.
        adapters: parameters of individual members, one of `ADAPTERS`.
        member_start: where members begin to differ, one of `MEMBER_STARTS`; "input" if there is only one hidden layer.
        output: "dense", or "neighbours": the output layer is a linear map to a representation, and predictions are mean
            targets of training rows, weighted by distances between representations. Members and label smoothing have no
            effect then. References: Ye et al. 2024 (ModernNCA), arXiv 2407.03257.
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
    output: str = "dense"
