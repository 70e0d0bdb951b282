"""Random initial kernels. Pure numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_kernel", "orthogonal"]

_SCALES = {"glorot": 1.0, "he": 2.0, "lecun": 1.0}
#: Standard deviation of a unit normal truncated at two standard deviations.
_TRUNCATED_STD = 0.87962566103423978


def draw_kernel(
    initializer: str, fan_in: int, fan_out: int, rng: np.random.Generator, shape: tuple[int, ...] | None = None
) -> NDArray[np.float32]:
    """Draws a kernel by variance scaling (Glorot & Bengio 2010, He et al. 2015, LeCun et al. 1998).

    Normal variants are truncated at two standard deviations.

    Args:
        initializer: one of `genomes.architecture.layers.INITIALIZERS`.
        fan_in, fan_out: fan-in and fan-out of the layer.
        rng: source of random numbers.
        shape: shape of the kernel; by default, `(fan_in, fan_out)`.
    """
    shape = shape or (fan_in, fan_out)
    family, _, distribution = initializer.partition("_")
    fan = (fan_in + fan_out) / 2 if family == "glorot" else fan_in
    variance = _SCALES[family] / max(fan, 1.0)
    if distribution == "uniform":
        limit = np.sqrt(3.0 * variance)
        return rng.uniform(-limit, limit, shape).astype(np.float32)
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2.0).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    scaled: NDArray[np.float32] = (values * np.sqrt(variance) / _TRUNCATED_STD).astype(np.float32)
    return scaled


def orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draws a kernel with orthonormal rows or columns, as Keras's recurrent kernels.

    Source: Saxe, McClelland and Ganguli 2014.
    """
    rows, columns = shape
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diag(r))
    return np.ascontiguousarray(q if rows >= columns else q.T).astype(np.float32)
