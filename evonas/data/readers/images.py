"""Reading of a folder of images, with one subfolder per class, into an array of pixels. Imports Pillow lazily.

The layout is that of `keras.utils.image_dataset_from_directory`: classes are sorted by name.
"""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.io.disk_arrays import disk_array
from evonas.machine import data_bytes
from genomes.errors import InputError

__all__ = ["ImageFolder", "image_size", "read_image_folder", "read_images", "read_new_images"]

ENDINGS = (".png", ".jpg", ".jpeg")
#: Suffixes of image files that are not read.
OTHER_ENDINGS = (".gif", ".bmp", ".tif", ".tiff", ".webp", ".avif", ".heic", ".ppm", ".jfif")
#: Height and width if neither the user nor the images determine them.
USUAL_SIZE = (32, 32)
#: For dense networks, images of equal size keep it up to this number of pixels.
MOST_PIXELS = 64 * 64
#: For convolutional networks: the longest side of images that keep their size, and the longest side after resizing.
MOST_SIDE, USUAL_SIDE = 128, 64
#: Pixels of one image. A file of some hundred kilobytes may claim many; Pillow holds four bytes per pixel, twice.
MOST_FILE_PIXELS = 1 << 26
#: Folders that macOS adds to archives.
_NO_CLASSES = ("__MACOSX",)
#: Share of free memory that the pixels may take; networks use four bytes per value, and copies are made. Beyond it,
#: pixels for convolutional networks are on disk.
SHARE = 1 / 16

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """Images of a folder.

    Attributes:
        pixels: pixels in [0, 255], `(num_samples, height, width, channels)`.
        classes: class of each image, `(num_samples,)`.
        notes: messages about anything the user may not expect, one line each.
    """

    pixels: NDArray[np.uint8]
    classes: NDArray[np.object_]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Header:
    """Facts from the header of an image file."""

    size: Size
    mode: str
    frames: int
    transparent: bool = False

    @property
    def has_colours(self) -> bool:
        return self.mode not in ("1", "L", "LA", "La")


def image_size(given: Any) -> Size | None:
    """Parses "32x32", "32", a pair or a number into height and width; None stays None.

    Raises:
        InputError: the value has none of these forms.
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
    shaped: bool = False,
) -> tuple[NDArray[np.uint8], NDArray[np.object_]]:
    """Returns only pixels and classes; arguments and errors as in `read_image_folder`."""
    found = read_image_folder(folder, size, grayscale, as_they_are, channels, shaped)
    return found.pixels, found.classes


def read_image_folder(
    folder: str | Path,
    size: Size | None = None,
    grayscale: bool = False,
    as_they_are: bool = False,
    channels: int | None = None,
    shaped: bool = False,
) -> ImageFolder:
    """Reads the images of a folder.

    Args:
        folder: folder with one subfolder per class, which holds PNG and JPEG files, possibly in nested folders.
        size: height and width to which all images are resized. By default, images of equal size keep it if they are
            small enough for dense networks (`MOST_PIXELS`); others are resized to `USUAL_SIZE`.
        grayscale: whether to return one channel; otherwise there are three, or one if no image is in colour.
        as_they_are: whether images of equal size keep it, however large; images of different sizes then require a
            `size`.
        channels: 1 or 3, if known.
        shaped: whether the images are for convolutional networks: images of equal size then keep it up to `MOST_SIDE`,
            and others are resized to their median shape, at most `USUAL_SIDE`.

    Raises:
        InputError: there are fewer than two classes, a file cannot be read as an image, all images together are too
            large (and not `shaped`), or Pillow is not installed.
    """
    folder = Path(folder)
    files = _files(folder)
    if importlib.util.find_spec("PIL") is None:
        raise InputError("Pillow must be installed to read images: pip install 'evonas[images]'")
    headers = [_header(path) for path, _ in files]
    size = size or _chosen_size(folder, headers, as_they_are, shaped)
    if channels is None:
        channels = 1 if grayscale or not any(header.has_colours for header in headers) else 3
    pixels = _empty((len(files), *size, channels), shaped)
    for row, (path, _) in enumerate(files):
        pixels[row] = _pixels(path, size, channels)
    notes = (*_notes(headers, size, channels), *_skipped_note(folder))
    return ImageFolder(pixels, np.array([label for _, label in files], dtype=object), notes)


def read_new_images(folder: Path, size: Size | None, channels: int) -> tuple[NDArray[np.uint8], list[str], list[str]]:
    """Reads images to predict.

    Args:
        folder: folder with PNG and JPEG files, possibly in nested folders.
        size: height and width to which all images are resized; None keeps their size, which must be the same for all.
        channels: 1 or 3.

    Returns:
        Pixels, `(num_samples, height, width, channels)`; file names relative to the folder; and the subfolder of each
        file, or "".

    Raises:
        InputError: the folder holds no images, or see `read_image_folder`.
    """
    paths = _images_in(folder)
    if not paths:
        raise InputError(f"a folder of images must hold PNG or JPEG files, but {folder} has none: give another")
    if importlib.util.find_spec("PIL") is None:
        raise InputError("Pillow must be installed to read images: pip install 'evonas[images]'")
    headers = [_header(path) for path in paths]
    size = size or _chosen_size(folder, headers, as_they_are=True, shaped=False)
    pixels = _empty((len(paths), *size, channels))
    for row, path in enumerate(paths):
        pixels[row] = _pixels(path, size, channels)
    inside = [path.relative_to(folder) for path in paths]
    labels = [_utf8(path.parts[0]) if len(path.parts) > 1 else "" for path in inside]
    return pixels, [_utf8(str(path)) for path in inside], labels


def _empty(shape: tuple[int, int, int, int], on_disk: bool = False) -> NDArray[np.uint8]:
    """Allocates an array for the pixels, on disk if that is allowed and memory is too small."""
    count, height, width, channels = shape
    if np.prod(shape, dtype=np.float64) > (most := data_bytes(SHARE)):
        if on_disk:
            return disk_array(shape, np.uint8)
        raise InputError(
            f"{count:,} images of {height}x{width} pixels with {channels} channels must be smaller than "
            f"{most / 2**30:.1f} GiB, a sixteenth of the free memory: give a smaller image size"
        )
    return np.empty(shape, np.uint8)


def _chosen_size(folder: Path, headers: list[_Header], as_they_are: bool, shaped: bool) -> Size:
    sizes = {header.size for header in headers}
    one = next(iter(sizes)) if len(sizes) == 1 else None
    if as_they_are and one is None:
        raise InputError(
            f"the images of {folder} must be of one size, not {len(sizes)} ({_show(sizes)}): give an image "
            "size, such as 64x64"
        )
    if shaped and not as_they_are:
        return _within([header.size for header in headers], MOST_SIDE if one else USUAL_SIDE)
    return one if one is not None and (as_they_are or one[0] * one[1] <= MOST_PIXELS) else USUAL_SIZE


def _notes(headers: list[_Header], size: Size, channels: int) -> tuple[str, ...]:
    """Messages about anything the user may not expect."""
    notes = []
    sizes = {header.size for header in headers}
    if sizes != {size}:
        notes.append(
            f"images of {_show(sizes)} pixels are resized to {size[0]}x{size[1]} (image size), whatever their aspect "
            "ratio"
        )
    grey = sum(not header.has_colours for header in headers)
    if channels == 3 and grey:
        notes.append(f"{grey:,} of {len(headers):,} images are grey: their three channels are equal")
    of_all = f"of {len(headers):,} images"
    if channels == 3 and (inks := sum(header.mode == "CMYK" for header in headers)):
        notes.append(f"{inks:,} {of_all} are CMYK: they are read as RGB")
    if moving := sum(header.frames > 1 for header in headers):
        notes.append(f"{moving:,} {of_all} have several frames: the first is used")
    if transparent := sum(header.transparent for header in headers):
        notes.append(f"{transparent:,} {of_all} have an alpha channel, which is left out")
    return tuple(notes)


def _skipped_note(folder: Path) -> tuple[str, ...]:
    """A message about image files that are neither PNG nor JPEG."""
    inside = (path for path in folder.glob("*/**/*") if not any(map(_is_hidden, path.relative_to(folder).parts)))
    endings = [path.suffix.lower() for path in inside if path.suffix.lower() in OTHER_ENDINGS]
    if not endings:
        return ()
    return (f"files that are neither PNG nor JPEG are left out: {len(endings):,} ({', '.join(sorted(set(endings)))})",)


def _files(folder: Path) -> list[tuple[Path, str]]:
    """Returns every image file with its class, sorted by name."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not _is_hidden(path.name))
    for path in classes:
        if _utf8(path.name) != path.name:
            raise InputError(f"names of classes must be UTF-8 text, but that of the folder {path} is not: rename it")
    files = [(path, inside.name) for inside in classes for path in _images_in(inside)]
    held = {label for _, label in files}
    empty = [path.name for path in classes if path.name not in held]
    if len(held) < 2 or empty:
        what = f"none in {', '.join(map(repr, empty[:5]))}" if empty else f"{len(held)} such subfolders"
        raise InputError(
            f"a folder of images must hold a subfolder for each class, at least two, with PNG or JPEG files, but "
            f"{folder} has {what}: sort the images into subfolders"
        )
    return files


def _images_in(folder: Path) -> list[Path]:
    """Returns every PNG and JPEG file in a folder and its nested folders, sorted by name, except hidden ones."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS
        and not any(map(_is_hidden, path.relative_to(folder).parts))
        and path.is_file()
    )


def _is_hidden(name: str) -> bool:
    """Whether the name is one that programs use for their own files, such as notebook checkpoints or macOS forks."""
    return name.startswith(".") or name in _NO_CLASSES


def _utf8(name: str) -> str:
    """Returns a file name with a replacement character for each byte that is not UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")


def _open_image(path: Path) -> Any:
    from PIL import Image

    return Image.open(path, formats=("PNG", "JPEG"))


def _header(path: Path) -> _Header:
    try:
        with _open_image(path) as image:
            mode, (width, height), frames = image.mode, image.size, getattr(image, "n_frames", 1)
            transparent = image.has_transparency_data
    except Exception as error:  # Pillow's errors have no other common class
        raise _unreadable(path, error) from None
    if mode.startswith(("I", "F")):
        raise InputError(f"{path} must have 8 bits per channel, not mode {mode}: convert it")
    if width * height > MOST_FILE_PIXELS:
        raise InputError(
            f"{path} must have at most {MOST_FILE_PIXELS:,} pixels, not {width:,} x {height:,}: make it smaller, or "
            "leave it out"
        )
    return _Header((height, width), mode, frames, transparent)


def _pixels(path: Path, size: Size, channels: int) -> NDArray[np.uint8]:
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


def _within(sizes: list[Size], most: int) -> Size:
    """Returns the median height and width, scaled down if a side exceeds `most`; the aspect ratio stays."""
    height, width = (float(np.median([size[axis] for size in sizes])) for axis in (0, 1))
    factor = min(1.0, most / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def _show(sizes: set[Size]) -> str:
    shown = [f"{height}x{width}" for height, width in sorted(sizes)[:3]]
    return ", ".join(shown) + (", ..." if len(sizes) > 3 else "")
