"""The layer row of random convolutions of a series, whose proportions of positive outputs feed a trained head.

References:
    Dempster, Petitjean and Webb, "ROCKET: exceptionally fast and accurate time series classification using random
        convolutional kernels", Data Mining and Knowledge Discovery 34, 2020, arXiv 1910.13051.
    Dempster, Schmidt and Webb, "MiniRocket: a very fast (almost) deterministic transform for time series
        classification", KDD 2021, arXiv 2012.08791.
"""

from __future__ import annotations

import math

from genomes.architecture.layer_row import Attributes, LayerRow, Shape, needs_rank, no_parameters
from genomes.architecture.options import MAX_UNITS
from genomes.checks import Whole

__all__ = ["KERNEL_STEPS", "NUM_KERNELS", "RANDOM_CONVOLUTIONS", "dilations_of"]

#: MiniRocket's kernels: 9 steps, three of which have weight 2 and the others -1.
KERNEL_STEPS, NUM_KERNELS = 9, 84
_MOST_DILATIONS = 32


def dilations_of(features: int, steps: int) -> tuple[tuple[int, int], ...]:
    """The dilations, exponentially spaced up to the length of the series, and the number of features of each.

    Args:
        features: total number of features.
        steps: length of a series.

    Example:
        >>> dilations_of(840, 100)
        ((1, 252), (2, 84), (3, 84), (4, 84), (5, 84), (7, 84), (9, 84), (12, 84))
    """
    count = max(1, min(features // NUM_KERNELS, _MOST_DILATIONS))
    widest = math.log2(max(1.0, (steps - 1) / (KERNEL_STEPS - 1)))
    spread = [int(2.0 ** (widest * k / max(1, count - 1)) + 1e-9) for k in range(count)]
    shares = {dilation: spread.count(dilation) for dilation in spread}
    ends, total = [], 0
    for share in shares.values():
        total += share
        ends.append(features * total // count)
    starts = [0, *ends[:-1]]
    return tuple((dilation, end - start) for dilation, start, end in zip(shares, starts, ends, strict=True))


def _shape(attributes: Attributes, taken: Shape) -> Shape:
    needs_rank(taken, 2)
    return (int(attributes["features"]),)


def _flops(attributes: Attributes, taken: Shape, given: Shape) -> int:
    return 2 * taken[0] * KERNEL_STEPS * taken[1] * given[0]


def _stored_values(attributes: Attributes, taken: Shape, given: Shape) -> int:
    """Size of the kernels, the biases and the four vectors that standardise the features."""
    return given[0] * (KERNEL_STEPS * taken[1] + 1 + 4)


#: Dilated convolutions with fixed kernels. Each feature is the proportion of steps at which a convolution exceeds a
#: threshold, standardised. Thresholds and standardisation are fitted to the training rows; no weight is trained.
RANDOM_CONVOLUTIONS = LayerRow(
    attributes={"features": Whole(1, MAX_UNITS)},
    shape=_shape,
    parameters=no_parameters,
    flops=_flops,
    label=lambda attributes: f"{attributes['features']} random convolutions, shares of positive outputs",
    moving=_stored_values,
    frozen=True,
)
