"""Convolutions and pooling over one or two axes in plain numpy, equal to Keras's with "same" padding."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["convolve", "convolve_depthwise", "pool_windows", "windows"]

Array = NDArray[Any]


def convolve(x: Array, kernel: Array, stride: int = 1, dilation: int = 1) -> Array:
    """Convolution, shape `(num_rows, *ceil(size / stride), filters)`.

    Args:
        x: input, shape `(num_rows, *size, channels)`.
        kernel: kernel, shape `(*window, channels, filters)`.
        stride, dilation: stride and dilation along each axis.
    """
    patches = np.concatenate([part for _, part in windows(x, kernel.shape[:-2], stride, dilation)], axis=-1)
    return np.asarray(patches @ kernel.reshape(-1, kernel.shape[-1]))


def convolve_depthwise(x: Array, kernel: Array, stride: int = 1, dilation: int = 1) -> Array:
    """Depthwise convolution, with a kernel of shape `(*window, channels, 1)`."""
    parts = windows(x, kernel.shape[:-2], stride, dilation)
    return np.asarray(sum(part * kernel[offset][:, 0] for offset, part in parts))


def pool_windows(x: Array, size: int, pooling: str) -> Array:
    """The maximum or average over adjacent windows, ignoring padding; `pooling` is "max" or "average"."""
    window = (size,) * (x.ndim - 2)
    if pooling == "max":
        return _reduce(np.maximum, windows(x, window, size, outside=-np.inf))
    ones = np.ones((1, *x.shape[1:-1], 1), x.dtype)
    return np.asarray(_reduce(np.add, windows(x, window, size)) / _reduce(np.add, windows(ones, window, size)))


def windows(
    x: Array, window: Sequence[int], stride: int, dilation: int = 1, outside: float = 0.0
) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Yields each offset in a window and the inputs at this offset in all windows.

    Args:
        x: input, shape `(num_rows, *size, channels)`.
        window: size of the window along each axis.
        stride: distance between windows along each axis.
        dilation: distance between the elements of a window.
        outside: value with which the input is padded.

    Yields:
        The offset, and inputs of shape `(num_rows, *ceil(size / stride), channels)`.
    """
    padding, counts = [(0, 0)], []
    for size, width in zip(x.shape[1:-1], window, strict=True):
        count = -(-size // stride)
        total = max((count - 1) * stride + (width - 1) * dilation + 1 - size, 0)
        padding.append((total // 2, total - total // 2))
        counts.append(count)
    padded = np.pad(x, [*padding, (0, 0)], constant_values=outside)
    for offset in itertools.product(*map(range, window)):
        slices = (
            slice(k * dilation, k * dilation + (n - 1) * stride + 1, stride)
            for k, n in zip(offset, counts, strict=True)
        )
        yield offset, padded[(slice(None), *slices)]


def _reduce(combine: Callable[[Array, Array], Array], parts: Iterator[tuple[tuple[int, ...], Array]]) -> Array:
    found = next(parts)[1]
    for _, part in parts:
        found = combine(found, part)
    return found
