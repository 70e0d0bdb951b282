"""Fixed random convolutions of series, fitted to training rows: standardised shares of positive outputs. Pure numpy.

This is MiniRocket (Dempster, Schmidt and Webb 2021, arXiv 2012.08791) with two changes, so that features are the same
to float32 precision wherever they are computed: steps whose output is within 1/13 standard deviations of the threshold
count partially, and all convolutions are padded. Features depend only on their number and on the training rows, not on
a seed, so that networks share them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.networks.activations import EPSILON
from evonas.networks.convolution import convolve, windows
from evonas.networks.layer_row import Attributes, NetworkRow, Parts, Shape, Sources, Weight, side_by_side
from evonas.networks.spatial_rows import mask_steps, normalize_axes
from evonas.seeds import RandomStream, stream_rng
from genomes.architecture.random_layers import KERNEL_STEPS, NUM_KERNELS, dilations_of

__all__ = ["RANDOM_CONVOLUTIONS", "part_name"]

Array = NDArray[Any]

#: Slope at a threshold, per standard deviation of the output: a step counts partially within 3 / 40 on both sides.
_SLOPE = 40.0
#: Lower bound of an output's standard deviation; series have a standard deviation of 1.
_LEAST_DEVIATION = 1e-3
#: Standard deviation of a feature below which it is not scaled up.
_LEAST_SHARE = 0.01
#: Norm of a feature vector, so that Adam changes the output by the same amount whatever the number of features.
_LENGTH = 10.0
#: Largest number of rows from which means and variances of features are computed.
_MOST_ROWS = 128
#: Largest number of channels of a kernel.
_MOST_CHANNELS = 9
#: Number of outputs computed at a time, which fit into a core's cache.
_NUMBERS = 1 << 17
_GOLDEN = (math.sqrt(5.0) + 1.0) / 2.0


def part_name(dilation: int, part: str) -> str:
    """Name of the kernel or the bias for a dilation."""
    return f"dilation{dilation}_{part}"


def _weights(attributes: Attributes, input_shape: Shape, output_shape: Shape) -> Mapping[str, Weight]:
    (steps, channels), features = input_shape, int(attributes["features"])
    found = {}
    for dilation, count in dilations_of(features, steps):
        found[part_name(dilation, "kernel")] = Weight((KERNEL_STEPS, channels, count), "fff", 0.0)
        found[part_name(dilation, "bias")] = Weight((count,), "f", 0.0)
    fills = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0}
    return found | {name: Weight((features,), "f", fill) for name, fill in fills.items()}


def _forward(attributes: Attributes, parts: Parts, sources: Sources, mask: Array | None) -> tuple[Array, None]:
    x = mask_steps(side_by_side(sources), mask)
    return normalize_axes("batch", parts, _shares(attributes, parts, x, mask)), None


def _shares(attributes: Attributes, parts: Parts, x: Array, mask: Array | None) -> Array:
    """Share of the steps at which each convolution is above its threshold, `(num_rows, features)`."""
    steps = x.shape[1]
    lengths = np.full((len(x), 1), steps, x.dtype) if mask is None else np.maximum(mask.sum(axis=1), 1.0)
    columns = []
    for dilation, count in dilations_of(int(attributes["features"]), steps):
        # The hard sigmoid is z / 6 + 0.5 between 0 and 1.
        kernel, bias = (parts[part_name(dilation, part)] / x.dtype.type(6.0) for part in ("kernel", "bias"))
        distinct = kernel[..., :NUM_KERNELS]
        if not all(np.array_equal(distinct[..., : each.shape[-1]], each) for each in _kernel_blocks(kernel)):
            distinct = kernel  # the network was not fitted
        some, found = max(1, _NUMBERS // (steps * distinct.shape[-1])), np.empty((len(x), count), x.dtype)
        for start in range(0, len(x), some):
            rows = slice(start, start + some)
            outputs = convolve(x[rows], distinct, dilation=dilation)
            for first in range(0, count, distinct.shape[-1]):
                block = slice(first, min(count, first + distinct.shape[-1]))
                z = outputs[..., : block.stop - block.start] + (bias[block] + x.dtype.type(0.5))
                np.clip(z, 0.0, 1.0, out=z)
                found[rows, block] = (z if mask is None else z * mask[rows]).sum(axis=1)
        columns.append(found / lengths)
    return np.concatenate(columns, axis=-1)


def _fit(attributes: Attributes, parts: Parts, x: Array, mask: Array | None) -> dict[str, Array]:
    """Fits the weights to training rows.

    Args:
        attributes: attributes of the layer.
        parts: initial weights.
        x: input, shape `(num_rows, steps, channels)`.
        mask: mask of the steps, if any, which is the last channel; kernels do not use this channel.
    """
    x = mask_steps(np.asarray(x, np.float32), mask)
    features, (rows, steps, channels) = int(attributes["features"]), x.shape
    found = {name: np.array(value, np.float32) for name, value in parts.items()}
    seen, first = channels - (mask is not None), 0
    for dilation, count in dilations_of(features, steps):
        rng = stream_rng(RandomStream.RANDOM_CONVOLUTIONS, 0, dilation)
        kernels = _kernels(seen, channels, rng)
        chosen = rng.integers(rows, size=NUM_KERNELS)
        kernel, bias = (found[part_name(dilation, part)] for part in ("kernel", "bias"))
        outputs = _convolve_own_rows(x[chosen], kernels, dilation)
        valid = np.ones_like(outputs, bool) if mask is None else mask[chosen][..., 0] > 0
        valid |= ~valid.any(axis=1, keepdims=True)  # series without any steps
        indices = np.arange(count)
        slopes = _SLOPE / np.maximum(outputs.std(axis=1, where=valid), _LEAST_DEVIATION)
        thresholds = _quantiles(outputs, valid, indices % NUM_KERNELS, (first + indices + 1) * _GOLDEN % 1.0)
        kernel[:] = (kernels * slopes)[..., indices % NUM_KERNELS]
        bias[:] = -thresholds * slopes[indices % NUM_KERNELS]
        first += count
    some = slice(None, None, max(1, -(-rows // _MOST_ROWS)))
    shares = _shares(attributes, found, x[some], None if mask is None else mask[some])
    variance = shares.var(axis=0)
    scale = _LENGTH / math.sqrt(features) * np.sqrt((variance + EPSILON) / (variance + _LEAST_SHARE**2))
    found |= {"gamma": scale, "moving_mean": shares.mean(axis=0), "moving_variance": variance}
    return {name: np.asarray(value, np.float32) for name, value in found.items()}


def _kernel_blocks(kernel: NDArray[Any]) -> list[NDArray[Any]]:
    """The columns in blocks of 84, since the same kernels are repeated with other thresholds."""
    return [kernel[..., start : start + NUM_KERNELS] for start in range(0, kernel.shape[-1], NUM_KERNELS)]


def _convolve_own_rows(x: Array, kernels: Array, dilation: int) -> Array:
    """The outputs of each kernel k for row k, shape `(84, steps)`."""
    shifted = [part for _, part in windows(x, (KERNEL_STEPS,), 1, dilation)]
    return np.asarray(sum(np.einsum("ktc,ck->kt", part, own) for part, own in zip(shifted, kernels, strict=True)))


def _quantiles(outputs: Array, valid: NDArray[np.bool_], rows: NDArray[np.intp], shares: NDArray[Any]) -> Array:
    """Quantile `shares[k]` of the valid outputs in row `rows[k]`, for each k, with linear interpolation."""
    ordered = np.sort(np.where(valid, outputs, np.inf), axis=1)
    rank = shares * (valid.sum(axis=1)[rows] - 1)
    low = np.floor(rank).astype(np.intp)
    high = np.minimum(low + 1, valid.sum(axis=1)[rows] - 1)
    below, above = ordered[rows, low], ordered[rows, high]
    return np.asarray(below + (above - below) * (rank - low), np.float32)


def _kernels(seen: int, channels: int, rng: np.random.Generator) -> Array:
    """The 84 kernels, each over a random subset of the first `seen` channels, shape `(9, channels, 84)`."""
    found = np.zeros((KERNEL_STEPS, channels, NUM_KERNELS), np.float32)
    for number, twos in enumerate(itertools.combinations(range(KERNEL_STEPS), 3)):
        taps = np.full((KERNEL_STEPS, 1), -1.0, np.float32)
        taps[list(twos)] = 2.0
        most = min(seen, _MOST_CHANNELS)
        count = int(2.0 ** rng.uniform(0.0, math.log2(most + 1)))
        found[:, rng.choice(seen, min(count, most), replace=False), number] = taps
    return found


RANDOM_CONVOLUTIONS = NetworkRow(_weights, _forward, fit=_fit)
