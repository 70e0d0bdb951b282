"""The kind of the rows (images, series, texts, or rows of a table), and the networks that take it. Does not import
pandas.

By default, images go to convolutional networks, series and texts to sequence networks, and tables to dense networks;
the user can choose other networks that can take such rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.windows import check_split
from evonas.io.disk_arrays import portions
from genomes.errors import InputError

__all__ = ["KINDS", "SampleOptions", "as_images", "chosen_architecture", "holds_texts", "kind_of_array", "rank_of"]

#: Kind of rows -> the encodings whose networks can take them; the first is the default.
KINDS: dict[str, tuple[str, ...]] = {
    "image": ("convolutional", "dense"),
    "series": ("sequence", "convolutional", "dense"),
    "text": ("sequence", "dense"),
    "table": ("dense",),
}
_FIXES = {
    "image": "leave it out",
    "series": "leave it out",
    "text": "leave it out",
    "table": "give images, series (--series) or one column of text (--text)",
}
#: Maximum number of channels of an image.
_MOST_CHANNELS = 4
#: Minimum side of a square of numbers that counts as an image.
_LEAST_SIDE = 8
#: Number of rows that are examined to distinguish images from series.
_SAMPLE = 200


@dataclass(frozen=True)
class SampleOptions:
    """The user's options on the kind of the rows.

    Attributes:
        architecture: name of the encoding whose networks take them; "" to choose by the kind of the rows.
        series: whether the columns of a table's row, or the numbers of an array's row, are steps of a series.
        series_id: for a table in long form, the column that identifies the series of a row.
        split: how samples are split, see `evonas.data.windows.SPLITS`.
    """

    architecture: str = ""
    series: bool = False
    series_id: str = ""
    split: str = ""

    def __post_init__(self) -> None:
        known = tuple(dict.fromkeys(name for names in KINDS.values() for name in names))
        if self.architecture not in ("", *known):
            raise InputError(f"architecture must be one of {', '.join(known)}, not {self.architecture!r}: choose one")
        check_split(self.split)

    @property
    def is_series(self) -> bool:
        """Whether rows are declared as series."""
        return self.series or bool(self.series_id)


def chosen_architecture(kind: str, asked: str = "") -> str:
    """The name of the encoding for rows of a kind.

    Args:
        kind: one of `KINDS`.
        asked: name of the requested encoding; empty to choose by the kind of the rows.

    Raises:
        InputError: networks of that encoding cannot take such rows.
    """
    allowed = KINDS[kind]
    if not asked:
        return allowed[0]
    if asked not in allowed:
        rows = {"image": "images", "series": "series", "text": "texts", "table": "rows of a table"}[kind]
        raise InputError(f"architecture must be {' or '.join(allowed)} for {rows}, not {asked!r}: {_FIXES[kind]}")
    return asked


def kind_of_array(x: Any, series: bool = False) -> str:
    """The kind of the rows of an array or a list, one of `KINDS`.

    Args:
        x: `(num_samples, height, width, channels)` are images; `(num_samples, steps, channels)` are series, unless they
            look like grey images: bytes, or squares of whole numbers from 0 to 255 or of numbers from 0 to 1. The same
            applies to a list of samples.
        series: whether rows are declared as series.
    """
    if series:
        return "series"
    if holds_texts(x):
        return "text"
    rank = rank_of(x)
    if rank == 4:
        return "image"
    if _is_ragged(x):
        return "series"
    if rank != 3:
        return "table"
    return "image" if _are_grey_images(np.asarray(x)) else "series"


def rank_of(x: Any) -> int:
    """Number of dimensions of an array, or of a list of arrays, which may differ in shape; 0 for anything else.

    >>> rank_of(np.zeros((5, 8, 8, 3))), rank_of([np.zeros((8, 8, 3)), np.zeros((9, 7))]), rank_of([1, 2])
    (4, 4, 0)
    """
    shape: tuple[int, ...] = getattr(x, "shape", ())
    if shape and not (len(shape) == 1 and x.dtype == object):
        return len(shape)
    if not isinstance(x, (list, tuple, np.ndarray)) or not all(isinstance(part, np.ndarray) for part in x):
        return 0
    return 1 + max((part.ndim for part in x), default=-1)


def holds_texts(x: Any) -> bool:
    """Whether the value is a list or a one-dimensional array of texts."""
    if isinstance(x, (str, bytes)) or hasattr(x, "columns"):
        return False
    if isinstance(x, np.ndarray):
        cells = x[:, 0] if x.ndim == 2 and x.shape[1] == 1 and x.dtype == object else x
        return cells.ndim == 1 and len(cells) > 0 and (cells.dtype.kind in "UT" or isinstance(cells[0], (str, bytes)))
    if isinstance(x, (list, tuple)) or type(x).__name__ == "Series":
        return len(x) > 0 and isinstance(next(iter(x)), (str, bytes))
    return False


def as_images(x: Any, what: str) -> NDArray[Any]:
    """Converts images to one array of unchanged type, shape `(num_samples, height, width, channels)`.

    Raises:
        InputError: the images have another shape, different sizes, or the channels first, or are not finite numbers.
    """
    try:
        pixels = np.asarray(x)
    except ValueError:
        raise InputError(f"{what} must be images of one size, but they differ: resize them") from None
    pixels = pixels[..., None] if pixels.ndim == 3 else pixels
    if pixels.dtype.kind not in "biuf" or pixels.ndim != 4 or not pixels.size:
        raise InputError(
            f"{what} must be images of shape (num_samples, height, width, channels), not {pixels.dtype} of shape "
            f"{pixels.shape}: bring them to one size, in numbers"
        )
    if pixels.shape[3] > _MOST_CHANNELS and pixels.shape[1] <= _MOST_CHANNELS:
        raise InputError(
            f"{what} must have the channels last, (num_samples, height, width, channels), not {pixels.shape}: pass "
            "x.transpose(0, 2, 3, 1)"
        )
    if pixels.dtype.kind == "f" and not all(np.isfinite(pixels[part]).all() for part in portions(pixels)):
        raise InputError(f"{what} must hold finite numbers, but an image holds NaN or infinity: leave it out")
    return pixels.astype(np.uint8) if pixels.dtype == bool else pixels


def _is_ragged(x: Any) -> bool:
    """Whether samples are arrays of different lengths."""
    if isinstance(x, np.ndarray):
        return x.dtype == object and x.ndim == 1 and len(x) > 0 and np.ndim(x[0]) > 0
    if not isinstance(x, (list, tuple)) or not x or not all(np.ndim(part) in (1, 2) for part in x[:_SAMPLE]):
        return False
    return len({len(part) for part in x}) > 1 and all(isinstance(part, np.ndarray) for part in x[:_SAMPLE])


def _are_grey_images(x: NDArray[Any]) -> bool:
    if x.dtype.kind in "b" or x.dtype == np.uint8:
        return True
    if x.dtype.kind not in "iuf" or x.shape[1] != x.shape[2] or x.shape[1] < _LEAST_SIDE:
        return False
    some = x[:_SAMPLE]
    if not np.isfinite(some).all() or some.min() < 0:
        return False
    return bool(some.max() <= 1 or (some.max() <= 255 and (some == np.floor(some)).all()))
