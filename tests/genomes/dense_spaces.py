"""The dense spaces that the contract tests run on: adding a row adds a space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genomes import Choice, DenseGenome, DenseSpace, Layer, Range, Training

#: Fixes all genes that a network has once.
FIXED: dict[str, Any] = {
    "dropout": 0.1,
    "normalization": "batch",
    "initializer": "he_normal",
    "numbers": "standard",
    "embedding": "none",
    "embedding_units": 8,
    "embedding_sigma": 0.1,
    "members": 1,
    "adapters": "mini",
    "member_start": "hidden",
    "output": "dense",
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "batch_size": 32,
    "schedule": "cosine",
    "warmup": 0.05,
    "l2": 0.0,
    "weight_decay": 0.0,
    "beta2": 0.999,
    "label_smoothing": 0.0,
    "scaling": False,
    "category_units": 0,
    "parametric_activation": False,
    "bias_rate": 1.0,
    "embedding_rate": 1.0,
    "output_rate": 1.0,
    "parametrization": "standard",
    "decay_schedule": "constant",
    "bias_initializer": "zeros",
}

SPACES: dict[str, DenseSpace] = {
    "default": DenseSpace(),
    "with skips": DenseSpace(skip_connections=True, neighbour_columns=("b", "a", "c")),
    "neighbours": DenseSpace(neighbour_columns=list("hgfedcba"), neighbour_sets=[["b", "a"], ["h"]]),
    "one neighbour column": DenseSpace(layers=1, neighbour_columns=("x, y",)),
    "no neighbours": DenseSpace(neighbours=False, neighbour_columns=("a",)),
    "uniform": DenseSpace(shape="uniform"),
    "pyramid": DenseSpace(shape="pyramid", layers=Range(0, 6)),
    "pyramid of options": DenseSpace(
        shape="pyramid", units=[8, 16, 64], activation_scope="layer", skip_connections=True
    ),
    "activation per layer": DenseSpace(activation_scope="layer", shape="uniform", skip_connections=False),
    "skips only": DenseSpace(layers=4, units=8, activation="relu", skip_connections=True, **FIXED),
    "single layer": DenseSpace(layers=1),
    "no layers": DenseSpace(layers=0),
    "no layers or some": DenseSpace(layers=Range(2, 3, zero=True), units=[4, 8], shape="pyramid"),
    "gaps in depth": DenseSpace(layers=Choice((0, 2, 5)), units=[4, 8], skip_connections=True),
    "narrow": DenseSpace(layers=Range(1, 2), units=Range(7, 8), learning_rate=[1e-3, 1e-2], skip_connections=False),
    "linear rate": DenseSpace(learning_rate=Range(0.001, 0.1), warmup=Range(0.0, 0.5)),
    "categories": DenseSpace(category_units=Range(2, 16, log=True, zero=True)),
    "parametric activations": DenseSpace(layers=[0, 2], parametric_activation=[False, True]),
    "biases": DenseSpace(
        bias_initializer=["zeros", "rows"], bias_rate=Range(0.1, 10.0, log=True), parametrization=["standard", "ntk"]
    ),
    "rates by layer": DenseSpace(
        embedding=["none", "linear"], embedding_rate=Range(0.1, 10.0, log=True), output_rate=[0.3, 1.0, 3.0]
    ),
    "decay schedules": DenseSpace(decay_schedule=["constant", "flat_cosine"], optimizer=["adam", "adamw"]),
    "dormant decay": DenseSpace(
        layers=1, units=3, activation="relu", skip_connections=False, **FIXED | {"weight_decay": [0.0, 0.1]}
    ),
    "embedding alone": DenseSpace(layers=1, embedding=["linear", "periodic"], members=1, embedding_units=[4, 8]),
    "periodic alone": DenseSpace(embedding="periodic", embedding_sigma=Range(0.1, 1.0), members=[1, 4]),
    "linear alone": DenseSpace(layers=[0, 2], embedding="linear", members=Range(2, 8), adapters="full"),
    "learned neighbours alone": DenseSpace(layers=[0, 2], output="neighbours"),
    "learned neighbours of a linear map": DenseSpace(layers=0, output=["dense", "neighbours"]),
    "fixed": DenseSpace(layers=2, units=16, activation="tanh", skip_connections=False, **FIXED),
    "deep": DenseSpace(layers=Range(30, 64), units=Range(1, 65536, log=True)),
}


def network(
    *units: int, sources: Sequence[Sequence[int]] | None = None, activation: str = "relu", **genes: Any
) -> DenseGenome:
    """A network with these units; `sources` lists the sources of each layer and of the output, by default a chain."""
    training = Training(**{key: genes.pop(key) for key in list(genes) if key in Training.__dataclass_fields__})
    wiring = sources or [[node] for node in range(len(units) + 1)]
    layers = tuple(Layer(u, activation, tuple(s)) for u, s in zip(units, wiring, strict=False))
    return DenseGenome(layers, tuple(wiring[-1]), training=training, **genes)
