"""Runs a network's instructions forward and backward."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evonas.training.native.kernels.clock import BACKWARD, FORWARD, now, spent
from evonas.training.native.kernels.instructions import OPERATIONS
from evonas.training.native.kernels.memory import INTEGERS, MEMBERS, Run, kernel

__all__ = ["backward", "forward"]

Function = Callable[..., Any]
_ZERO = np.float32(0.0)


def _choice(functions: Sequence[Function]) -> Any:
    """One compiled function that dispatches to the function of an instruction's operation by its number.

    Its source is generated from the table, since one function with many branches compiles in a fraction of the time of
    a chain of functions with one branch each.
    """
    lines = ["def call(memory, at, run):", "    number = memory.code[at * INTEGERS]"]
    names: dict[str, Any] = {"INTEGERS": INTEGERS}
    for number, function in enumerate(functions):
        names[f"operation_{number}"] = function
        lines += [f"    if number == {number}:", f"        operation_{number}(memory, at, run)"]
    exec("\n".join(lines), names)
    return kernel(names["call"])


_MODULES = [importlib.import_module(f"evonas.training.native.kernels.{name}") for name in OPERATIONS]
_forward = _choice([module.forward for module in _MODULES])
_backward = _choice([module.backward for module in _MODULES])


@kernel
def _of_members(memory, at, run):
    """The batch as an instruction sees it: one row per member of each row."""
    return Run(run.rows * memory.code[at * INTEGERS + MEMBERS], run.training, run.seed, run.step)


@kernel
def forward(memory, run):
    """Runs all instructions in order."""
    for at in range(memory.instructions):
        since = now()
        _forward(memory, at, _of_members(memory, at, run))
        spent(memory.clock, FORWARD + memory.code[at * INTEGERS], since)


@kernel
def backward(memory, run):
    """Runs all instructions in reverse order. The errors of the output must be set."""
    memory.penalty[0] = _ZERO
    for back in range(memory.instructions):
        at = memory.instructions - 1 - back
        since = now()
        _backward(memory, at, _of_members(memory, at, run))
        spent(memory.clock, BACKWARD + memory.code[at * INTEGERS], since)
