"""The file that a run's data came from, and whether it is still the same. Imports no pandas."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genomes.errors import InputError

__all__ = ["check_origin", "origin_of"]


def origin_of(path: str | Path) -> dict[str, Any]:
    """Where a file is and what it holds, as JSON values: "path" as given, "absolute", "bytes", "sha256"."""
    file = Path(path).absolute()
    return {"path": str(path), "absolute": str(file), "bytes": file.stat().st_size, "sha256": _sha256(file)}


def check_origin(origin: Mapping[str, Any]) -> None:
    """Refuses to go on with a file that has changed since. A file that is gone is no matter: the run holds its data.

    Raises:
        InputError: the file holds something else now; says what differs.
    """
    file = Path(origin.get("absolute", ""))
    if "sha256" not in origin or not file.is_file():
        return
    now = origin_of(file)
    if now["sha256"] != origin["sha256"]:
        raise InputError(
            f"data must be those of the run, but {file} has changed since it started: {origin['bytes']:,} bytes with "
            f"SHA-256 {origin['sha256'][:12]} then, {now['bytes']:,} bytes with {now['sha256'][:12]} now. Restore the "
            "file, move it away (the run directory holds the data of the run), or start a new run"
        )


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
