"""Folders of images as the data of a search: all parts at the size of the training images, and the options that apply.

Does not import pandas.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from evonas.data.read_options import ReadOptions
from evonas.data.sample_kind import SampleOptions
from genomes.errors import InputError

__all__ = ["check_folder_options", "check_reading", "read_folders"]

#: Number of classes named in a message.
_SHOWN = 3


def read_folders(
    folder: str | Path, validation: Any, test: Any, size: Any, grayscale: bool, as_given: bool, shaped: bool
) -> tuple[tuple[Any, Any], Any, Any, tuple[str, ...]]:
    """Reads pixels and classes of the training images, and of the other parts at the same size.

    Args:
        folder: folder of the training images.
        validation, test: folders of the other parts; anything else is returned as it is.
        size, grayscale, as_given, shaped: as `size`, `grayscale`, `as_they_are`, `shaped` of `read_image_folder`.

    Returns:
        The pairs of pixels and classes of the three parts, and notes for the user.

    Raises:
        InputError: as in `read_image_folder`, or a class has a single image.
    """
    from evonas.data.readers.images import image_size, read_image_folder

    found = read_image_folder(folder, image_size(size), grayscale, as_given, shaped=shaped)
    parts: dict[str, Any] = {"validation": validation, "test": test}
    if not all(isinstance(given, (str, Path)) for given in parts.values()):
        _check_counts(Path(folder), found.classes.tolist())
    height, width, channels = found.pixels.shape[1:]
    notes = list(found.notes)
    for part, given in parts.items():
        if isinstance(given, (str, Path)):
            others = read_image_folder(given, (height, width), channels=channels)
            parts[part] = others.pixels, others.classes
            notes += [f"{part}: {note}" for note in others.notes]
    return (found.pixels, found.classes), parts["validation"], parts["test"], tuple(notes)


def check_folder_options(asked: SampleOptions, options: ReadOptions, named: Mapping[str, Any]) -> None:
    """Raises InputError for an option that has no effect on a folder of images.

    Args:
        asked: options on the kind of the rows.
        options: format of files.
        named: the arguments that name columns: "roles", "group", "time_column" and "drop".
    """
    for name in ("series", "series_id"):
        if getattr(asked, name):
            raise InputError(
                f"{name} must be given with a table or arrays, not a folder, which holds images: leave it out"
            )
    if asked.split:
        raise InputError(
            f"split must be given with series, not {asked.split!r} with a folder of images, which is split at random: "
            "leave it out"
        )
    for column, role in (named["roles"] or {}).items():
        raise InputError(
            f"{role} must be given with a table, not {column!r} with a folder of images, which has no columns: leave "
            "it out"
        )
    for name in ("drop", "group", "time_column"):
        if named[name]:
            value = named[name] if isinstance(named[name], str) else ", ".join(named[name])
            raise InputError(
                f"{name} must be given with a table, not {value!r} with a folder of images, which has no columns: "
                "leave it out"
            )
    check_reading(options, "a folder of images")


def check_reading(options: ReadOptions, what: str) -> None:
    """Raises InputError if a format of text files is given with `what`, which is none."""
    usual = ReadOptions()
    for name in (field.name for field in fields(options)):
        if getattr(options, name) != getattr(usual, name):
            raise InputError(
                f"{name} must be given with a table as text, not {getattr(options, name)!r} with {what}: leave it out"
            )


def _check_counts(folder: Path, classes: list[str]) -> None:
    """Raises InputError if a class has a single image, which cannot be in two parts of a split."""
    single = [label for label, count in Counter(classes).items() if count == 1]
    if single:
        shown = ", ".join(str(folder / label) for label in single[:_SHOWN]) + ", ..." * (len(single) > _SHOWN)
        raise InputError(
            f"every class must have at least 2 images, but {shown} {'has' if len(single) == 1 else 'have'} only one: "
            "add images, or remove the folder"
        )
