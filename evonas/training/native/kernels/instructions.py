"""The instruction set of the native trainer: a network is a short list of instructions for one compiled loop.

An instruction is a row of integers (the operation's number, then the fields named in `OPERATIONS`) and a row of real
numbers. Tensors are identified by their offset in the arena of activations, weights by their offset in the flat vector
of weights. Each operation has a module of the same name in `kernels/`, with `forward` and `backward`.

    >>> fields("dropout")
    {'source': 1, 'target': 2, 'width': 3, 'add_error': 4, 'layer': 5}

A new kind of layer needs a row here, a module in `kernels/` and its lowering in `lowering.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ACTIVATIONS",
    "BLOCK_COLUMNS",
    "BLOCK_ROWS",
    "CLIPS",
    "INTEGERS",
    "LOSSES",
    "MEMBERS",
    "OPERATIONS",
    "OPTIMIZERS",
    "REALS",
    "Instruction",
    "Operation",
    "encode",
    "fields",
    "reals",
]


@dataclass(frozen=True)
class Operation:
    """The fields of an operation's instructions, in order.

    Attributes:
        integers: offsets, widths and flags. If `add_error` is 1, the gradient with respect to the source is added to
            the gradients that other operations have written; -1 means unused.
        reals: numbers.
    """

    integers: tuple[str, ...]
    reals: tuple[str, ...] = ()


#: All operations. An operation's position is its number.
OPERATIONS: Mapping[str, Operation] = {
    # target (=|+=) source @ kernel (+ bias); bias is -1 if absent. l2: penalty of the kernel in the loss.
    "dense": Operation(("source", "inputs", "target", "units", "kernel", "bias", "add", "add_error"), ("l2",)),
    "activation": Operation(("source", "target", "width", "add_error", "kind"), ("slope",)),
    # statistics: moving mean, moving variance, then two vectors for the backward pass, each `width` long.
    "batch_norm": Operation(
        ("source", "target", "width", "add_error", "gamma", "beta", "statistics"), ("epsilon", "momentum")
    ),
    # scales: a tensor of one column that holds each row's 1 / standard deviation.
    "layer_norm": Operation(("source", "target", "width", "add_error", "gamma", "beta", "scales"), ("epsilon",)),
    "dropout": Operation(("source", "target", "width", "add_error", "layer"), ("rate",)),
    # target = source * scale (+ bias), a trained factor for each column; bias is -1 if absent.
    "scale": Operation(("source", "target", "width", "add_error", "scale", "bias")),
    # target = source repeated once per member, side by side, each copy multiplied by the member's factors; scale is -1
    # if there are no factors.
    "repeat": Operation(("source", "target", "width", "add_error", "members", "scale")),
    # Maps `inputs` columns of the source to `units` columns of the target, with a separate kernel (+ bias) per group.
    # Groups lie side by side from `source_column` and `target_column` on, their kernels `kernel_size` numbers apart.
    "grouped_dense": Operation(
        (
            "source",
            "source_width",
            "source_column",
            "inputs",
            "target",
            "target_width",
            "target_column",
            "units",
            "groups",
            "kernel",
            "kernel_size",
            "bias",
            "add_error",
        )
    ),
    # `width` columns of the target, starting at `target_column`, (=|+=) factor * as many columns of the source.
    "copy": Operation(
        (
            "source",
            "source_width",
            "source_column",
            "target",
            "target_width",
            "target_column",
            "width",
            "add",
            "add_error",
        ),
        ("factor",),
    ),
    "softmax": Operation(("source", "target", "width", "add_error")),
    # Adds l1 * sum(abs(w)) + l2 * sum(w ** 2) of `size` weights to the loss; precedes the operations that use them.
    "penalty": Operation(("weights", "size"), ("l1", "l2")),
}
#: Activations by number; "cosine" is cos(2 pi x).
ACTIVATIONS = (
    "linear", "relu", "leaky_relu", "elu", "selu", "sigmoid", "tanh", "silu", "gelu",
    "relu6", "hard_tanh", "hard_sigmoid", "softplus", "softsign", "exponential", "mish", "gelu_tanh", "cosine",
)  # fmt: skip
#: Losses of raw outputs (logits for classifiers), by number. "categorical" takes a share per class as its target; for
#: "pinball", the quantile of each output follows the targets.
LOSSES = ("mse", "mae", "huber", "binary", "multiclass", "categorical", "log_cosh", "pinball")
#: Gradient clipping before a step, by number: none, each value clipped to +-limit, or the norm of each variable's
#: gradient limited.
CLIPS = ("none", "value", "norm")
#: Optimizers by number.
OPTIMIZERS = ("sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw", "nadam")

#: Rows and reference rows whose distances are computed together; see `kernels/neighbours.py`.
BLOCK_ROWS, BLOCK_COLUMNS = 64, 512

#: Columns of encoded instructions.
INTEGERS = 2 + max(len(operation.integers) for operation in OPERATIONS.values())
#: The column with the number of rows of the instruction's tensors per row of the batch.
MEMBERS = INTEGERS - 1
REALS = max(len(operation.reals) for operation in OPERATIONS.values())


@dataclass(frozen=True)
class Instruction:
    """One operation on given tensors and weights; each row of the batch counts as `members` rows."""

    operation: str
    integers: Mapping[str, int]
    reals: Mapping[str, float] = field(default_factory=dict)
    members: int = 1


def fields(operation: str) -> dict[str, int]:
    """Integer field -> its column in the encoded instructions."""
    return {name: number for number, name in enumerate(OPERATIONS[operation].integers, 1)}


def reals(operation: str) -> dict[str, int]:
    """Real field -> its column."""
    return {name: number for number, name in enumerate(OPERATIONS[operation].reals)}


def encode(instructions: Iterable[Instruction]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The instructions as arrays, int64 of shape `(count, columns)` and float32 of shape `(count, real columns)`.

    Raises:
        KeyError: an instruction lacks a field, or its operation is unknown.
    """
    listed = tuple(instructions)
    code = np.zeros((len(listed), INTEGERS), np.int64)
    numbers = np.zeros((len(listed), REALS), np.float32)
    order = list(OPERATIONS)
    for row, instruction in enumerate(listed):
        code[row, 0] = order.index(instruction.operation)
        code[row, MEMBERS] = instruction.members
        for name, column in fields(instruction.operation).items():
            code[row, column] = instruction.integers[name]
        for name, column in reals(instruction.operation).items():
            numbers[row, column] = instruction.reals[name]
    return code, numbers
