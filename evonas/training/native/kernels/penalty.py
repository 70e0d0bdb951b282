"""L1 and L2 penalties of weights in the loss."""

from __future__ import annotations

import numpy as np

from evonas.training.native.kernels.memory import INTEGERS, REALS, columns, kernel, part

__all__ = ["backward", "forward"]

F = np.float32
WEIGHTS, SIZE, L1, L2 = columns("penalty")


@kernel
def forward(memory, at, run):
    """Does nothing: the backward pass counts the penalty."""


@kernel
def backward(memory, at, run):
    """Adds the penalty's gradient to the existing gradient of the weights, and the penalty to that of the step."""
    row = part(memory.code, at * INTEGERS)
    weight, gradient = part(memory.weights, row[WEIGHTS]), part(memory.gradients, row[WEIGHTS])
    l1, l2 = memory.reals[at * REALS + L1], memory.reals[at * REALS + L2]
    total = F(0.0)
    for i in range(row[SIZE]):
        w = weight[i]
        # Keras gives a weight of 0 the gradient 0.
        sign = F(1.0) if w > F(0.0) else (F(-1.0) if w < F(0.0) else F(0.0))
        total += l1 * abs(w) + l2 * w * w
        gradient[i] += l1 * sign + F(2.0) * l2 * w
    memory.penalty[0] += total
