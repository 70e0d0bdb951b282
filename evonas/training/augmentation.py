"""Augmentation of training samples, vectorised over rows in numpy.

Shapes do not change; areas moved in from outside are 0, the mean of a standardised channel. Random numbers depend on
the training's seed and the epoch, so that a continued training draws the same as an uninterrupted one.

References:
    DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", 2017, arXiv 1708.04552.
    Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: beyond empirical risk minimization", ICLR 2018, arXiv 1710.09412.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Augmentation", "augmentation_of"]

Array = NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Augmentation:
    """Random augmentation of each sample, redrawn every time.

    Attributes:
        shape: of a sample, `(height, width, channels)` or `(steps, channels)`.
        flip: whether half of the images are mirrored horizontally.
        shift: largest shift along each axis, as a share of its size.
        rotation: largest rotation, as a share of a full turn.
        zoom: largest relative change of size.
        noise: standard deviation of additive Gaussian noise.
        cutout: side of the square (or length of the interval of a series) that is set to 0, as a share of the size.
        mixup: both parameters of the beta distribution of mixing weights.
        masked: whether the last channel marks the steps that are not padding.
    """

    shape: Shape
    flip: bool = False
    shift: float = 0.0
    rotation: float = 0.0
    zoom: float = 0.0
    noise: float = 0.0
    cutout: float = 0.0
    mixup: float = 0.0
    masked: bool = False

    def apply(self, x: Array, rng: np.random.Generator) -> Array:
        """Applies all augmentations except mixup to flat samples, shape `(num_rows, num_features)`."""
        maps = x.reshape(len(x), *self.shape)
        image = len(self.shape) == 3
        if self.flip and image:
            turned = rng.random(len(x)) < 0.5
            maps = np.where(turned[:, None, None, None], maps[:, :, ::-1], maps)
        if image and (self.rotation or self.zoom):
            maps = _move(maps, rng, self.shift, self.rotation, self.zoom)
        elif self.shift:
            maps = _shift(maps, rng, self.shift)
        if self.noise:
            added = np.float32(self.noise) * rng.standard_normal(maps.shape, np.float32)
            if self.masked:  # padding stays 0, and the mask is unchanged
                added *= maps[..., -1:]
                added[..., -1] = 0.0
            maps = maps + added
        if self.cutout:
            maps = np.where(_cut_out(maps.shape, rng, self.cutout), np.float32(0.0), maps)
        return np.ascontiguousarray(maps, np.float32).reshape(len(x), -1)

    def mix(self, x: Array, y: Array, weight: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Applies mixup to samples, one-hot targets and weights."""
        share = rng.beta(self.mixup, self.mixup, len(x)).astype(np.float32)
        other = rng.permutation(len(x))

        def mix(values: Array) -> Array:
            shares = share.reshape(-1, *(1,) * (values.ndim - 1))
            return np.asarray(shares * values + (1.0 - shares) * values[other], np.float32)

        return mix(x), mix(y), mix(weight)


def augmentation_of(training: Mapping[str, Any], shape: Shape, masked: bool = False) -> Augmentation | None:
    """The augmentation of training settings, for samples of a shape; None if there is none.

    Tokens of texts are not augmented.
    """
    names = ("flip", "shift", "rotation", "zoom", "noise", "cutout", "mixup")
    given = {name: training[name] for name in names if training.get(name)}
    return Augmentation(tuple(shape), masked=masked, **given) if given and len(shape) > 1 else None


def _shift(maps: Array, rng: np.random.Generator, share: float) -> Array:
    """Shifts each sample by whole pixels or steps."""
    count, sides = len(maps), maps.shape[1:-1]
    furthest = [int(share * side) for side in sides]
    padded = np.pad(maps, [(0, 0), *((far, far) for far in furthest), (0, 0)])
    rows = np.arange(count).reshape(-1, *(1,) * len(sides))
    index: list[Array] = [rows]
    for axis, (side, far) in enumerate(zip(sides, furthest, strict=True)):
        start = rng.integers(0, 2 * far + 1, count).reshape(rows.shape)
        index.append(start + np.arange(side).reshape(-1, *(1,) * (len(sides) - 1 - axis)))
    return np.asarray(padded[tuple(index)])


def _move(maps: Array, rng: np.random.Generator, shift: float, rotation: float, zoom: float) -> Array:
    """Shifts, rotates and zooms images about their centre, with bilinear interpolation."""
    count, height, width, _ = maps.shape
    angle = 2.0 * np.pi * rng.uniform(-rotation, rotation, count)
    scale = 1.0 / (1.0 + rng.uniform(-zoom, zoom, count))
    down, right = (rng.uniform(-shift, shift, count) * side for side in (height, width))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    cos, sin = ((scale * of(angle)).astype(np.float32)[:, None, None] for of in (np.cos, np.sin))
    from_y = cos * y - sin * x + ((height - 1) / 2 - down).astype(np.float32)[:, None, None]
    from_x = sin * y + cos * x + ((width - 1) / 2 - right).astype(np.float32)[:, None, None]
    padded = np.pad(maps, [(0, 0), (1, 1), (1, 1), (0, 0)])
    from_y, from_x = np.clip(from_y, -1, height) + 1, np.clip(from_x, -1, width) + 1
    top, left = np.minimum(from_y.astype(np.intp), height), np.minimum(from_x.astype(np.intp), width)
    low, far = (from_y - top)[..., None].astype(np.float32), (from_x - left)[..., None].astype(np.float32)
    rows = np.arange(count)[:, None, None]
    above = padded[rows, top, left] * (1 - far) + padded[rows, top, left + 1] * far
    below = padded[rows, top + 1, left] * (1 - far) + padded[rows, top + 1, left + 1] * far
    return np.asarray(above * (1 - low) + below * low)


def _cut_out(shape: Shape, rng: np.random.Generator, share: float) -> Array:
    """The cutout mask of each sample: a square with a random centre, which may extend beyond the edge."""
    count, sides = shape[0], shape[1:-1]
    where = np.ones((count, *(1,) * (len(sides) + 1)), bool)
    for axis, side in enumerate(sides):
        half = share * side / 2
        centre = rng.integers(0, side, count).reshape(-1, *(1,) * (len(sides) + 1))
        place = np.arange(side).reshape(-1, *(1,) * (len(sides) - axis))
        where = where & (place >= centre - half) & (place < centre + half)
    return where
