"""`ImagePreparation`: channel-wise standardisation of pixels. Constant pixels are kept, since convolutions need the
whole map.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from evonas.data.encoding.samples import SamplePreparation, channel_statistics, check_channels
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ImagePreparation", "fit_images"]


@dataclass(frozen=True)
class ImagePreparation(SamplePreparation):
    """The conversion of raw pixels to `(pixel - mean) / std`.

    Attributes:
        shape: shape of an image, (height, width, channels).
        mean, std: statistics of each channel over the pixels of the training images, in units of raw pixels.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    kind: Literal["image"] = "image"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.shape) != 3:
            raise InputError(
                f"shape of images must be height, width and channels, not {self.shape}: use the preparation that the "
                "run wrote"
            )
        check_channels("images", self.shape, self.mean, self.std)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """See `SamplePreparation.sample_shape`."""
        return self.shape

    def describe(self) -> str:
        """See `SamplePreparation.describe`."""
        height, width, channels = self.shape
        return f"images of {height} x {width} pixels, {channels} channel{'s' * (channels != 1)}"

    def apply(self, frame: pd.DataFrame | NDArray[Any]) -> NDArray[np.float32]:
        """The network input for raw images.

        Args:
            frame: images `(num_samples, height, width, channels)`, `(num_samples, height, width)` for one channel, or
                the same flattened.

        Raises:
            InputError: the images have another shape, or are not finite numbers.
        """
        pixels = self._images(frame)
        scaled = np.empty(pixels.shape, np.float32)
        np.subtract(pixels, np.array(self.mean, np.float32), out=scaled, casting="unsafe")
        scaled /= np.array(self.std, np.float32)
        return scaled.reshape(len(scaled), self.num_features)

    def inputs(self, frame: pd.DataFrame | NDArray[Any]) -> NDArray[np.float32]:
        """Raw images as an exported model takes them, float32, shape `(num_samples, height, width, channels)`."""
        return self._images(frame).astype(np.float32, copy=False)

    def _images(self, frame: pd.DataFrame | NDArray[Any]) -> NDArray[Any]:
        pixels = np.asarray(frame)
        height, width, channels = self.shape
        shapes = [self.shape, (math.prod(self.shape),), *([(height, width)] if channels == 1 else [])]
        if pixels.shape[1:] not in shapes:
            raise InputError(
                f"images must have {height} x {width} pixels and {channels} channels, as those of the search, not the "
                f"shape {pixels.shape[1:]}: resize or convert them"
            )
        if pixels.dtype.kind not in "biuf":
            raise InputError(f"images must be arrays of numbers, not of {pixels.dtype}: convert them")
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise InputError("images must hold finite numbers, but one holds NaN or infinity: leave it out")
        return pixels.reshape(len(pixels), *self.shape)


def fit_images(pixels: NDArray[Any], rows: NDArray[np.intp] | None = None) -> ImagePreparation:
    """Fits the mean and deviation of each channel on training images `(num_samples, height, width, channels)`.

    `rows` selects the images, by default all.
    """
    mean, std = channel_statistics(pixels, rows)
    return ImagePreparation(shape=tuple(pixels.shape[1:]), mean=mean, std=std)
