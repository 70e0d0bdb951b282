"""Weights and snapshots as content-addressed files `weights/<sha256>.npz`; equal arrays give equal bytes."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Weights
from evonas.io.atomic import is_temporary, sync_directory, write_new
from evonas.io.npz import MACHINE_FLOATS, open_plain, read_arrays
from genomes.errors import InputError

__all__ = ["WeightFiles", "weights_to_bytes"]


def weights_to_bytes(weights: Weights) -> bytes:
    """An `.npz` file of the named arrays; entries have a fixed date, since the file is named by its digest."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(weights):
            array, entry = np.asarray(weights[name], order="C"), zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            if array.dtype.name in MACHINE_FLOATS:
                entry.comment, array = array.dtype.name.encode(), array.view(f"u{array.dtype.itemsize}")
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
    return buffer.getvalue()


_NAME = re.compile("[0-9a-f]{64}")


def _is_weights(path: Path) -> bool:
    """Whether a file's name is the digest of its content, as for weights."""
    if path.suffix != ".npz" or not _NAME.fullmatch(path.stem):
        return False
    try:
        with open_plain(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == path.stem
    except OSError:
        return False


class WeightFiles:
    """The `weights` folder of one run directory."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / "weights"

    def put(self, weights: Weights) -> str:
        """Writes the weights unless they exist, and returns their name. Durable before it returns."""
        content = weights_to_bytes(weights)
        name = hashlib.sha256(content).hexdigest()
        if not self._path(name).exists():
            if not self._folder.exists():
                self._folder.mkdir()
                sync_directory(self._folder.parent)
            write_new(self._path(name), lambda file: file.write(content))
        return name

    def get(self, name: str) -> dict[str, NDArray[Any]]:
        """Reads the named weights.

        Raises:
            InputError: the file is missing or was changed.
        """
        path = self._path(name)
        try:
            with open_plain(path) as file:
                content = file.read()
        except OSError as error:
            raise InputError(
                f"weights file {path} must be readable ({error.strerror or error}): restore the file"
            ) from None
        if hashlib.sha256(content).hexdigest() != name:
            raise InputError(f"weights file {path} must be as it was written, but it was changed: restore the file")
        try:
            return read_arrays(content)
        except ValueError as error:
            raise InputError(f"weights file {path} must hold plain arrays, but {error}: restore the file") from None

    def holds(self, name: str) -> bool:
        """Whether the file exists."""
        return self._path(name).is_file()

    def size(self, name: str) -> int:
        """Size of the file in bytes; 0 if it does not exist."""
        path = self._path(name)
        return path.stat().st_size if path.is_file() else 0

    def remove(self, names: AbstractSet[str]) -> None:
        """Deletes files that are no longer referenced; if deletion fails, `collect` repeats it later."""
        for name in names:
            with suppress(OSError):
                self._path(name).unlink(missing_ok=True)

    def collect(self, kept: AbstractSet[str]) -> None:
        """Deletes leftovers of a crash: temporary files and unreferenced weights. All other files are foreign."""
        for path in self.own(kept):
            path.unlink(missing_ok=True)

    def own(self, kept: AbstractSet[str] = frozenset()) -> list[Path]:
        """Files in the folder that evonas wrote, according to names and content, without those `kept`."""
        if not self._folder.is_dir():
            return []
        found = [path for path in self._folder.iterdir() if path.is_file() and not path.is_symlink()]
        return [path for path in found if is_temporary(path.name) or (path.stem not in kept and _is_weights(path))]

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InputError(f"name of a weights file must be a SHA-256, not {name!r:.80}: restore the run from a copy")
        return self._folder / f"{name}.npz"
