"""What each operation of a program computes, said once more in numpy and float64, and the loss of a batch."""

from __future__ import annotations

import numpy as np

from evonas.networks.forward import ACTIVATIONS as FUNCTIONS
from evonas.training.native.kernels.instructions import ACTIVATIONS

__all__ = ["LOSSES", "MORE", "OPERATIONS", "Pass", "keep_mask", "outputs_of", "step_loss"]


class Pass:
    """A batch on its way through a program: `tensors` by where they begin; flat `weights` and `statistics`."""

    def __init__(self, program, weights, statistics, x, training=False, seed=0, step=0):
        self.weights, self.statistics = weights, statistics
        self.training, self.seed, self.step = training, seed, step
        self.penalty, self.tensors = 0.0, {program.input.start: np.asarray(x, np.float64)}
        for instruction in program.instructions:
            at = instruction.integers
            source = self.tensors.get(at.get("source"))
            if source is not None:  # a row for each member, or all members in one
                source = source.reshape(len(x) * instruction.members, -1)
            made = OPERATIONS[instruction.operation](self, source, **instruction.reals, **at)
            if made is not None:
                self.tensors[at["target"]] = made

    def vector(self, start, size):
        return self.weights[start : start + size]


def dense(run, x, inputs, units, target, kernel, bias, add, l2, **_):
    matrix = run.vector(kernel, inputs * units).reshape(inputs, units)
    run.penalty += l2 * (matrix**2).sum()
    product = x @ matrix + (run.vector(bias, units) if bias >= 0 else 0.0)
    return run.tensors[target] + product if add else product


def activation(run, x, kind, slope, **_):
    if ACTIVATIONS[kind] == "leaky_relu":
        return np.where(x > 0, x, np.float32(slope).astype(float) * x)
    return (FUNCTIONS | MORE)[ACTIVATIONS[kind]](x)


def softplus(x):
    return np.logaddexp(0, x)


#: Activations that only a user's own models have.
MORE = {
    "relu6": lambda x: np.clip(x, 0, 6),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "softplus": softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "exponential": np.exp,
    "mish": lambda x: x * np.tanh(softplus(x)),
    "cosine": lambda x: np.cos(2 * np.pi * (x - np.floor(x))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
}


def batch_norm(run, x, width, gamma, beta, statistics, epsilon, **_):
    mean, variance = x.mean(axis=0), x.var(axis=0)
    if not run.training:
        mean, variance = np.split(run.statistics[statistics : statistics + 2 * width], 2)
    standard = (x - mean) / np.sqrt(variance + np.float32(epsilon))
    return standard * run.vector(gamma, width) + run.vector(beta, width)


def layer_norm(run, x, width, gamma, beta, epsilon, **_):
    centred = x - x.mean(axis=1, keepdims=True)
    standard = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + np.float32(epsilon))
    return standard * run.vector(gamma, width) + run.vector(beta, width)


def dropout(run, x, layer, rate, **_):
    return x * keep_mask(run.seed, run.step, layer, rate, *x.shape) if run.training else x


def scale(run, x, width, scale, bias, **_):
    return x * run.vector(scale, width) + (run.vector(bias, width) if bias >= 0 else 0.0)


def repeat(run, x, width, members, scale, **_):
    factors = run.vector(scale, members * width).reshape(members, width) if scale >= 0 else np.ones((members, width))
    return (x[:, None] * factors).reshape(-1, width)


def grouped_dense(run, x, source_column, inputs, target, target_width, target_column, units, **at):
    kernel, bias = at["kernel"], at["bias"]
    made = run.tensors.get(target, np.zeros((len(x), target_width))).copy()
    for g in range(at["groups"]):
        begin = source_column + g * inputs
        matrix = run.vector(kernel + g * at["kernel_size"], inputs * units).reshape(inputs, units)
        given = x[:, begin : begin + inputs] @ matrix + run.vector(bias + g * units, units)
        made[:, target_column + g * units : target_column + (g + 1) * units] = given
    return made


def copy(run, x, source_column, target, target_width, target_column, width, add, factor, **_):
    made = run.tensors.get(target, np.zeros((len(x), target_width))).copy()
    part = np.float32(factor).astype(float) * x[:, source_column : source_column + width]
    made[:, target_column : target_column + width] = part + add * made[:, target_column : target_column + width]
    return made


def softmax(run, x, **_):
    shares = np.exp(x - x.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def penalty(run, x, weights, size, l1, l2, **_):
    penalized = run.vector(weights, size)
    run.penalty += np.float32(l1) * np.abs(penalized).sum() + np.float32(l2) * (penalized**2).sum()


OPERATIONS = {
    "dense": dense,
    "activation": activation,
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "dropout": dropout,
    "scale": scale,
    "repeat": repeat,
    "grouped_dense": grouped_dense,
    "copy": copy,
    "softmax": softmax,
    "penalty": penalty,
}


def keep_mask(seed, step, layer, rate, rows, units):
    """`evonas.training.population.dropout.keep_mask` of one training, float32, shape `(rows, units)`."""

    def mixed(h):
        h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
        h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
        return h ^ (h >> np.uint32(16))

    key = mixed(np.array([(seed + step * 668265263 + layer * 374761393) % 2**32], np.uint32))
    row = np.arange(rows, dtype=np.uint32)[:, None] * np.uint32(0x9E3779B1)
    uniform = (mixed(key + row + np.arange(units, dtype=np.uint32)) & np.uint32(0xFFFFFF)).astype(np.float32) / 2**24
    rate = np.float32(rate)
    return np.where(uniform >= rate, np.float32(1) / (np.float32(1) - rate), np.float32(0))


def _multiclass(z, y):
    peak = z.max(axis=1, keepdims=True)
    total = peak[:, 0] + np.log(np.exp(z - peak).sum(axis=1))
    return total - z[np.arange(len(z)), y[:, 0].astype(int)]


def _pinball(z, y, quantiles):
    return np.maximum(quantiles * (y - z), (quantiles - 1) * (y - z)).mean(axis=1)


LOSSES = {
    "mse": lambda z, y: ((z - y) ** 2).mean(axis=1),
    "mae": lambda z, y: np.abs(z - y).mean(axis=1),
    "huber": lambda z, y: np.where(abs(z - y) <= 1, 0.5 * (z - y) ** 2, abs(z - y) - 0.5).mean(axis=1),
    "binary": lambda z, y: (np.logaddexp(0, z) - z * y).mean(axis=1),
    "multiclass": _multiclass,
    "categorical": lambda z, y: -(y * np.log(softmax(None, z))).sum(axis=1),
    "pinball": lambda z, y: _pinball(z, *np.split(y, 2, axis=1)),
    "log_cosh": lambda z, y: (np.logaddexp(z - y, y - z) - np.log(2)).mean(axis=1),
}


def outputs_of(program, weights, statistics, x):
    """Raw outputs, as when it is not in training."""
    return _by_members(program, Pass(program, weights, statistics, x)).mean(axis=1)


def _by_members(program, run):
    return run.tensors[program.output.start].reshape(-1, program.output.members, program.output.width)


def step_loss(program, weights, x, y, loss, weight=None, seed=0, step=0):
    """A batch's loss with penalties."""
    run = Pass(program, weights, None, x, training=True, seed=seed, step=step)
    outputs = _by_members(program, run)
    rows = np.mean([LOSSES[loss](outputs[:, m], y) for m in range(outputs.shape[1])], axis=0)
    return float((rows * (1.0 if weight is None else weight)).mean() + run.penalty)
