"""Names and bounds of layer and training settings, common to all encodings.

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
    "MAX_REFERENCES",
    "MAX_UNITS",
    "MEMBER_STARTS",
    "NORMALIZATIONS",
    "NUMERIC_ENCODINGS",
    "OFF",
    "OPTIMIZERS",
    "OUTPUTS",
    "OUTPUT_KINDS",
    "PARAMETRIZATIONS",
    "POOLINGS",
    "POSITIONS",
    "REPRESENTATION_UNITS",
    "SCHEDULES",
    "SWITCHED",
    "TRAINING_KINDS",
]

ACTIVATIONS = ("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid", "linear")
NORMALIZATIONS = ("none", "batch", "layer")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw", "nadam")
#: Learning rates of kernels: "standard", or scaled as in the neural tangent parametrisation (Jacot, Gabriel and Hongler
#: 2018, arXiv 1806.07572), in which a kernel is a standard normal variable times 1 / sqrt(fan in).
PARAMETRIZATIONS = ("standard", "ntk")
SCHEDULES = ("constant", "cosine", "exponential", "flat_cosine", "coslog4")
#: Initial biases of hidden layers: 0, or such that each unit's pre-activation is 0 at a random training row (Steinwart
#: 2019, A sober look at neural network initializations, arXiv 1903.11482).
BIAS_INITIALIZERS = ("zeros", "rows")
#: Schedules of weight decay, on top of the learning rate's.
DECAY_SCHEDULES = ("constant", "flat_cosine")
INITIALIZERS = ("glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal")
POOLINGS = ("max", "average")
#: Cells of recurrent layers: Cho et al. 2014; Hochreiter and Schmidhuber 1997.
CELLS = ("gru", "lstm")
#: Position encodings of attention: a trained vector, or sines and cosines (Vaswani et al. 2017).
POSITIONS = ("learned", "sine")

#: Encodings of numeric columns. All except "robust" keep the standardised number and add: nothing, its rank among the
#: training rows, its logarithm, a piecewise linear encoding with quantiles or with the cuts of a decision tree ("tree")
#: as knots, or sines and cosines of several frequencies. "robust" replaces the standardised number by the number scaled
#: by the interquartile range and smoothly clipped.
NUMERIC_ENCODINGS = ("standard", "quantile", "log", "piecewise", "tree", "periodic", "robust")

#: Trained embeddings of numeric columns: none; a linear map with relu of the piecewise linear encoding, with quantiles
#: or tree cuts as knots (Gorishniy et al. 2022); or a periodic embedding of the rank (Holzmüller et al. 2024). If the
#: data lack the required encoding, the standardised number is used instead.
EMBEDDINGS = ("none", "linear", "tree", "periodic")
#: Adapters of members: factors on the input of the first hidden layer ("mini"), or on inputs and outputs of every
#: hidden layer, with biases ("full"); Gorishniy et al. 2025.
ADAPTERS = ("mini", "full")
#: Where members begin to differ: after the first hidden layer, or at the input.
MEMBER_STARTS = ("hidden", "input")

#: How predictions follow from the last layer: a linear map, or mean targets of the training rows, weighted by the
#: distances between linear maps of the last layer ("neighbours"; ModernNCA, Ye et al. 2024, arXiv 2407.03257).
OUTPUTS = ("dense", "neighbours")
#: Width of these linear maps, and the maximum number of training rows that predictions refer to.
REPRESENTATION_UNITS = 64
MAX_REFERENCES = 4096

#: Embedding -> the numeric encoding that it takes.
EMBEDDED_NUMERIC_ENCODINGS: Mapping[str, str] = MappingProxyType(
    {"linear": "piecewise", "tree": "tree", "periodic": "quantile"}
)

#: Maximum hidden layers of a dense network; maximum hidden nodes of any graph, including additions and poolings.
MAX_LAYERS = 64
MAX_NODES = 256
MAX_UNITS = 65536
MAX_MEMBERS = 64
#: Widths of a convolution's kernel along one axis.
MAX_KERNEL = 64

#: Attribute of the input -> valid values.
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
#: Attribute of the input -> the attributes that have an effect only if it is not off.
SWITCHED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"embedding": ("embedding_units", "embedding_sigma"), "members": ("adapters", "member_start")}
)

#: Attribute of a hidden layer -> valid values.
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

#: Attribute of the output -> valid values.
OUTPUT_KINDS: Mapping[str, Kind] = MappingProxyType(
    {"initializer": LAYER_KINDS["initializer"], "l2": LAYER_KINDS["l2"], "output": Word(OUTPUTS)}
)

#: Training setting -> valid values. From `flip` on: augmentation of samples; for series, along their one axis.
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
        "embedding_rate": Real(1e-3, 100.0),
        "output_rate": Real(1e-3, 100.0),
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

#: Default values. Attributes and settings with these values are left out of graphs and of the JSON of genomes, so that
#: networks older than these genes keep their digests and are read correctly.
OFF: Mapping[str, object] = MappingProxyType(
    {
        "numbers": "standard",
        "scaling": False,
        "category_units": 0,
        "parametric_activation": False,
        "embedding": "none",
        "members": 1,
        "output": "dense",
        "beta2": 0.999,
        "label_smoothing": 0.0,
        "bias_rate": 1.0,
        "embedding_rate": 1.0,
        "output_rate": 1.0,
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
