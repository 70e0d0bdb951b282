"""Small networks of convolutions, recurrence and attention, and data for them."""

from __future__ import annotations

import math

import numpy as np

from evonas.data.prepared import PreparedData, Problem, Split
from genomes.architecture.graph import make_graph
from tests.training.networks import TRAINING

IMAGE, SERIES, TOKENS = (8, 8, 3), (12, 2), (10,)
ENDS = {"initializer": "he_normal", "l2": 0.0}
MEAN = {"kind": "global_pool", "pooling": "average"}
FLAT = {"kind": "flatten"}
ADD = {"kind": "add", "activation": "relu"}
EXCITE = {"kind": "squeeze_excite", "ratio": 4}


def conv(filters=8, kernel=(3,), **others):
    plain = {"stride": 1, "dilation": 1, "separable": False, "activation": "relu", "normalization": "batch"}
    return {"kind": "conv", "filters": filters, "kernel": list(kernel), "dropout": 0.0} | plain | ENDS | others


def dense(units=8, **others):
    return (
        {"kind": "dense", "units": units, "activation": "relu", "dropout": 0.0, "normalization": "none"} | ENDS | others
    )


def pool(pooling, size):
    return {"kind": "pool", "pooling": pooling, "size": size}


def recurrent(cell, units, bidirectional=False, sequences=False, dropout=0.0):
    about = {"bidirectional": bidirectional, "sequences": sequences, "dropout": dropout}
    return {"kind": "recurrent", "cell": cell, "units": units, "initializer": "glorot_uniform"} | about


def make_layered(nodes, edges=None, sample=IMAGE, masked=False, **training):
    """A chain unless edges are given; it knows the sample's shape, as set by `Problem.attach_columns`."""
    whole = [{"kind": "input"}, *nodes, {"kind": "output"} | ENDS]
    made = make_graph(whole, edges or [(k, k + 1) for k in range(len(whole) - 1)], TRAINING | training)
    made.graph["sample"] = (sample, masked)
    return made


EMBEDDING = {"kind": "tokens", "vocabulary": 20, "length": 8, "units": 6, "dropout": 0.1}
LEARNED, SINE = ({"kind": "positions", "positions": name} for name in ("learned", "sine"))
ATTENTION = {"kind": "attention", "heads": 2, "key_units": 8, "dropout": 0.1}
NORMALIZE = {"kind": "normalize", "normalization": "batch", "activation": "silu", "dropout": 0.1}
RANDOM = {"kind": "random_convolutions", "features": 200}
BAG = {"kind": "bag_of_words", "vocabulary": 20, "length": 8, "buckets": 16, "units": 6, "dropout": 0.1}
SEPARABLE = {"separable": True, "normalization": "layer", "activation": "gelu"}
RESIDUAL = [(0, 1), (1, 2), (1, 3), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (7, 8)]

#: Networks of every kind, each over data that it can take.
NETWORKS = {
    "images": make_layered(
        [
            conv(),
            pool("max", 2),
            conv(12, (5, 3), stride=2, dropout=0.1, **SEPARABLE),
            MEAN,
            dense(normalization="batch"),
        ]
    ),
    "residual": make_layered(
        [conv(), conv(activation="linear"), ADD, EXCITE, NORMALIZE, pool("average", 3), FLAT],
        RESIDUAL,
    ),
    "dilated images": make_layered(
        [conv(4, dilation=2, separable=True, l2=1e-3), {"kind": "global_pool", "pooling": "max"}],
    ),
    "series": make_layered(
        [
            conv(8, dilation=2, normalization="none"),
            conv(4, (5,)),
            conv(5, (1,)),
            conv(6, (4,), stride=3, separable=True),
            MEAN,
        ],
        [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (4, 5), (5, 6)],
        sample=SERIES,
    ),
    "series of several lengths": make_layered(
        [recurrent("gru", 5, True, True, 0.1), conv(4, stride=2), recurrent("lstm", 4)], sample=SERIES, masked=True
    ),
    "both directions": make_layered([recurrent("lstm", 3, True)], sample=SERIES),
    "text": make_layered([EMBEDDING, LEARNED, ATTENTION, SINE, conv(6), EXCITE, MEAN], sample=TOKENS),
    "random convolutions": make_layered([RANDOM, dense()], sample=SERIES),
    "random convolutions of several lengths": make_layered([RANDOM], sample=SERIES, masked=True),
    "bag of words and pairs": make_layered([BAG, dense()], sample=TOKENS),
    "bag of words": make_layered([BAG | {"buckets": 0, "length": 20, "dropout": 0.0}], sample=TOKENS),
    "recurrent text": make_layered([EMBEDDING, pool("average", 2), recurrent("gru", 4)], sample=TOKENS),
}


def rows(sample, masked=False, count=20, seed=0):
    """Samples, flattened."""
    rng = np.random.default_rng(seed)
    if len(sample) == 1:
        x = rng.integers(1, 30, (count, *sample))
        x[np.arange(sample[0]) >= rng.integers(0, sample[0] + 1, count)[:, None]] = 0
    else:
        x = rng.normal(size=(count, *sample))
    if masked:
        there = np.arange(sample[0]) < rng.integers(1, sample[0] + 1, count)[:, None]
        x[~there], x[..., -1] = 0, there
    return x.reshape(count, -1).astype(np.float32)


def layered_data(sample=IMAGE, masked=False, count=90, folds=1):
    """Three separable classes, for networks over such samples."""
    x = rows(sample, masked, count)
    width = math.prod(sample)
    score = x[:, : width // 2].mean(axis=1) - x[:, width // 2 :].mean(axis=1)
    y = np.searchsorted(np.quantile(score, [1 / 3, 2 / 3]), score).astype(np.int32)
    about = {"sample_shape": sample, "masked": masked, "vocabulary": 30 if len(sample) == 1 else 0}
    problem = Problem("multiclass", width, 3, classes=tuple("abc"), **about)
    splits = []
    for fold in range(folds):
        order = np.roll(np.arange(count), 29 * fold)
        a, b = order[: count * 2 // 3], order[count * 2 // 3 :]
        splits.append(Split(x[a], y[a], x[b], y[b]))
    return PreparedData(problem, tuple(splits), x[:9], y[:9])
