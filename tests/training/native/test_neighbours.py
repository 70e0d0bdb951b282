"""Predictions from learned neighbours: gradients of a batch, and outputs from reference rows, against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from evonas.networks.neighbours import FLOOR, LEAST_SHARE, neighbour_outputs, target_columns
from evonas.training.native.neighbour_arrays import References
from evonas.training.native.program_builder import Builder
from evonas.training.native.training import NetworkTraining, Optimization, TrainingRows, predict
from tests.training.native.reference import LOSSES

UNITS = 5
#: Loss -> task and number of outputs.
TASKS = {
    "mse": ("regression", 1),
    "mae": ("regression", 3),
    "huber": ("regression", 2),
    "binary": ("binary", 1),
    "multiclass": ("multiclass", 4),
}


def network(outputs, rows):
    """A hidden layer and a representation."""
    builder = Builder(3, rows)
    h = builder.activation(builder.dense([builder.input], 4, "layer_1"), "tanh")
    return builder.finish(builder.dense([h], UNITS, "output", bias=False), outputs)


def table(rows, task, outputs, rng):
    """Features and targets."""
    x = rng.normal(size=(rows, 3)).astype(np.float32)
    if task == "regression":
        return x, rng.normal(size=(rows, outputs)).astype(np.float32)
    return x, rng.integers(max(2, outputs), size=(rows, 1)).astype(np.float32)


def represented(weights, x):
    """Representations in float64."""
    hidden = np.tanh(x.astype(float) @ weights["layer_1/kernel"] + weights["layer_1/bias"])
    return hidden @ weights["output/kernel"]


def batch_loss(weights, x, y, loss):
    """The mean loss of a batch in float64, in which a row's neighbours are the other rows."""
    task, outputs = TASKS[loss]
    z, known = represented(weights, x), target_columns(y, task, outputs).astype(float)
    distances = np.sqrt(((z[:, None] - z[None]) ** 2).sum(axis=-1) + np.float32(FLOOR))
    shares = np.exp(-distances) * (1 - np.eye(len(x)))
    means = shares @ known / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    if task != "regression":
        logs = np.log(means + np.float32(LEAST_SHARE))
        means = logs if task == "multiclass" else logs[:, 1:] - logs[:, :1]
    return LOSSES[loss](means, y.astype(float)).mean()


def trained(loss, rows, weights, x, y, validation=None, references=None, epochs=0, start=None, **how):
    """A training run."""
    task, outputs = TASKS[loss]
    program = network(outputs, max(rows, 7))
    how = {"optimizer": "sgd", "rates": np.ones(1, np.float32), "batch_size": rows} | how
    optimization = Optimization(loss=loss, order=lambda epoch: np.arange(len(x), dtype=np.int32), **how)
    held = (np.zeros((0, 3), np.float32), np.zeros((0, y.shape[1]), np.float32)) if validation is None else validation
    kept = np.arange(len(x), dtype=np.int32) if references is None else references
    return NetworkTraining(
        program,
        TrainingRows(x, y, *held),
        optimization,
        weights,
        start,
        references=References(target_columns(y, task, outputs), kept, kept, task != "regression"),
    )


def weights_of(rng):
    found = {"layer_1/kernel": rng.normal(size=(3, 4)), "layer_1/bias": rng.normal(size=4)}
    found["output/kernel"] = rng.normal(size=(4, UNITS))
    return {name: value.astype(np.float32) for name, value in found.items()}


@pytest.mark.parametrize("rows", [1, 2, 63, 130])
@pytest.mark.parametrize("loss", TASKS)
def test_a_batch_has_the_loss_and_the_gradients_of_pairs_without_the_row_itself(loss, rows):
    rng = np.random.default_rng(rows)
    weights, (x, y) = weights_of(rng), table(rows, *TASKS[loss], rng)
    training = trained(loss, rows, weights, x, y)
    assert training.step_losses(1)[0] == pytest.approx(batch_loss(weights, x, y, loss), rel=1e-4, abs=1e-5)
    after = training.snapshot().weights
    for name, value in weights.items():
        direction = rng.normal(size=value.shape)
        direction /= np.linalg.norm(direction)
        up, down = (
            batch_loss({**weights, name: value.astype(float) + h * direction}, x, y, loss) for h in (1e-5, -1e-5)
        )
        along = ((value.astype(float) - after[name]) * direction).sum()
        assert along == pytest.approx((up - down) / 2e-5, rel=2e-3, abs=2e-4), name


@pytest.mark.parametrize("loss", TASKS)
def test_validation_rows_are_predicted_from_the_reference_rows_of_the_training_rows(loss):
    rng = np.random.default_rng(5)
    weights, (x, y) = weights_of(rng), table(1203, *TASKS[loss], rng)
    held = table(77, *TASKS[loss], rng)
    references = np.sort(rng.choice(1203, 1100, replace=False)).astype(np.int32)
    training = trained(loss, 64, weights, x, y, held, references, rates=np.full(1, 0.01, np.float32))
    training.advance(1)
    snapshot = training.snapshot()
    parts = {name.partition("/")[2]: value for name, value in snapshot.best.items() if name.startswith("output/")}
    found = neighbour_outputs(represented(snapshot.best, held[0]), {k: v.astype(float) for k, v in parts.items()})
    np.testing.assert_allclose(snapshot.outputs, found, rtol=1e-4, atol=1e-4)
    assert snapshot.curve[0] == pytest.approx(LOSSES[loss](found, held[1].astype(float)).mean(), rel=1e-4)
    np.testing.assert_allclose(parts["references"], represented(snapshot.best, x[references]), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(
        parts["targets" if TASKS[loss][0] == "regression" else "classes"], target_columns(y, *TASKS[loss])[references]
    )


def test_a_continued_training_ends_like_an_uninterrupted_one():
    rng = np.random.default_rng(2)
    weights, (x, y) = weights_of(rng), table(300, "regression", 1, rng)
    held = table(40, "regression", 1, rng)
    how = {"optimizer": "adam", "rates": np.linspace(0.02, 0.001, 30).astype(np.float32)}
    whole = trained("mse", 64, weights, x, y, held, **how)
    whole.advance(6)
    first = trained("mse", 64, weights, x, y, held, **how)
    first.advance(3)
    second = trained("mse", 64, {}, x, y, held, start=first.snapshot(), **how)
    second.advance(6)
    a, b = whole.snapshot(), second.snapshot()
    assert a.curve == b.curve
    np.testing.assert_array_equal(a.outputs, b.outputs)
    for name, value in a.best.items():
        np.testing.assert_array_equal(value, b.best[name])


def test_representations_are_the_outputs_of_a_program_without_references():
    rng = np.random.default_rng(3)
    weights, (x, _) = weights_of(rng), table(11, "regression", 1, rng)
    np.testing.assert_allclose(predict(network(1, 7), weights, x), represented(weights, x), rtol=1e-5, atol=1e-5)
