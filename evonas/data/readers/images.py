"""A folder of images, one sub-folder a class, as an array of pixels. Imports Pillow inside functions only.

The layout is that of `keras.utils.image_dataset_from_directory`: classes in the order of their names.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.machine import free_bytes
from genomes.errors import InputError

__all__ = ["image_size", "read_images"]

ENDINGS = (".png", ".jpg", ".jpeg")
#: Height and width where neither the user nor the images say them.
USUAL_SIZE = (32, 32)
#: Images of one size stay as they are up to this many pixels, if networks of dense layers are to take them.
MOST_PIXELS = 64 * 64
#: Share of the free memory that the pixels may take; a dense network's are numbers of four bytes, and there are copies.
SHARE = 1 / 16

Size = tuple[int, int]


def image_size(given: Any) -> Size | None:
    """Height and width of "32x32", "32", a pair or a number; None stays None.

    Raises:
        InputError: it is nothing like that.
    """
    if given is None:
        return None
    text = "x".join(map(str, given)) if isinstance(given, (tuple, list)) else str(given)
    if not re.fullmatch(r"[1-9]\d{0,3}(x[1-9]\d{0,3})?", text):
        raise InputError(f"image size must be height x width in pixels, up to 9999, such as 32x32, not {text!r:.40}")
    numbers = [int(part) for part in text.split("x")]
    return numbers[0], numbers[-1]


def read_images(
    folder: str | Path,
    size: Size | None = None,
    grayscale: bool = False,
    as_they_are: bool = False,
    channels: int | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.object_]]:
    """Reads the images of a folder.

    Args:
        folder: with a sub-folder for each class, which holds PNG and JPEG files, also in folders of its own.
        size: height and width that all are brought to. When None, images of one size stay as they are, if they are
            small enough for dense networks (`MOST_PIXELS`); others are brought to `USUAL_SIZE`.
        grayscale: whether there is one channel; else there are three, unless no image has colours.
        as_they_are: whether images of one size stay as they are, however large, and others need a `size`.
        channels: 1 or 3, if that is known.

    Returns:
        pixels, `(num_samples, height, width, channels)`, 0 to 255; and the class of each image, `(num_samples,)`.

    Raises:
        InputError: there are no two classes, an image cannot be read or is none, all together are too large, or Pillow
            is not installed.
    """
    folder = Path(folder)
    files = _files(folder)
    if importlib.util.find_spec("PIL") is None:
        raise InputError("Pillow must be installed to read images: pip install 'evonas[images]'")
    found = [_header(path) for path, _ in files]
    sizes = {size for size, _ in found}
    if size is None:
        one = next(iter(sizes)) if len(sizes) == 1 else None
        if as_they_are and one is None:
            raise InputError(
                f"the images of {folder} must be of one size, not of {len(sizes)} ({_shown(sizes)}): give an image "
                "size, such as 64x64"
            )
        size = one if one is not None and (as_they_are or one[0] * one[1] <= MOST_PIXELS) else USUAL_SIZE
    if channels is None:
        channels = 1 if grayscale or not any(colours for _, colours in found) else 3
    shape = (len(files), *size, channels)
    if np.prod(shape, dtype=np.float64) > (most := free_bytes() * SHARE):
        raise InputError(
            f"{len(files):,} images of {size[0]}x{size[1]} pixels with {channels} channels must be smaller than "
            f"{most / 2**30:.1f} GiB, a sixteenth of the free memory: give a smaller image size"
        )
    pixels = np.empty(shape, np.uint8)
    for row, (path, _) in enumerate(files):
        pixels[row] = _pixels(path, size, channels)
    return pixels, np.array([label for _, label in files], dtype=object)


def _files(folder: Path) -> list[tuple[Path, str]]:
    """Every image and its class, in the order of their names."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    files = [
        (path, inside.name)
        for inside in classes
        for path in sorted(inside.rglob("*"))
        if path.suffix.lower() in ENDINGS and path.is_file()
    ]
    held = {label for _, label in files}
    empty = [path.name for path in classes if path.name not in held]
    if len(held) < 2 or empty:
        what = f"none in {', '.join(map(repr, empty[:5]))}" if empty else f"{len(held)} such sub-folders"
        raise InputError(
            f"a folder of images must hold a sub-folder for each class, two at least, with PNG or JPEG files, but "
            f"{folder} has {what}: sort the images into sub-folders"
        )
    return files


def _opened(path: Path) -> Any:
    from PIL import Image

    return Image.open(path, formats=("PNG", "JPEG"))


def _header(path: Path) -> tuple[Size, bool]:
    """Height and width, and whether there are colours."""
    try:
        with _opened(path) as image:
            mode, (width, height) = image.mode, image.size
    except Exception as error:  # Pillow's errors have no common class but this
        raise _unreadable(path, error) from None
    if mode.startswith(("I", "F")):
        raise InputError(f"{path} must have 8 bits a pixel and channel, not the mode {mode}: convert it")
    return (height, width), mode not in ("1", "L", "LA", "La")


def _pixels(path: Path, size: Size, channels: int) -> NDArray[np.uint8]:
    """Shape `(height, width, channels)`."""
    from PIL import Image

    try:
        with _opened(path) as image:
            image = image.convert("L" if channels == 1 else "RGB")
            if image.size != size[::-1]:
                image = image.resize(size[::-1], Image.Resampling.BILINEAR)
            return np.asarray(image, np.uint8).reshape(*size, channels)
    except Exception as error:  # Pillow's errors have no common class but this
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return InputError(f"{path} must be a whole PNG or JPEG image, but: {reason:.200}; replace it or leave it out")


def _shown(sizes: set[Size]) -> str:
    shown = [f"{height}x{width}" for height, width in sorted(sizes)[:3]]
    return ", ".join(shown) + (", ..." if len(sizes) > 3 else "")
