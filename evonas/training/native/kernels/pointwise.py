"""Code shared by elementwise operations."""

from __future__ import annotations

from evonas.training.native.kernels.memory import kernel, part

__all__ = ["multiply_errors"]


@kernel
def multiply_errors(memory, source, target, size, add):
    """The source's error (=|+=) the target's error times the `slopes` kept by the forward pass."""
    if add < 0:
        return
    into = part(memory.errors, source)
    error = part(memory.errors, target)
    slope = part(memory.slopes, target)
    if add:
        for i in range(size):
            into[i] += error[i] * slope[i]
    else:
        for i in range(size):
            into[i] = error[i] * slope[i]
