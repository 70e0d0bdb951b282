"""Each operation of the native trainer: its values and its gradients, at sizes that divide nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from evonas.networks.forward import ACTIVATIONS as FUNCTIONS
from evonas.training.native.kernels import instructions
from evonas.training.native.kernels.instructions import OPERATIONS, OPTIMIZERS
from evonas.training.native.program_builder import Builder
from evonas.training.native.training import NetworkTraining, Optimization, TrainingRows, predict
from evonas.training.optimizers import step_coefficients
from genomes.architecture.embedding import Embedding
from tests.reliability.counts import count
from tests.training.native import reference
from tests.training.native.reference import outputs_of, step_loss

NOTHING = np.zeros((0, 1), np.float32)

#: Name -> what makes the layer of a tensor; each operation is among them.
ACTIVATIONS = instructions.ACTIVATIONS
#: Those that a network of the search may have.
SEARCHED = tuple(kind for kind in ACTIVATIONS[1:] if kind in FUNCTIONS)
LOSSES = tuple(reference.LOSSES)

LAYERS = {
    "dense": lambda b, h: b.dense([h], 5, "layer", l2=0.01),
    "dense without bias": lambda b, h: b.dense([h], 3, "layer", bias=False),
    "dense of a tensor and itself": lambda b, h: b.dense([h, h], 1, "layer", l2=0.02),
    "batch_norm": lambda b, h: b.batch_norm(h, "layer"),
    "layer_norm": lambda b, h: b.layer_norm(h, "layer"),
    "dropout": lambda b, h: b.dropout(h, 0.4, 3),
    "scale": lambda b, h: b.scale(h, "layer"),
    "copy into a sum": lambda b, h: b.merge([(0.5, h), (-2.0, b.scale(h, "layer")), (1.5, h)]),
    "copy side by side": lambda b, h: b.concatenate([h, b.scale(h, "layer"), h]),
    "scale and offset": lambda b, h: b.scale(h, "layer", "layer/bias"),
    "repeat": lambda b, h: b.repeat(h, 3),
    "repeat with factors": lambda b, h: b.repeat(h, 3, "layer/adapter"),
    "repeat before all of members": lambda b, h: of_members(b, h),
    "grouped_dense of waves": lambda b, h: of_columns(b, h, "periodic", 5),
    "grouped_dense of waves to one": lambda b, h: of_columns(b, h, "periodic", 1),
    "grouped_dense of columns": lambda b, h: of_columns(b, h, "linear", 3),
    "softmax": lambda b, h: b.softmax(h),
    "penalty": lambda b, h: penalized(b, h),
} | {f"activation {kind}": lambda b, h, kind=kind: b.activation(h, kind) for kind in ACTIVATIONS[1:]}


def of_members(builder, h):
    """What a layer of several members may have, and outputs of their own in the end."""
    m = builder.dropout(builder.activation(builder.dense([builder.repeat(h, 3, "a/adapter")], 5, "m"), "tanh"), 0.3, 2)
    m = builder.scale(builder.batch_norm(m, "b"), "s/scale", "s/bias")
    m = builder.layer_norm(builder.dense([builder.concatenate([m, builder.repeat(h, 3)])], 4, "n"), "l")
    return builder.member_outputs(m, 2, "heads")


def of_columns(builder, h, kind, units):
    """An embedding of columns of the features, some of which lie apart; beside them the tensor."""
    last = builder.input.width - 1
    groups = tuple((k,) for k in range(last + 1)) if kind == "periodic" else tuple(sorted({(0,), tuple({0, last})}))
    embedding = Embedding(kind, units, 0.1, groups, tuple(range(0, last + 1, 2)))
    return builder.concatenate([*builder.embed(embedding), h])


def penalized(builder, h):
    target = builder.dense([h], 3, "layer")
    builder.penalty("layer/kernel", 0.01, 0.02)
    return target


def network(name, rows, width, hidden=True, before=False, after=False, outputs=2):
    """A program in which the layer takes the features, or a hidden tensor that others may take, too."""
    builder = Builder(3 if hidden else width, rows)
    h = builder.dense([builder.input], width, "below") if hidden else builder.input
    ends = [builder.scale(h, "before")] if before else []
    ends.append(LAYERS[name](builder, h))
    ends += [builder.activation(h, "tanh")] if after else []
    members = max(each.members for each in ends)
    if members > 1:
        ends = [each if each.members > 1 else builder.repeat(each, members) for each in ends]
        return builder.finish(builder.member_outputs(builder.concatenate(ends), outputs, "output"))
    return builder.finish(builder.dense(ends, outputs, "output"))


def weights_of(program, rng):
    """Random weights and statistics by name."""
    found = {name: rng.normal(0, 0.6, place.shape) for name, place in program.variables.items()}
    found |= {name: rng.uniform(0.5, 2.0, place.shape) for name, place in program.statistics.items()}
    return {name: value.astype(np.float32) for name, value in found.items()}


def batch(program, rows, loss, rng):
    """Features and targets of a batch."""
    x = rng.normal(size=(rows, program.input.width)).astype(np.float32)
    z = rng.normal(size=(rows, program.output.width))
    if loss == "multiclass":
        return x, np.argmax(z, axis=1)[:, None].astype(np.float32)
    if loss == "pinball":  # and the quantile of each output behind the targets
        z = np.concatenate([z, np.tile(rng.uniform(0.05, 0.95, (1, z.shape[1])), (rows, 1))], axis=1)
    if loss == "categorical":  # shares of the classes
        z = abs(z)
    return x, ((z > 0) if loss == "binary" else z).astype(np.float32)


def stepped(program, weights, x, y, loss="mse", weight=None, seed=0, validation=(NOTHING, NOTHING), **how):
    """A training after one step of all rows by plain descent at the rate 1, and the step's loss."""
    how = {"optimizer": "sgd", "rates": np.ones(1, np.float32)} | how
    order = np.arange(len(x), dtype=np.int32)
    optimization = Optimization(loss=loss, batch_size=len(x), order=lambda _: order, seed=seed, **how)
    training = NetworkTraining(program, TrainingRows(x, y, *validation, weight), optimization, weights)
    return training, float(training.step_losses(1)[0])


def gradients(program, weights, *args, **options):
    """Name -> what the step subtracted, and the loss."""
    training, loss = stepped(program, weights, *args, **options)
    after = training.snapshot().weights
    return {name: weights[name].astype(float) - after[name] for name in program.variables}, loss


def assert_gradients(program, weights, x, y, loss="mse", weight=None, seed=0):
    """Along random directions in each variable, the loss rises as central differences say."""
    found, value = gradients(program, weights, x, y, loss, weight, seed=seed)
    flat = program.pack(weights)[0].astype(float)
    assert value == pytest.approx(step_loss(program, flat, x, y, loss, weight, seed), rel=1e-5, abs=1e-6)
    rng = np.random.default_rng(1)
    for name, place in program.variables.items():
        for _ in range(3):
            direction = np.zeros_like(flat)
            part = rng.normal(size=place.shape)
            direction[place.start : place.stop] = part.ravel() / np.linalg.norm(part)
            up, down = (step_loss(program, flat + h * direction, x, y, loss, weight, seed) for h in (1e-5, -1e-5))
            along = (found[name] * direction[place.start : place.stop].reshape(place.shape)).sum()
            assert along == pytest.approx((up - down) / 2e-5, rel=1e-3, abs=2e-4 * (1 + abs(value))), name


def test_every_operation_and_loss_is_tried():
    assert set(reference.OPERATIONS) == set(OPERATIONS) == {name.split()[0] for name in LAYERS}
    assert set(LOSSES) == set(instructions.LOSSES)
    assert {"linear", *SEARCHED, *reference.MORE} == set(ACTIVATIONS)


@pytest.mark.battery
@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=count(6, 25), derandomize=True, phases=[Phase.explicit, Phase.generate, Phase.shrink])
@given(
    rows=st.integers(1, 70),
    width=st.integers(1, 40),
    hidden=st.booleans(),
    before=st.booleans(),
    after=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_values_and_gradients_are_those_of_the_definition(name, rows, width, hidden, before, after, seed):
    """Whether nobody else takes the source, others do before or behind, or it needs no gradient."""
    program = network(name, rows, width, hidden, before, after)
    rng = np.random.default_rng(seed)
    weights = weights_of(program, rng)
    x, y = batch(program, rows, "mse", rng)
    expected = outputs_of(program, *(part.astype(float) for part in program.pack(weights)), x)
    np.testing.assert_allclose(predict(program, weights, x), expected, rtol=1e-4, atol=1e-4)
    assert_gradients(program, weights, x, y, seed=seed)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("outputs", [1, 2, 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_and_their_gradients(loss, outputs, weighted):
    program = network("scale", 37, 4, outputs=outputs)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        x, y = batch(program, 37, loss, rng)
        weight = rng.uniform(0.2, 3.0, 37).astype(np.float32) if weighted else None
        assert_gradients(program, weights_of(program, rng), x, y, loss, weight)


def test_a_loss_of_far_outputs_is_as_exact():
    """Logits of +-200, differences of 1e6: nothing overflows on the way."""
    builder = Builder(3, 4)
    program = builder.finish(builder.activation(builder.scale(builder.input, "s"), "leaky_relu", 1.0))
    weights = {"s/scale": np.ones(3, np.float32)}
    x = np.array([[200, -200, 0], [-200, 5, 1], [1e-3, 88, -88], [50, 49, 48]], np.float32)
    for loss, y in (("binary", x > 0), ("binary", x < 0), ("multiclass", [[1], [0], [2], [0]]), ("huber", x - 1e6)):
        assert_gradients(program, weights, x, np.asarray(y, np.float32), loss)


def test_batch_normalisation_moves_its_statistics():
    program = network("batch_norm", 33, 7)
    rng = np.random.default_rng(0)
    weights, (x, y) = weights_of(program, rng), batch(program, 33, "mse", rng)
    after = stepped(program, weights, x, y)[0].snapshot().weights
    h = x @ weights["below/kernel"] + weights["below/bias"]
    for name, value in (("layer/moving_mean", h.mean(axis=0)), ("layer/moving_variance", h.var(axis=0))):
        np.testing.assert_allclose(after[name], 0.99 * weights[name] + 0.01 * value, rtol=1e-5)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_step_by_the_one_formula(optimizer):
    """`test_optimizers.py` holds the formula against Keras."""
    program = network("dense", 20, 9)
    rng = np.random.default_rng(2)
    weights, (x, y) = weights_of(program, rng), batch(program, 20, "mse", rng)
    rates = np.linspace(0.01, 0.02, 4, dtype=np.float32)
    how = {"optimizer": optimizer, "rates": rates, "weight_decay": 0.05}
    training, _ = stepped(program, weights, x, y, **how)
    p, m, v = (program.pack(weights)[0] * factor for factor in (np.float32(1), np.float32(0), np.float32(0)))
    for c in step_coefficients(optimizer, rates, 0.05):
        g = program.pack_trained(gradients(program, program.unpack(p), x, y)[0])
        m, v = c[0] * m + c[1] * g, c[2] * v + c[3] * g**2
        p = c[6] * p - (c[4] * m + c[5] * g) / (c[7] * np.sqrt(v + c[8]) + c[9])
    training.advance(4)
    np.testing.assert_allclose(program.pack_trained(training.snapshot().weights), p, rtol=2e-3, atol=2e-5)


def whole_numbers(rng, *shape):
    """Whose products and sums float32 holds exactly, in whatever order."""
    return rng.integers(-8, 9, shape).astype(np.float32)


@pytest.mark.parametrize("inputs", [1, 2, 19])
def test_products_of_every_remainder_of_rows_and_columns(inputs):
    """With and without bias, and added up; nothing beside the result is touched."""
    rng = np.random.default_rng(inputs)
    for rows in (*range(1, 27), 64, 70):
        for units in (*range(1, 35), 40, 48, 63):
            builder = Builder(inputs, rows)
            single = builder.dense([builder.input], units, "single", bias=False)
            both = builder.dense([builder.input, single], units, "both")
            program = builder.finish(builder.scale(both, "s"))
            weights = {name: whole_numbers(rng, *place.shape) for name, place in program.variables.items()}
            x = whole_numbers(rng, rows, inputs)
            product = x @ weights["single/kernel"]
            expected = np.concatenate([x, product], axis=1) @ weights["both/kernel"] + weights["both/bias"]
            found = predict(program, weights, x)
            assert (found == expected * weights["s/scale"]).all(), (rows, units)


@pytest.mark.parametrize("inputs", [1, 5, 18])
def test_gradients_of_every_remainder_of_rows_and_columns(inputs):
    """The transposed left matrix, and the error of the source, exact in whole numbers."""
    rng = np.random.default_rng(inputs)
    for rows in (1, 2, 3, 5, 8, 13, 24, 32):
        for units in (*range(1, 19), 33):
            builder = Builder(3, rows)
            source = builder.dense([builder.input], inputs, "source", bias=False)
            program = builder.finish(builder.dense([source], units, "layer"))
            weights = {name: whole_numbers(rng, *place.shape) for name, place in program.variables.items()}
            x = whole_numbers(rng, rows, 3)
            outputs, hidden = predict(program, weights, x), x @ weights["source/kernel"]
            sign = rng.choice([-1.0, 1.0], (rows, units))  # of the absolute differences, all alike weighted
            weight = np.full(rows, rows * units, np.float32)
            found, _ = gradients(program, weights, x, (outputs - sign).astype(np.float32), "mae", weight)
            np.testing.assert_allclose(found["layer/kernel"], hidden.T @ sign, rtol=1e-5, atol=1e-3)
            np.testing.assert_allclose(found["layer/bias"], sign.sum(axis=0), rtol=1e-5, atol=1e-4)
            expected = x.T @ (sign @ weights["layer/kernel"].T)
            np.testing.assert_allclose(found["source/kernel"], expected, rtol=1e-5, atol=1e-3)


def activated(kind, x):
    builder = Builder(1, 256)
    program = builder.finish(builder.activation(builder.input, kind))
    return predict(program, {}, np.asarray(x, np.float32)[:, None])[:, 0]


#: Every 4099th float32: all exponents, both signs, subnormal numbers; no NaN, no infinity.
ALL = np.arange(0, 2**32, 4099, dtype=np.uint64).astype(np.uint32).view(np.float32)
ALL = ALL[np.isfinite(ALL)]


@pytest.mark.parametrize("kind", ACTIVATIONS[1:])
def test_activations_over_all_numbers(kind):
    import math

    x = ALL.astype(float)
    z = np.clip(x, -1e4, 1e4)
    erf = np.vectorize(math.erf, otypes=[float])
    exact = {
        "relu": lambda: np.maximum(x, 0),
        "leaky_relu": lambda: np.where(x > 0, x, np.float32(0.2) * x),
        "elu": lambda: np.where(x > 0, x, np.expm1(np.minimum(z, 0))),
        "selu": lambda: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(z, 0))),
        "sigmoid": lambda: 0.5 * (1 + np.tanh(z / 2)),
        "tanh": lambda: np.tanh(z),
        "silu": lambda: x * 0.5 * (1 + np.tanh(z / 2)),
        "gelu": lambda: x * 0.5 * (1 + erf(np.clip(z, -40, 40) / math.sqrt(2))),
        "softsign": lambda: x / (1 + np.abs(x)),
        "exponential": lambda: np.exp(np.clip(x, -87, 88)),
    }.get(kind, lambda: reference.MORE[kind](x))()
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(activated(kind, ALL), exact.astype(np.float32), rtol=5e-7, atol=5e-7)


def test_the_exponential_is_exact_relative_to_itself():
    """Far to the left, a logistic function is the exponential."""
    x = np.linspace(-86, -20, 20_001, dtype=np.float32)
    np.testing.assert_allclose(activated("sigmoid", x), np.exp(x.astype(float)), rtol=4e-7)


@pytest.mark.parametrize("kind", SEARCHED)
def test_what_is_no_number_stays_visible(kind):
    found = activated(kind, [np.nan, 1.0, np.inf, -np.inf, 2.0])
    assert np.isnan(found[0])
    assert np.isfinite(found[[1, 4]]).all()
    bounded = kind in ("sigmoid", "tanh")
    assert found[2] == (1.0 if bounded else np.inf)
    if kind == "leaky_relu":
        assert found[3] == -np.inf


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", LAYERS)
def test_a_row_that_is_no_number_shows_in_the_loss_and_the_weights(name, loss):
    if name == "dropout":
        pytest.skip("it may be dropped")
    program = network(name, 21, 6)
    rng = np.random.default_rng(0)
    x, y = batch(program, 21, loss, rng)
    x[13, 1] = np.nan
    training, value = stepped(program, weights_of(program, rng), x, y, loss)
    assert np.isnan(value)
    assert not training.ended or np.isnan(training.snapshot().curve[-1])
    assert np.isnan(training.snapshot().weights["output/kernel"]).any()


def test_an_output_that_others_take_keeps_the_gradient_of_the_loss():
    builder = Builder(3, 10)
    output = builder.dense([builder.input], 2, "output")
    builder.scale(output, "nowhere")
    program = builder.finish(output)
    rng = np.random.default_rng(0)
    assert_gradients(program, weights_of(program, rng), *batch(program, 10, "mse", rng))
