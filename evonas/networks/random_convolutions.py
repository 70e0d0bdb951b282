"""Fixed random convolutions of series, fitted to training rows: shares of positive outputs, standardised. Pure numpy.

MiniRocket (Dempster, Schmidt and Webb 2021, arXiv 2012.08791) with two changes, for which the features are the same
wherever they are computed, to the precision of float32: a step at which an output is within 1/13 of its deviation of
the threshold counts in part, and all convolutions are padded. Features depend on their number and on the training rows
alone, not on a seed: networks share them.
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

#: Slope at a threshold, in deviations of the output: the share of a step rises within 3 / 40 on both sides of it.
_SLOPE = 40.0
#: Of an output that hardly varies, what counts as its deviation; series have a deviation of 1.
_LEAST_DEVIATION = 1e-3
#: Deviation of a feature below which it is not made larger.
_LEAST_SHARE = 0.01
#: Length of a vector of features: a rate of Adam's then moves the head by as much, whatever their number.
_LENGTH = 10.0
#: Rows whose features give mean and deviation.
_MOST_ROWS = 128
#: Channels of one kernel, at most.
_MOST_CHANNELS = 9
#: Outputs that are held at a time, which fit into a core's cache.
_NUMBERS = 1 << 17
_GOLDEN = (math.sqrt(5.0) + 1.0) / 2.0


def part_name(dilation: int, part: str) -> str:
    """Name of the kernel or the bias of a dilation."""
    return f"dilation{dilation}_{part}"


def _weights(attributes: Attributes, taken: Shape, given: Shape) -> Mapping[str, Weight]:
    (steps, channels), features = taken, int(attributes["features"])
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
    """Of each convolution the share of the steps at which it is above its threshold, `(num_rows, features)`."""
    steps = x.shape[1]
    lengths = np.full((len(x), 1), steps, x.dtype) if mask is None else np.maximum(mask.sum(axis=1), 1.0)
    columns = []
    for dilation, count in dilations_of(int(attributes["features"]), steps):
        # The hard sigmoid is z / 6 + 0.5 between 0 and 1.
        kernel, bias = (parts[part_name(dilation, part)] / x.dtype.type(6.0) for part in ("kernel", "bias"))
        distinct = kernel[..., :NUM_KERNELS]
        if not all(np.array_equal(distinct[..., : each.shape[-1]], each) for each in _portions(kernel)):
            distinct = kernel  # of a network that was not fitted
        some, found = max(1, _NUMBERS // (steps * distinct.shape[-1])), np.empty((len(x), count), x.dtype)
        for start in range(0, len(x), some):
            rows = slice(start, start + some)
            outputs = convolve(x[rows], distinct, dilation=dilation)
            for place in range(0, count, distinct.shape[-1]):
                here = slice(place, min(count, place + distinct.shape[-1]))
                z = outputs[..., : here.stop - here.start] + (bias[here] + x.dtype.type(0.5))
                np.clip(z, 0.0, 1.0, out=z)
                found[rows, here] = (z if mask is None else z * mask[rows]).sum(axis=1)
        columns.append(found / lengths)
    return np.concatenate(columns, axis=-1)


def _fit(attributes: Attributes, parts: Parts, x: Array, mask: Array | None) -> dict[str, Array]:
    """The weights for training rows.

    Args:
        attributes: of the layer.
        parts: its weights before.
        x: what it takes, shape `(num_rows, steps, channels)`.
        mask: of the steps, if any, whose channel no kernel looks at.
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
        outputs = _each_of_its_row(x[chosen], kernels, dilation)
        there = np.ones_like(outputs, bool) if mask is None else mask[chosen][..., 0] > 0
        there |= ~there.any(axis=1, keepdims=True)  # a series without a step
        places = np.arange(count)
        slopes = _SLOPE / np.maximum(outputs.std(axis=1, where=there), _LEAST_DEVIATION)
        thresholds = _quantiles(outputs, there, places % NUM_KERNELS, (first + places + 1) * _GOLDEN % 1.0)
        kernel[:] = (kernels * slopes)[..., places % NUM_KERNELS]
        bias[:] = -thresholds * slopes[places % NUM_KERNELS]
        first += count
    some = slice(None, None, max(1, -(-rows // _MOST_ROWS)))
    shares = _shares(attributes, found, x[some], None if mask is None else mask[some])
    variance = shares.var(axis=0)
    scale = _LENGTH / math.sqrt(features) * np.sqrt((variance + EPSILON) / (variance + _LEAST_SHARE**2))
    found |= {"gamma": scale, "moving_mean": shares.mean(axis=0), "moving_variance": variance}
    return {name: np.asarray(value, np.float32) for name, value in found.items()}


def _portions(kernel: NDArray[Any]) -> list[NDArray[Any]]:
    """Columns of the 84 kernels, each time that they come."""
    return [kernel[..., start : start + NUM_KERNELS] for start in range(0, kernel.shape[-1], NUM_KERNELS)]


def _each_of_its_row(x: Array, kernels: Array, dilation: int) -> Array:
    """The outputs of each kernel for a row of its own, shape `(84, steps)`."""
    places = [part for _, part in windows(x, (KERNEL_STEPS,), 1, dilation)]
    return np.asarray(sum(np.einsum("ktc,ck->kt", part, own) for part, own in zip(places, kernels, strict=True)))


def _quantiles(outputs: Array, there: NDArray[np.bool_], rows: NDArray[np.intp], shares: NDArray[Any]) -> Array:
    """Quantiles of rows of outputs, of those that are there, linear between two of them."""
    ordered = np.sort(np.where(there, outputs, np.inf), axis=1)
    at = shares * (there.sum(axis=1)[rows] - 1)
    low = np.floor(at).astype(np.intp)
    high = np.minimum(low + 1, there.sum(axis=1)[rows] - 1)
    below, above = ordered[rows, low], ordered[rows, high]
    return np.asarray(below + (above - below) * (at - low), np.float32)


def _kernels(seen: int, channels: int, rng: np.random.Generator) -> Array:
    """The 84 kernels, each over some of the first channels, shape `(9, channels, 84)`."""
    found = np.zeros((KERNEL_STEPS, channels, NUM_KERNELS), np.float32)
    for number, twos in enumerate(itertools.combinations(range(KERNEL_STEPS), 3)):
        taps = np.full((KERNEL_STEPS, 1), -1.0, np.float32)
        taps[list(twos)] = 2.0
        most = min(seen, _MOST_CHANNELS)
        count = int(2.0 ** rng.uniform(0.0, math.log2(most + 1)))
        found[:, rng.choice(seen, min(count, most), replace=False), number] = taps
    return found


RANDOM_CONVOLUTIONS = NetworkRow(_weights, _forward, fit=_fit)
