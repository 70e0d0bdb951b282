"""Runs a network's instructions forward and backward."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evonas.training.native.instructions import OPERATIONS
from evonas.training.native.kernels.clock import BACKWARD, FORWARD, now, spent
from evonas.training.native.kernels.memory import INTEGERS, kernel

__all__ = ["backward", "forward"]

Function = Callable[..., Any]
_ZERO = np.float32(0.0)


def _choice(functions: Sequence[tuple[int, Function]]) -> Any:
    """One compiled function that calls the function of an instruction's operation: a chain of tests of its number."""
    (number, function), *others = functions
    if not others:
        return function
    following = _choice(others)

    @kernel
    def call(memory, at, run):
        if memory.code[at * INTEGERS] == number:
            function(memory, at, run)
        else:
            following(memory, at, run)

    return call


_MODULES = [importlib.import_module(f"evonas.training.native.kernels.{name}") for name in OPERATIONS]
_forward = _choice([(number, module.forward) for number, module in enumerate(_MODULES)])
_backward = _choice([(number, module.backward) for number, module in enumerate(_MODULES)])


@kernel
def forward(memory, run):
    """All instructions in order."""
    for at in range(memory.instructions):
        since = now()
        _forward(memory, at, run)
        spent(memory.clock, FORWARD + memory.code[at * INTEGERS], since)


@kernel
def backward(memory, run):
    """All instructions in reverse order. The errors of the output are given."""
    memory.penalty[0] = _ZERO
    for back in range(memory.instructions):
        at = memory.instructions - 1 - back
        since = now()
        _backward(memory, at, run)
        spent(memory.clock, BACKWARD + memory.code[at * INTEGERS], since)
