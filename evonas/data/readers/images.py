"""Reading of a folder of images, with one subfolder per class, into an array of pixels. Imports Pillow lazily.

The layout is that of `keras.utils.image_dataset_from_directory`: classes are sorted by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.preparation_time import check_time
from evonas.data.readers.image_files import (
    Header,
    Size,
    check_pillow,
    images_in,
    is_hidden,
    read_header,
    read_pixels,
    utf8,
)
from evonas.io.disk_arrays import disk_array
from evonas.machine import data_bytes
from evonas.quantities import shown_bytes
from genomes.errors import InputError

__all__ = ["ImageFolder", "image_size", "read_image_folder", "read_images", "read_new_images"]

#: Suffixes of image files that are not read.
OTHER_ENDINGS = (".gif", ".bmp", ".tif", ".tiff", ".webp", ".avif", ".heic", ".ppm", ".jfif")
#: Height and width if neither the user nor the images determine them.
USUAL_SIZE = (32, 32)
#: For dense networks, images of equal size keep it up to this number of pixels.
MOST_PIXELS = 64 * 64
#: For convolutional networks: the longest side of images that keep their size, and the longest side after resizing.
MOST_SIDE, USUAL_SIDE = 128, 64
#: Share of free memory that the pixels may take; networks use four bytes per value, and copies are made. Beyond it,
#: pixels for convolutional networks are on disk.
SHARE = 1 / 16

#: Images of one size, `(num_samples, height, width, channels)`, or of several, a list of `(height, width, channels)`.
Images = NDArray[np.uint8] | list[NDArray[np.uint8]]


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
    check_pillow()
    headers: list[Header] = []
    for path, _ in files:
        check_time("images examined", len(headers), len(files))
        headers.append(read_header(path))
    size = size or _chosen_size(folder, headers, as_they_are, shaped)
    if channels is None:
        channels = 1 if grayscale or not any(header.has_colours for header in headers) else 3
    pixels = _empty((len(files), *size, channels), shaped)
    for row, (path, _) in enumerate(files):
        check_time("images read", row, len(files))
        pixels[row] = read_pixels(path, size, channels)
    notes = (*_notes(headers, size, channels), *_skipped_note(folder))
    return ImageFolder(pixels, np.array([label for _, label in files], dtype=object), notes)


def read_new_images(place: Path, size: Size | None, channels: int) -> tuple[Images, list[str], list[str]]:
    """Reads images to predict.

    Args:
        place: folder with PNG and JPEG files, possibly in nested folders; or one such file.
        size: height and width to which all images are resized; None keeps the size of each.
        channels: 1 or 3.

    Returns:
        Pixels, `(num_samples, height, width, channels)`, or a list of `(height, width, channels)` if sizes differ; file
        names relative to the folder; and the subfolder of each file, or "".

    Raises:
        InputError: the folder holds no images, or see `read_image_folder`.
    """
    folder, paths = (place, images_in(place)) if place.is_dir() else (place.parent, [place])
    if not paths:
        raise InputError(f"a folder of images must hold PNG or JPEG files, but {folder} has none: give another")
    check_pillow()
    sizes = [size or header.size for header in map(read_header, paths)]
    count = sum(height * width * channels for height, width in sizes)
    if len(set(sizes)) == 1:
        pixels: Images = _empty((len(paths), *sizes[0], channels))
        for row, path in enumerate(paths):
            pixels[row] = read_pixels(path, sizes[row], channels)
    elif count > (most := data_bytes(SHARE)):
        raise InputError(
            f"{len(paths):,} images of different sizes must be smaller than {shown_bytes(most)}, a sixteenth of the "
            f"free memory, not {shown_bytes(count)}: give fewer at a time"
        )
    else:
        pixels = [read_pixels(path, each, channels) for path, each in zip(paths, sizes, strict=True)]
    inside = [path.relative_to(folder) for path in paths]
    labels = [utf8(path.parts[0]) if len(path.parts) > 1 else "" for path in inside]
    return pixels, [utf8(str(path)) for path in inside], labels


def _empty(shape: tuple[int, int, int, int], on_disk: bool = False) -> NDArray[np.uint8]:
    """Allocates an array for the pixels, on disk if that is allowed and memory is too small."""
    count, height, width, channels = shape
    if np.prod(shape, dtype=np.float64) > (most := data_bytes(SHARE)):
        if on_disk:
            return disk_array(shape, np.uint8)
        raise InputError(
            f"{count:,} images of {height}x{width} pixels with {channels} channels must be smaller than "
            f"{shown_bytes(most)}, a sixteenth of the free memory: give a smaller image size"
        )
    return np.empty(shape, np.uint8)


def _chosen_size(folder: Path, headers: list[Header], as_they_are: bool, shaped: bool) -> Size:
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


def _notes(headers: list[Header], size: Size, channels: int) -> tuple[str, ...]:
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
    inside = (path for path in folder.glob("*/**/*") if not any(map(is_hidden, path.relative_to(folder).parts)))
    endings = [path.suffix.lower() for path in inside if path.suffix.lower() in OTHER_ENDINGS]
    if not endings:
        return ()
    return (f"files that are neither PNG nor JPEG are left out: {len(endings):,} ({', '.join(sorted(set(endings)))})",)


def _files(folder: Path) -> list[tuple[Path, str]]:
    """Returns every image file with its class, sorted by name."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name))
    for path in classes:
        if utf8(path.name) != path.name:
            raise InputError(f"names of classes must be UTF-8 text, but that of the folder {path} is not: rename it")
    files = [(path, inside.name) for inside in classes for path in images_in(inside)]
    held = {label for _, label in files}
    empty = [path.name for path in classes if path.name not in held]
    if len(held) < 2 or empty:
        what = f"none in {', '.join(map(repr, empty[:5]))}" if empty else f"{len(held)} such subfolders"
        raise InputError(
            f"a folder of images must hold a subfolder for each class, at least two, with PNG or JPEG files, but "
            f"{folder} has {what}: sort the images into subfolders"
        )
    return files


def _within(sizes: list[Size], most: int) -> Size:
    """Returns the median height and width, scaled down if a side exceeds `most`; the aspect ratio stays."""
    height, width = (float(np.median([size[axis] for size in sizes])) for axis in (0, 1))
    factor = min(1.0, most / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def _show(sizes: set[Size]) -> str:
    shown = [f"{height}x{width}" for height, width in sorted(sizes)[:3]]
    return ", ".join(shown) + (", ..." if len(sizes) > 3 else "")
