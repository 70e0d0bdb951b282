"""The instruction set of the native trainer: a network is a short list of instructions for one compiled loop.

An instruction is a row of integers (the operation's number, then the fields that `OPERATIONS` names) and a row of real
numbers. Tensors are named by where they begin in the arena of activations, weights by where they begin in the flat
vector of weights. Each operation has a module of its name in `kernels/`, with `forward` and `backward`.

    >>> fields("dropout")
    {'source': 1, 'target': 2, 'width': 3, 'add_error': 4, 'layer': 5}

A new kind of layer is a row here, a module in `kernels/` and what lowers it in `lowering.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ACTIVATIONS",
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
        integers: offsets, widths and flags. `add_error` says that the gradient by the source is added to what other
            operations have written there; -1 means unused.
        reals: numbers.
    """

    integers: tuple[str, ...]
    reals: tuple[str, ...] = ()


#: Every operation. Its position is its number.
OPERATIONS: Mapping[str, Operation] = {
    # target (=|+=) source @ kernel (+ bias); bias is -1 if there is none. l2: penalty of the kernel in the loss.
    "dense": Operation(("source", "inputs", "target", "units", "kernel", "bias", "add", "add_error"), ("l2",)),
    "activation": Operation(("source", "target", "width", "add_error", "kind"), ("slope",)),
    # statistics: moving mean, moving variance, then two vectors for the backward pass, each `width` long.
    "batch_norm": Operation(
        ("source", "target", "width", "add_error", "gamma", "beta", "statistics"), ("epsilon", "momentum")
    ),
    # scales: a tensor of one column that holds each row's 1 / standard deviation.
    "layer_norm": Operation(("source", "target", "width", "add_error", "gamma", "beta", "scales"), ("epsilon",)),
    "dropout": Operation(("source", "target", "width", "add_error", "layer"), ("rate",)),
    # target = source * scale (+ bias), a trained factor for each column; bias is -1 if there is none.
    "scale": Operation(("source", "target", "width", "add_error", "scale", "bias")),
    # target = source as often as there are members, side by side, each time by factors of its own; scale is -1 if
    # there are none.
    "repeat": Operation(("source", "target", "width", "add_error", "members", "scale")),
    # Of each group, `inputs` columns of the source by a kernel of its own (+ bias) to `units` columns of the target.
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
    # `width` columns of the target, from its `target_column` on, (=|+=) factor * as many of the source.
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
    # Adds l1 * sum(abs(w)) + l2 * sum(w ** 2) of `size` weights to the loss; comes before what uses them.
    "penalty": Operation(("weights", "size"), ("l1", "l2")),
}
#: Activations by number; "cosine" is of 2 pi times its argument.
ACTIVATIONS = (
    "linear", "relu", "leaky_relu", "elu", "selu", "sigmoid", "tanh", "silu", "gelu",
    "relu6", "hard_tanh", "hard_sigmoid", "softplus", "softsign", "exponential", "mish", "gelu_tanh", "cosine",
)  # fmt: skip
#: Losses by number, of raw outputs: logits of a classifier. "categorical" has a share of each class as its target,
#: "pinball" behind the target of each output the quantile that it is.
LOSSES = ("mse", "mae", "huber", "binary", "multiclass", "categorical", "log_cosh", "pinball")
#: What is done to gradients before a step, by number: nothing, each number kept within +-limit, the norm of each
#: variable's kept below it.
CLIPS = ("none", "value", "norm")
#: Optimizers by number.
OPTIMIZERS = ("sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw", "nadam")

#: Columns of encoded instructions.
INTEGERS = 2 + max(len(operation.integers) for operation in OPERATIONS.values())
#: The column that says how many rows of the instruction's tensors there are for each row of the batch.
MEMBERS = INTEGERS - 1
REALS = max(len(operation.reals) for operation in OPERATIONS.values())


@dataclass(frozen=True)
class Instruction:
    """One operation on given tensors and weights; each row of the batch is `members` rows to it."""

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
        KeyError: an instruction lacks a field, or its operation is not known.
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
