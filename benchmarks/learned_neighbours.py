"""Predictions from learned neighbours against the known defaults: is ModernNCA worth its time?

python benchmarks/learned_neighbours.py [--tables concrete,kin8nm] [--epochs 60] [--share 0.4] [--squared]

ModernNCA (Ye, Yin, Zhan and Chao 2024, arXiv 2407.03257) predicts the mean target of the training rows, weighted by the
softmax of the negative distances in a learned representation; in training, the row itself is left out and a share of
the other rows is drawn for each step. Its network here: periodic embeddings of ranked numbers (as in RealMLP), one-hot
categories, 128 units and a residual block with batch normalisation. Tables are those of `epochs.py`, with equal
training, validation and test rows for all networks. Prints RMSE or log loss of validation (test) rows and seconds of
processor time.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from epochs import mean_outputs, parts_of, trained
from raw_table import SMALL, check_tables

from evonas.api.resolve import space_and_numbers
from evonas.data.prepare import prepare_table
from evonas.data.prepared import PreparedData
from evonas.metrics.problem_scores import compute_scores
from genomes import DenseSpace
from genomes.architecture.graph import graph_to_json
from genomes.dense.graph import to_graph
from genomes.known_defaults import known_defaults

_UNITS, _FREQUENCIES, _EMBEDDED = 128, 16, 12
#: Standard deviation of initial frequencies, weight decay and dropout.
_SIGMA, _DECAY, _DROPOUT = 0.1, 1e-4, 0.2
_PATIENCE = 20
#: Rows whose predictions are computed together.
_ROWS = 1024


class Periodic(keras.layers.Layer):
    """Periodic embeddings with trained frequencies of the columns of `numeric`; the other columns are kept."""

    def __init__(self, numeric: list[int]) -> None:
        super().__init__()
        self._numeric = numeric

    def build(self, shape: Any) -> None:
        """Creates frequencies, phases and the linear map of each column."""
        count = len(self._numeric)
        uniform = keras.initializers.RandomUniform
        self._frequencies = self.add_weight(
            shape=(count, _FREQUENCIES), initializer=keras.initializers.RandomNormal(stddev=_SIGMA)
        )
        self._phases = self.add_weight(shape=(count, _FREQUENCIES), initializer=uniform(-0.5, 0.5))
        self._kernel = self.add_weight(shape=(count, _FREQUENCIES, _EMBEDDED), initializer=uniform(-0.25, 0.25))
        self._bias = self.add_weight(shape=(count, _EMBEDDED), initializer="zeros")

    def call(self, x: Any) -> Any:
        """Embeds rows, shape `(num_rows, num_features)`."""
        numbers = tf.gather(x, self._numeric, axis=1)
        waves = tf.cos(2 * np.pi * (numbers[:, :, None] * self._frequencies + self._phases))
        embedded = tf.nn.relu(tf.einsum("nfw,fwe->nfe", waves, self._kernel) + self._bias)
        return tf.concat([x, tf.reshape(embedded, (-1, len(self._numeric) * _EMBEDDED))], axis=1)


@dataclass
class Table:
    """Rows of one view of prepared data; targets are one-hot classes, or standardised numbers."""

    x: np.ndarray
    y: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray
    x_test: np.ndarray

    @classmethod
    def of(cls, data: PreparedData) -> Table:
        """The rows with ranked numbers."""
        (split,) = data.splits
        problem = data.problem
        views = problem.views or ("standard",) * problem.num_features
        columns = enumerate(zip(views, problem.numeric, strict=True))
        kept = [k for k, (view, number) in columns if number < 0 or view == "quantile"]
        y = np.asarray(split.y_train)
        if problem.task != "regression":
            y = np.eye(max(problem.num_outputs, 2), dtype=np.float32)[y.reshape(-1).astype(int)]
        rows = (np.asarray(x, np.float32)[:, kept] for x in (split.x_train, split.x_validation, data.x_test))
        x, x_validation, x_test = rows
        return cls(x, y.reshape(len(y), -1).astype(np.float32), x_validation, split.y_validation, x_test)


def representation(num_features: int, numeric: list[int]) -> keras.Model:
    """The network whose distances are compared."""
    x = keras.Input((num_features,))
    h = Periodic(numeric)(x) if numeric else x
    h = keras.layers.Dense(_UNITS)(h)
    r = keras.layers.BatchNormalization(momentum=0.9)(h)
    r = keras.layers.Dense(2 * _UNITS, activation="relu")(r)
    r = keras.layers.Dense(_UNITS)(keras.layers.Dropout(_DROPOUT)(r))
    return keras.Model(x, keras.layers.BatchNormalization(momentum=0.9)(keras.layers.Add()([h, r])))


def weighted_targets(rows: Any, others: Any, targets: Any, excluded: Any = 0.0, squared: bool = False) -> Any:
    """The mean targets of the other rows, weighted by distance; `excluded` is 1 for pairs that do not count."""
    squares = tf.reduce_sum(rows**2, 1)[:, None] + tf.reduce_sum(others**2, 1)[None]
    squares = tf.maximum(squares - 2 * tf.matmul(rows, others, transpose_b=True), 1e-6)
    distances = squares / _UNITS if squared else tf.sqrt(squares)
    return tf.matmul(tf.nn.softmax(-distances - 1e6 * excluded), targets)


class Neighbours:
    """Trains a representation."""

    def __init__(self, data: PreparedData, options: argparse.Namespace, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        self._data, self._table, self._options = data, Table.of(data), options
        self._rng = np.random.default_rng(seed)
        numeric = np.flatnonzero([len(np.unique(column)) > 2 for column in self._table.x.T]).tolist()
        self._network = representation(self._table.x.shape[1], numeric)
        self._optimizer = keras.optimizers.AdamW(options.rate, weight_decay=_DECAY)
        self._step = tf.function(self._untraced_step)

    def _untraced_step(self, rows: Any, others: Any, rate: Any) -> None:
        self._optimizer.learning_rate = rate
        drawn, size = tf.concat([rows, others], 0), tf.shape(rows)[0]
        targets = tf.gather(self._table.y, drawn)
        with tf.GradientTape() as tape:
            every = self._network(tf.gather(self._table.x, drawn), training=True)
            predicted = weighted_targets(
                every[:size], every, targets, tf.eye(size, tf.shape(drawn)[0]), self._options.squared
            )
            if self._data.problem.task == "regression":
                loss = tf.reduce_mean((predicted - targets[:size]) ** 2)
            else:
                loss = -tf.reduce_mean(tf.math.log(tf.reduce_sum(predicted * targets[:size], 1) + 1e-7))
        weights = self._network.trainable_variables
        self._optimizer.apply(tape.gradient(loss, weights), weights)

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """Raw outputs, as a network's: standardised predictions, or logits."""
        others = self._represented(self._table.x)
        chunks = (x[k : k + _ROWS] for k in range(0, len(x), _ROWS))
        parts = [
            weighted_targets(self._represented(chunk), others, self._table.y, squared=self._options.squared).numpy()
            for chunk in chunks
        ]
        found: np.ndarray = np.concatenate(parts)
        if self._data.problem.task == "regression":
            return found
        logs: np.ndarray = np.log(np.clip(found, 1e-6, 1.0))
        return logs[:, 1:] - logs[:, :1] if self._data.problem.task == "binary" else logs

    def _represented(self, x: np.ndarray) -> Any:
        return tf.concat([self._network(x[k : k + 4 * _ROWS]) for k in range(0, len(x), 4 * _ROWS)], 0)

    def train(self) -> tuple[np.ndarray, float, int]:
        """Test outputs at the best epoch, its validation score, and the number of epochs."""
        count, metric = len(self._table.x), metric_of(self._data)
        batch = int(np.clip(count // 16, 128, 1024))
        per_epoch, best, outputs, best_epoch = count // batch, np.inf, np.empty(0), 0
        steps, done = self._options.epochs * per_epoch, 0
        for epoch in range(1, self._options.epochs + 1):
            order = self._rng.permutation(count)
            for k in range(per_epoch):
                rows = order[k * batch : (k + 1) * batch]
                rest = np.delete(order, np.s_[k * batch : (k + 1) * batch])
                others = self._rng.choice(rest, int(self._options.share * len(rest)), replace=False)
                rate = self._options.rate * 0.5 * (1 + np.cos(np.pi * done / steps))
                self._step(tf.constant(rows), tf.constant(others), tf.constant(rate, tf.float32))
                done += 1
            y, problem = self._table.y_validation, self._data.problem
            score = compute_scores(problem, y, self.outputs(self._table.x_validation))[metric]
            if score < best:
                best, outputs, best_epoch = score, self.outputs(self._table.x_test), epoch
            if epoch - best_epoch >= _PATIENCE:
                break
        return outputs, best, epoch


def metric_of(data: PreparedData) -> str:
    """The score to compare."""
    return "rmse" if data.problem.task == "regression" else "log_loss"


def main() -> None:
    """Trains both on each table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", default=",".join(SMALL))
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--share", type=float, default=0.4, help="share of the training rows drawn for each step")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--squared", action="store_true", help="weigh by squared distances")
    options = parser.parse_args()
    space, numbers = space_and_numbers(None, None)
    assert isinstance(space, DenseSpace)
    check_tables(parser, options.tables.split(","))
    for name in options.tables.split(","):
        known, test, target = parts_of(name, options.rows)
        data = prepare_table(known, target, seed=0, test=test, numbers=numbers)
        print(f"{Path(name).name}, {len(known)} rows; validation (test) scores:", flush=True)
        outputs: list[np.ndarray] = []
        for variants in known_defaults(space, data.problem.task, len(known)):
            recipe, genome = next(iter(variants.items()))
            found, line = trained(data, graph_to_json(to_graph(genome)), options.epochs, 1)
            outputs += found
            print(f"    {recipe:14} {line}", flush=True)
        began = time.process_time()
        ranked = prepare_table(known, target, seed=0, test=test, numbers=("quantile",))
        found_test, validation, epochs = Neighbours(ranked, options, 0).train()
        score = _score(data, found_test)
        seconds = time.process_time() - began
        print(f"    learned neighbours {validation:.5g} ({score:.5g}), {epochs} epochs, {seconds:.1f} s", flush=True)
        sets = (outputs, [*outputs, found_test])
        means = [mean_outputs(data.problem.task, [np.asarray(each) for each in some]) for some in sets]
        print(f"    mean of the known defaults ({_score(data, means[0]):.5g}), with it ({_score(data, means[1]):.5g})")


def _score(data: PreparedData, outputs: np.ndarray) -> float:
    return float(compute_scores(data.problem, np.asarray(data.y_test), outputs)[metric_of(data)])


if __name__ == "__main__":
    main()
