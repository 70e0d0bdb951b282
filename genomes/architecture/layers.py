"""The words and bounds of an architecture graph: what layers and their training can be told, whatever the encoding.

Imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from genomes.checks import Kind, Real, Truth, Whole, Word

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "INPUT_KINDS",
    "LAYER_KINDS",
    "MAX_LAYERS",
    "MAX_UNITS",
    "NORMALIZATIONS",
    "NUMBERS",
    "OFF",
    "OPTIMIZERS",
    "SCHEDULES",
    "TRAINING_KINDS",
]

ACTIVATIONS = ("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid", "linear")
NORMALIZATIONS = ("none", "batch", "layer")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw", "nadam")
SCHEDULES = ("constant", "cosine", "exponential", "flat_cosine", "coslog4")
INITIALIZERS = ("glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal")

#: How columns of numbers enter a network: standardised, and beside that nothing, the rank among the training rows, the
#: logarithm, the way through the intervals between quantiles, or sines and cosines of several frequencies; "robust" is
#: in its place: scaled by the interquartile range and smoothly clipped.
NUMBERS = ("standard", "quantile", "log", "piecewise", "periodic", "robust")

MAX_LAYERS = 64
MAX_UNITS = 65536

#: Attribute of the input -> what it may hold.
INPUT_KINDS: Mapping[str, Kind] = MappingProxyType({"numbers": Word(NUMBERS), "scaling": Truth()})

#: Attribute of a hidden layer -> what it may hold.
LAYER_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "units": Whole(1, MAX_UNITS),
        "activation": Word(ACTIVATIONS),
        "dropout": Real(0.0, 0.9),
        "normalization": Word(NORMALIZATIONS),
        "initializer": Word(INITIALIZERS),
        "l2": Real(0.0, 100.0),
    }
)

#: Training setting -> what it may hold.
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
    }
)

#: Attributes and settings that are left out of a graph, and of a genome's JSON, where they hold this: networks that are
#: older than these genes keep their digests, and are read as what they were.
OFF: Mapping[str, object] = MappingProxyType(
    {"numbers": "standard", "scaling": False, "beta2": 0.999, "label_smoothing": 0.0}
)
