"""The PNG and JPEG files of a folder: which there are, their headers, and their pixels. Imports Pillow lazily."""

from __future__ import annotations

import importlib.util
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genomes.errors import InputError

__all__ = ["ENDINGS", "Header", "Size", "check_pillow", "images_in", "is_hidden", "read_header", "read_pixels", "utf8"]

ENDINGS = (".png", ".jpg", ".jpeg")
#: Pixels of one image. A file of some hundred kilobytes may claim many; Pillow holds four bytes per pixel, twice.
MOST_FILE_PIXELS = 1 << 26
#: Folders that macOS adds to archives.
_NO_CLASSES = ("__MACOSX",)
#: Bytes of a PNG file up to the number of bits per channel, and where its first chunk, the header, is named.
_PNG_BYTES, _PNG_HEADER = 25, slice(12, 16)

Size = tuple[int, int]


@dataclass(frozen=True)
class Header:
    """Facts from the header of an image file."""

    size: Size
    mode: str
    frames: int
    transparent: bool = False

    @property
    def has_colours(self) -> bool:
        return self.mode not in ("1", "L", "LA", "La")


def check_pillow() -> None:
    """Raises InputError unless Pillow is installed."""
    if importlib.util.find_spec("PIL") is None:
        raise InputError("Pillow must be installed to read images: pip install 'evonas[images]'")


def images_in(folder: Path) -> list[Path]:
    """Returns every PNG and JPEG file in a folder and its nested folders, sorted by name, except hidden ones."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS and not any(map(is_hidden, path.relative_to(folder).parts)) and path.is_file()
    )


def is_hidden(name: str) -> bool:
    """Whether the name is one that programs use for their own files, such as notebook checkpoints or macOS forks."""
    return name.startswith(".") or name in _NO_CLASSES


def utf8(name: str) -> str:
    """Returns a file name with a replacement character for each byte that is not UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")


def _open_image(path: Path) -> Any:
    from PIL import Image

    return Image.open(path, formats=("PNG", "JPEG"))


def read_header(path: Path) -> Header:
    """Reads and checks the header of an image file.

    Raises:
        InputError: it is not a PNG or JPEG image, has more than 8 bits per channel, or too many pixels.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is lower
            image = _open_image(path)
        with image:
            mode, (width, height), frames = image.mode, image.size, getattr(image, "n_frames", 1)
            transparent = image.has_transparency_data
    except Image.DecompressionBombError as error:  # Pillow's own limit, which is higher
        count = re.search(r"\((\d+) pixels\)", str(error))
        shown = f"not {int(count[1]):,}" if count else "but has more"
        raise InputError(
            f"{path} must have at most {MOST_FILE_PIXELS:,} pixels, {shown}: make it smaller, or leave it out"
        ) from None
    except Exception as error:  # Pillow's errors have no other common class
        raise _unreadable(path, error) from None
    if mode.startswith(("I", "F")):
        raise InputError(f"{path} must have 8 bits per channel, not mode {mode}: convert it")
    if (bits := _bits_of_png(path)) > 8:  # which Pillow does not tell for colours, and silently reduces
        raise InputError(f"{path} must have 8 bits per channel, not {bits}: convert it")
    if width * height > MOST_FILE_PIXELS:
        raise InputError(
            f"{path} must have at most {MOST_FILE_PIXELS:,} pixels, not {width:,} x {height:,}: make it smaller, or "
            "leave it out"
        )
    return Header((height, width), mode, frames, transparent)


def _bits_of_png(path: Path) -> int:
    """Bits per channel in the header of a PNG file; 0 for other files."""
    with path.open("rb") as file:
        start = file.read(_PNG_BYTES)
    return start[-1] if len(start) == _PNG_BYTES and start[_PNG_HEADER] == b"IHDR" else 0


def read_pixels(path: Path, size: Size, channels: int) -> NDArray[np.uint8]:
    """The pixels of an image, shape `(height, width, channels)`."""
    from PIL import Image

    try:
        with _open_image(path) as image:
            image.info.pop("transparency", None)  # Pillow warns about it when converting to a mode without it
            mode = "L" if channels == 1 else "RGB"
            image = image if image.mode == mode else image.convert(mode)
            if image.size != size[::-1]:
                image = image.resize(size[::-1], Image.Resampling.BILINEAR)
            return np.asarray(image, np.uint8).reshape(*size, channels)
    except Exception as error:  # Pillow's errors have no other common class
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return InputError(f"{path} must be a whole PNG or JPEG image, but: {reason:.200}; replace it or leave it out")
