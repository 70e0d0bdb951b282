"""Small data and small networks for the tests of training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evonas.data.prepared import PreparedData, Problem, Split
from evonas.training_tasks import TrainingTask
from genomes.architecture.embedding import with_columns
from genomes.architecture.graph import graph_to_json, make_graph

#: For each feature of `data`, its column number: one column has two features, so that sizes differ; the last has none.
NUMERIC = (0, 1, 1, -1)
#: The same for categorical columns: one with three features, one with one.
CATEGORICAL = (-1, 0, 0, 1)
TRAINING = {"optimizer": "adam", "learning_rate": 0.01, "batch_size": 32}
TRAINING |= {"schedule": "constant", "warmup": 0.0, "weight_decay": 0.0}


def graph(
    widths=(8,),
    edges=None,
    activation="tanh",
    dropout=0.0,
    normalization="none",
    initializer="he_normal",
    l2=0.0,
    scaling=False,
    inputs=None,
    parametric=False,
    output=None,
    **training,
):
    """A chain of these widths, unless edges are given; `inputs` are attributes of the input.

    It knows the columns of `data`, all of which are numeric.
    """
    ends = {"initializer": initializer, "l2": l2}
    layer = {"activation": activation, "dropout": dropout, "normalization": normalization}
    layer |= {"parametric_activation": True} if parametric else {}
    hidden = [{"kind": "dense", "units": units} | layer | ends for units in widths]
    first = {"kind": "input"} | ({"scaling": True} if scaling else {}) | (inputs or {})
    nodes = [first, *hidden, {"kind": "output"} | ends | ({"output": output} if output else {})]
    chain = [(k, k + 1) for k in range(len(widths) + 1)]
    made = make_graph(nodes, chain if edges is None else edges, TRAINING | training)
    return with_columns(made, NUMERIC, (), CATEGORICAL)


def task(network, epochs=3, seed=0):
    return TrainingTask(graph_to_json(network), seed, epochs)


def data(kind="regression", num_rows=150, num_validation=50, weighted=False, folds=1):
    """Learnable rows with 4 features: "regression" with 1 target, "multi" with 2, "binary", "multiclass" with 3."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(num_rows + num_validation + 20, 4)).astype(np.float32)
    signal = np.stack([x[:, 0] - x[:, 1] ** 2, x[:, 2] + 0.5 * x[:, 3]], axis=1)
    names = tuple("abc")
    if kind in ("regression", "multi"):
        num_outputs = 1 if kind == "regression" else 2
        y = ((signal - signal.mean(0)) / signal.std(0)).astype(np.float32)[:, :num_outputs]
        problem = Problem("regression", 4, num_outputs, (500.0, -3.0)[:num_outputs], (20.0, 0.1)[:num_outputs])
    elif kind == "binary":
        y = (signal[:, :1] > -1).astype(np.float32)
        problem = Problem("binary", 4, 1, classes=names[:2])
    else:
        y = (signal[:, 0] > -1).astype(np.int32) + (signal[:, 1] > 0).astype(np.int32)
        problem = Problem("multiclass", 4, 3, classes=names)
    problem = replace(problem, numeric=NUMERIC, categorical=CATEGORICAL)
    weight = rng.uniform(0.5, 2.0, num_rows).astype(np.float32) if weighted else None
    splits = []
    for fold in range(folds):
        order = np.roll(np.arange(num_rows + num_validation), 37 * fold)
        a, b = order[:num_rows], order[num_rows:]
        splits.append(Split(x[a], y[a], x[b], y[b], weight))
    return PreparedData(problem, tuple(splits), x[-20:], y[-20:])


def train_all(trainer, tasks, done=frozenset()):
    """Evaluations of all parts."""
    found = {}
    for part in trainer.train(tasks, done):
        found |= part
    return found
