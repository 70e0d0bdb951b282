"""The words and bounds of an architecture graph: what layers and their training may be given, whatever the encoding.

Imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from genomes.checks import Kind, Real, Truth, Whole, Word

__all__ = [
    "ACTIVATIONS",
    "ADAPTERS",
    "BIAS_INITIALIZERS",
    "CELLS",
    "DECAY_SCHEDULES",
    "EMBEDDED_NUMERIC_ENCODINGS",
    "EMBEDDINGS",
    "INITIALIZERS",
    "INPUT_KINDS",
    "LAYER_KINDS",
    "MAX_KERNEL",
    "MAX_LAYERS",
    "MAX_MEMBERS",
    "MAX_NODES",
    "MAX_UNITS",
    "MEMBER_STARTS",
    "NORMALIZATIONS",
    "NUMERIC_ENCODINGS",
    "OFF",
    "OPTIMIZERS",
    "PARAMETRIZATIONS",
    "POOLINGS",
    "POSITIONS",
    "SCHEDULES",
    "SWITCHED",
    "TRAINING_KINDS",
]

ACTIVATIONS = ("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid", "linear")
NORMALIZATIONS = ("none", "batch", "layer")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw", "nadam")
#: At which rates kernels are trained: all alike, or as if each were a standard normal one times 1 / sqrt(fan in), the
#: neural tangent parametrisation of Jacot, Gabriel and Hongler 2018 (arXiv 1806.07572).
PARAMETRIZATIONS = ("standard", "ntk")
SCHEDULES = ("constant", "cosine", "exponential", "flat_cosine", "coslog4")
#: Where biases of hidden layers begin: at 0, or each where its unit turns at a random training row (Steinwart 2019, A
#: sober look at neural network initializations, arXiv 1903.11482).
BIAS_INITIALIZERS = ("zeros", "rows")
#: What weight decay is multiplied by besides the learning rate.
DECAY_SCHEDULES = ("constant", "flat_cosine")
INITIALIZERS = ("glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal")
POOLINGS = ("max", "average")
#: Cells of recurrent layers: Cho et al. 2014; Hochreiter and Schmidhuber 1997.
CELLS = ("gru", "lstm")
#: How attention knows the position of a step: a trained vector, or sines and cosines (Vaswani et al. 2017).
POSITIONS = ("learned", "sine")

#: Encodings of numeric columns: standardised, and in addition nothing, the rank among the training rows, the
#: logarithm, the way through the intervals between quantiles, or between the cuts of a decision tree ("tree"), or sines
#: and cosines of several frequencies; "robust" is in its place: scaled by the interquartile range and smoothly clipped.
NUMERIC_ENCODINGS = ("standard", "quantile", "log", "piecewise", "tree", "periodic", "robust")

#: What is trained of each column of numbers before the first layer: nothing; one linear map with relu of its way
#: through the intervals between quantiles, or the same between the cuts of a decision tree (Gorishniy et al. 2022); or
#: waves of trained frequencies of its rank (Holzmüller et al. 2024). Data without that form give the standardised
#: number in its place.
EMBEDDINGS = ("none", "linear", "tree", "periodic")
#: What each member of a network of several has of its own in its hidden layers: factors of what the first one takes in
#: ("mini"), or in every layer also factors of the inputs and the outputs, and the bias ("full"); Gorishniy et al. 2025.
ADAPTERS = ("mini", "full")
#: From where on members differ: behind the first hidden layer, or from the input on.
MEMBER_STARTS = ("hidden", "input")

#: Embedding -> the form that it takes.
EMBEDDED_NUMERIC_ENCODINGS: Mapping[str, str] = MappingProxyType(
    {"linear": "piecewise", "tree": "tree", "periodic": "quantile"}
)

#: Hidden layers of a dense network; hidden nodes of any graph, where an addition and a pooling are nodes too.
MAX_LAYERS = 64
MAX_NODES = 256
MAX_UNITS = 65536
MAX_MEMBERS = 64
#: Width of a convolution's kernel along one axis.
MAX_KERNEL = 64

#: Attribute of the input -> what it may hold.
INPUT_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "embedding": Word(EMBEDDINGS),
        "embedding_units": Whole(2, 256),
        "embedding_sigma": Real(1e-3, 1e3),
        "numbers": Word(NUMERIC_ENCODINGS),
        "scaling": Truth(),
        "category_units": Whole(0, 256),
        "members": Whole(1, MAX_MEMBERS),
        "adapters": Word(ADAPTERS),
        "member_start": Word(MEMBER_STARTS),
    }
)
#: Attribute of the input -> those that act only together with it, when it is not off.
SWITCHED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"embedding": ("embedding_units", "embedding_sigma"), "members": ("adapters", "member_start")}
)

#: Attribute of a hidden layer -> what it may hold.
LAYER_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "units": Whole(1, MAX_UNITS),
        "activation": Word(ACTIVATIONS),
        "dropout": Real(0.0, 0.9),
        "normalization": Word(NORMALIZATIONS),
        "initializer": Word(INITIALIZERS),
        "l2": Real(0.0, 100.0),
        "parametric_activation": Truth(),
    }
)

#: Training setting -> what it may hold. From `flip` on: what is done to a sample each time that it is trained on; to
#: series, what can be done along their one axis.
TRAINING_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "optimizer": Word(OPTIMIZERS),
        "learning_rate": Real(1e-9, 100.0),
        "batch_size": Whole(1, 1 << 20),
        "schedule": Word(SCHEDULES),
        "warmup": Real(0.0, 0.5),
        "weight_decay": Real(0.0, 100.0),
        "beta2": Real(0.5, 0.9999),
        "label_smoothing": Real(0.0, 0.5),
        "bias_rate": Real(1e-3, 10.0),
        "parametrization": Word(PARAMETRIZATIONS),
        "decay_schedule": Word(DECAY_SCHEDULES),
        "bias_initializer": Word(BIAS_INITIALIZERS),
        "flip": Truth(),
        "shift": Real(0.0, 0.5),
        "rotation": Real(0.0, 0.25),
        "zoom": Real(0.0, 0.5),
        "noise": Real(0.0, 1.0),
        "cutout": Real(0.0, 0.75),
        "mixup": Real(0.0, 1.0),
    }
)

#: Attributes and settings that are left out of a graph, and of a genome's JSON, where they hold this: networks that are
#: older than these genes keep their digests, and are read as what they were.
OFF: Mapping[str, object] = MappingProxyType(
    {
        "numbers": "standard",
        "scaling": False,
        "category_units": 0,
        "parametric_activation": False,
        "embedding": "none",
        "members": 1,
        "beta2": 0.999,
        "label_smoothing": 0.0,
        "bias_rate": 1.0,
        "parametrization": "standard",
        "decay_schedule": "constant",
        "bias_initializer": "zeros",
        "input_pooling": 1,
        "flip": False,
        "shift": 0.0,
        "rotation": 0.0,
        "zoom": 0.0,
        "noise": 0.0,
        "cutout": 0.0,
        "mixup": 0.0,
    }
)
