"""Convolutions and pooling over one or two axes in plain numpy, as Keras computes them with "same" padding."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["convolve", "convolve_depthwise", "pool_windows", "windows"]

Array = NDArray[Any]


def convolve(x: Array, kernel: Array, stride: int = 1, dilation: int = 1) -> Array:
    """The convolution of maps, shape `(num_rows, *ceil(size / stride), filters)`.

    Args:
        x: shape `(num_rows, *size, channels)`.
        kernel: shape `(*window, channels, filters)`.
        stride, dilation: on all axes.
    """
    patches = np.concatenate([part for _, part in windows(x, kernel.shape[:-2], stride, dilation)], axis=-1)
    return np.asarray(patches @ kernel.reshape(-1, kernel.shape[-1]))


def convolve_depthwise(x: Array, kernel: Array, stride: int = 1, dilation: int = 1) -> Array:
    """Each channel by itself; `kernel` has the shape `(*window, channels, 1)`."""
    parts = windows(x, kernel.shape[:-2], stride, dilation)
    return np.asarray(sum(part * kernel[place][:, 0] for place, part in parts))


def pool_windows(x: Array, size: int, pooling: str) -> Array:
    """The maximum or the average of windows that touch each other; what lies outside of the maps does not count."""
    window = (size,) * (x.ndim - 2)
    if pooling == "max":
        return _reduce(np.maximum, windows(x, window, size, outside=-np.inf))
    ones = np.ones((1, *x.shape[1:-1], 1), x.dtype)
    return np.asarray(_reduce(np.add, windows(x, window, size)) / _reduce(np.add, windows(ones, window, size)))


def windows(
    x: Array, window: Sequence[int], stride: int, dilation: int = 1, outside: float = 0.0
) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Each place of a window, and what lies there in all windows, shape `(num_rows, *ceil(size / stride), channels)`.

    Args:
        x: shape `(num_rows, *size, channels)`.
        window: its size.
        stride: between windows, on all axes.
        dilation: between the places of a window.
        outside: what maps are padded with.
    """
    padding, counts = [(0, 0)], []
    for size, width in zip(x.shape[1:-1], window, strict=True):
        count = -(-size // stride)
        total = max((count - 1) * stride + (width - 1) * dilation + 1 - size, 0)
        padding.append((total // 2, total - total // 2))
        counts.append(count)
    padded = np.pad(x, [*padding, (0, 0)], constant_values=outside)
    for place in itertools.product(*map(range, window)):
        cut = (
            slice(k * dilation, k * dilation + (n - 1) * stride + 1, stride) for k, n in zip(place, counts, strict=True)
        )
        yield place, padded[(slice(None), *cut)]


def _reduce(combine: Callable[[Array, Array], Array], parts: Iterator[tuple[tuple[int, ...], Array]]) -> Array:
    found = next(parts)[1]
    for _, part in parts:
        found = combine(found, part)
    return found
