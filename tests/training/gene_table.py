"""Networks that together cover every value of every gene, grouped by training data. No Keras."""

from __future__ import annotations

from tests.training.networks import data, graph

LINEAR = {"embedding": "linear", "embedding_units": 5, "embedding_sigma": 0.1}
PERIODIC = {"embedding": "periodic", "embedding_units": 4, "embedding_sigma": 0.5}

#: (kind of data, loss, weighted rows) -> name -> network. Each key is one call of a trainer.
TABLE = {
    ("regression", "mse", False): {
        "relu adam": graph((16,), activation="relu", batch_size=32),
        "leaky_relu sgd": graph((12, 7), None, "leaky_relu", optimizer="sgd", learning_rate=0.05, batch_size=48),
        "elu momentum cosine warm-up": graph(
            (8, 9, 8), None, "elu", initializer="he_uniform", optimizer="momentum", schedule="cosine", warmup=0.2
        ),
        "selu nesterov exponential": graph(
            (20,), None, "selu", initializer="lecun_normal", optimizer="nesterov", schedule="exponential", batch_size=31
        ),
        "gelu rmsprop warm-up": graph(
            (9, 14), None, "gelu", initializer="lecun_uniform", optimizer="rmsprop", warmup=0.5, batch_size=64
        ),
        "silu adamw cosine": graph(
            (33,), None, "silu", initializer="glorot_normal", optimizer="adamw", weight_decay=0.05, schedule="cosine"
        ),
        "mish adam beta2 flat_cosine": graph((14, 8), None, "mish", schedule="flat_cosine", beta2=0.95),
        "coslog4 adamw beta2 warm-up": graph(
            (12, 9), None, "silu", optimizer="adamw", weight_decay=0.02, schedule="coslog4", warmup=0.1, beta2=0.9
        ),
        "nadam beta2 mish batch norm": graph(
            (9, 7), None, "mish", normalization="batch", optimizer="nadam", beta2=0.99, schedule="coslog4"
        ),
        "tanh nadam exponential warm-up": graph((17, 5), optimizer="nadam", schedule="exponential", warmup=0.3),
        "sigmoid batch norm l2": graph((10, 6), None, "sigmoid", normalization="batch", l2=0.01, optimizer="nadam"),
        "linear": graph((6,), activation="linear", initializer="glorot_uniform", optimizer="sgd", learning_rate=0.03),
        "no hidden layer": graph((), l2=0.003, optimizer="sgd", learning_rate=0.05, initializer="glorot_uniform"),
        "no hidden layer, adamw": graph((), optimizer="adamw", weight_decay=0.1, batch_size=100),
        "batch norm, last batch of one row": graph((12, 12), None, "relu", normalization="batch", batch_size=61),
        "layer norm": graph((12,), normalization="layer", optimizer="adamw", weight_decay=0.01),
        "layer norm, depth 4": graph((6, 10, 14, 18), None, "relu", normalization="layer", batch_size=17),
        "skips": graph((8, 6, 7), [(0, 1), (0, 2), (1, 2), (2, 3), (1, 3), (0, 4), (1, 4), (3, 4)], "gelu"),
        "skips, batch norm": graph(
            (5, 9), [(0, 1), (0, 2), (1, 3), (2, 3)], "elu", normalization="batch", optimizer="momentum", l2=0.001
        ),
        "skips, decay": graph(
            (5, 19), [(0, 1), (1, 2), (0, 3), (2, 3)], "silu", optimizer="adamw", weight_decay=0.02, l2=0.02
        ),
        "one unit": graph((1, 1), None, "leaky_relu", optimizer="rmsprop", schedule="cosine"),
        "batch of all rows": graph((7,), batch_size=489),
        "batch larger than the data": graph((7,), batch_size=600, normalization="batch"),
        "batch of three": graph((6,), batch_size=3, learning_rate=0.001),
        "wide": graph((130, 40), None, "relu", learning_rate=0.003),
        "linear embedding": graph((12, 7), inputs=LINEAR, batch_size=31),
        "periodic embedding, skips": graph(
            (8, 6),
            [(0, 1), (1, 2), (0, 2), (0, 3), (2, 3)],
            "relu",
            inputs=PERIODIC,
            optimizer="adamw",
            weight_decay=0.02,
        ),
        "categories": graph((12, 7), inputs={"category_units": 5}, batch_size=31),
        "categories, skips, tree embedding, members": graph(
            (8, 6),
            [(0, 1), (1, 2), (0, 2), (0, 3), (2, 3)],
            inputs=LINEAR | {"embedding": "tree", "category_units": 3, "members": 2},
            optimizer="adamw",
            weight_decay=0.02,
        ),
        "members": graph((9, 11, 6), inputs={"members": 3}, batch_size=31, l2=0.002),
        "members, full, batch norm": graph(
            (9, 6, 7), normalization="batch", inputs={"members": 4, "adapters": "full"}, batch_size=61
        ),
        "members from the input, full, layer norm, embedding": graph(
            (7, 9),
            None,
            "relu",
            normalization="layer",
            inputs=LINEAR | {"embedding": "tree", "members": 3, "adapters": "full", "member_start": "input"},
            optimizer="adamw",
            weight_decay=0.05,
        ),
        "members, skips, periodic embedding": graph(
            (5, 6, 4),
            [(0, 1), (1, 2), (0, 2), (2, 3), (1, 3), (3, 4), (1, 4), (0, 4)],
            inputs=PERIODIC | {"members": 2, "adapters": "full"},
        ),
        "members of one layer": graph((10,), None, "silu", inputs={"members": 5}, schedule="cosine"),
    },
    ("regression", "mae", False): {"mae": graph((11, 4), [(0, 1), (1, 2), (0, 3), (2, 3)])},
    ("regression", "huber", True): {"huber weighted": graph((11,), activation="relu", optimizer="nesterov")},
    ("multi", "mse", True): {
        "two targets weighted": graph((11, 5), normalization="layer"),
        "two targets of members weighted": graph((11, 5), inputs={"members": 3, "member_start": "input"}),
    },
    ("binary", "auto", True): {
        "binary weighted": graph((9,), l2=0.01, batch_size=50),
        "binary members weighted": graph((9, 5), inputs={"members": 3}, batch_size=50),
    },
    ("multiclass", "auto", False): {
        "multiclass": graph((9, 6), [(0, 1), (1, 2), (1, 3), (2, 3)], "relu"),
        "multiclass members": graph((9, 6), inputs={"members": 3, "adapters": "full"}),
    },
}
#: The same for networks that the population trainer does not support.
ALONE = {
    ("regression", "mse", False): {
        "scaled": graph((11, 6), None, "mish", scaling=True, beta2=0.95, schedule="coslog4"),
        "biases at a tenth of the rate, decay on a schedule": graph(
            (11, 6),
            [(0, 1), (1, 2), (0, 3), (2, 3)],
            "relu",
            bias_rate=0.1,
            optimizer="adamw",
            weight_decay=0.3,
            decay_schedule="flat_cosine",
            bias_initializer="rows",
            schedule="cosine",
        ),
        "ntk, biases, periodic embedding, members": graph(
            (8, 6),
            inputs=PERIODIC | {"members": 2, "adapters": "full"},
            parametrization="ntk",
            bias_rate=3.0,
            embedding_rate=0.2,
            output_rate=2.0,
        ),
        "ntk nesterov, layer norm": graph(
            (9, 5), optimizer="nesterov", parametrization="ntk", learning_rate=0.1, normalization="layer"
        ),
        "parametric, skips, batch norm": graph(
            (8, 6), [(0, 1), (1, 2), (0, 3), (2, 3)], "mish", normalization="batch", parametric=True
        ),
        "parametric, members": graph((8, 6, 5), None, "relu", parametric=True, inputs={"members": 3}),
        "scaled, categories": graph((11, 6), inputs={"category_units": 2}, scaling=True),
        "scaled, skips, adamw": graph(
            (8, 6), [(0, 1), (1, 2), (0, 3), (2, 3)], "silu", optimizer="adamw", weight_decay=0.05, scaling=True
        ),
        "scaled sgd, no hidden layer": graph((), optimizer="sgd", learning_rate=0.001, scaling=True),
        "learned neighbours": graph((8, 6), None, "relu", output="neighbours", l2=0.001),
        "learned neighbours, embedding, skips": graph(
            (8, 6),
            [(0, 1), (1, 2), (0, 3), (2, 3)],
            inputs=PERIODIC,
            output="neighbours",
            output_rate=2.0,
            parametrization="ntk",
        ),
        "learned neighbours of a linear map": graph((), output="neighbours", optimizer="nesterov", scaling=True),
    },
    ("multi", "mae", False): {
        "learned neighbours, two targets": graph((8,), output="neighbours", normalization="batch")
    },
    ("binary", "auto", False): {"learned neighbours, binary": graph((8,), output="neighbours", batch_size=50)},
    ("multiclass", "auto", False): {"learned neighbours, classes": graph((8, 6), output="neighbours")},
    ("binary", "auto", True): {"binary smoothed": graph((9,), label_smoothing=0.1, batch_size=50)},
    ("multiclass", "auto", True): {"multiclass smoothed": graph((9, 6), None, "relu", label_smoothing=0.2)},
}
# Attributes that `graph` sets equally for all layers, here set layer by layer.
_mixed = graph((9, 10, 11, 12), initializer="lecun_normal")
for _node, _activation, _kind, _initializer in zip(
    range(1, 5),
    ("relu", "gelu", "sigmoid", "selu"),
    ("batch", "none", "layer", "batch"),
    ("he_uniform",) * 4,
    strict=True,
):
    _mixed.nodes[_node].update(activation=_activation, normalization=_kind, initializer=_initializer, l2=_node * 1e-3)
TABLE["regression", "mse", False]["every layer otherwise"] = _mixed

SEEDS = {
    name: 100 + k
    for k, name in enumerate(name for table in (TABLE, ALONE) for networks in table.values() for name in networks)
}


def rows(kind, weighted):
    """600 rows, 489 of them for training, a number that hardly any batch size divides."""
    return data(kind, num_rows=489, num_validation=111, weighted=weighted)
