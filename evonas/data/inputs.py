"""Inputs of any shape for user-defined models: one array, or several in a tuple or a mapping. Does not import pandas.

They are passed to the model unchanged, without imputation, scaling or flattening; only floats are converted to float32.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genomes.errors import InputError

__all__ = ["Inputs", "as_inputs", "inputs_digest", "join_inputs", "map_arrays", "named_arrays", "num_rows", "shapes_of"]

#: An array `(num_samples, ...)`, a tuple of such arrays, or a mapping from names to such arrays, with equal numbers of
#: rows.
Inputs = Any


def as_inputs(x: Any, what: str = "x", rows: int | None = None) -> Inputs:
    """Validates the inputs.

    Args:
        x: an array of any rank, or several in a mapping, a tuple or a list.
        what: name of `x` in error messages.
        rows: required number of rows, which distinguishes a list of arrays from a list of rows.

    Raises:
        InputError: the values are not finite numbers, or the arrays have different numbers of rows.
    """
    inputs: Inputs
    if isinstance(x, Mapping):
        inputs = {str(name): _array(part, f"{what}[{name!r}]") for name, part in x.items()}
    elif isinstance(x, (tuple, list)) and x and all(_is_input(part, rows) for part in x):
        inputs = tuple(_array(part, f"{what}[{index}]") for index, part in enumerate(x))
    else:
        inputs = _array(x, what)
    counts = {name: len(part) for name, part in named_arrays(inputs).items()}
    wanted = next(iter(counts.values()), 0) if rows is None else rows
    if not counts or not wanted or set(counts.values()) != {wanted}:
        found = ", ".join(f"{count} in {name}" if name else str(count) for name, count in counts.items()) or "none"
        raise InputError(f"{what} must have one row for each of {wanted or 'its samples'}, not {found}: pass them all")
    return inputs


def named_arrays(x: Inputs) -> dict[str, NDArray[Any]]:
    """The arrays by name, or by index for a tuple; a single array has the name ""."""
    if isinstance(x, Mapping):
        return dict(x)
    return {str(index): part for index, part in enumerate(x)} if isinstance(x, tuple) else {"": x}


def map_arrays(function: Callable[..., NDArray[Any]], x: Inputs, *others: Inputs) -> Inputs:
    """Applies a function to each array (and to the corresponding arrays of other inputs)."""
    if isinstance(x, Mapping):
        return {name: function(x[name], *(other[name] for other in others)) for name in x}
    if isinstance(x, tuple):
        return tuple(function(*parts) for parts in zip(x, *others, strict=True))
    return function(x, *others)


def num_rows(x: Inputs) -> int:
    """Number of samples."""
    return len(next(iter(named_arrays(x).values())))


def shapes_of(x: Inputs) -> tuple[tuple[int, ...], ...]:
    """The shape of one sample in each array."""
    return tuple(part.shape[1:] for part in named_arrays(x).values())


def join_inputs(parts: Mapping[str, Inputs]) -> Inputs:
    """Concatenates the rows of all parts.

    Raises:
        InputError: the parts differ in their arrays or in the shape of a sample.
    """
    (first, model), *others = parts.items()
    for name, part in others:
        if _form(part) != _form(model):
            raise InputError(
                f"{name} x must have the form of {first} x, {_form(model)}, not {_form(part)}: give the same arrays"
            )
    return map_arrays(lambda *arrays: np.concatenate(arrays), *parts.values()) if others else model


def inputs_digest(x: Inputs) -> str:
    """SHA-256 of names, shapes, types and values, in hexadecimal."""
    digest = hashlib.sha256()
    for name, part in named_arrays(x).items():
        digest.update(json.dumps([name, part.dtype.str, part.shape]).encode())
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def _form(x: Inputs) -> dict[str, tuple[int, ...]]:
    return {name: part.shape[1:] for name, part in named_arrays(x).items()}


def _is_input(part: Any, rows: int | None) -> bool:
    shape: tuple[int, ...] = getattr(part, "shape", ())
    return len(shape) > 0 and rows in (None, shape[0])


def _array(values: Any, what: str) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError:
        raise InputError(f"{what} must have rows of equal length, but their lengths differ: pad them") from None
    if array.dtype.kind not in "biuf" or array.ndim == 0:
        raise InputError(
            f"{what} must be an array of numbers with one row a sample, not {array.dtype} of shape {array.shape}: "
            "code text as whole numbers first"
        )
    if array.dtype.kind in "bf":
        array = array.astype(np.float32, copy=False)
        if not np.isfinite(array).all():
            raise InputError(f"{what} must be finite, but it holds NaN or infinity: fill these values in")
    return array
