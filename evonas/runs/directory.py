"""What a run directory holds: made, emptied, and checked for what evonas never puts there."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import stat
from datetime import datetime
from pathlib import Path

from evonas.runs.ballast import BALLAST
from evonas.runs.files import TEMPORARY, sync_directory
from evonas.runs.lock import DISK_FAULTS, LOCK_NAME
from evonas.runs.schema import DATABASE
from genomes.errors import InputError

__all__ = [
    "BASELINE_NAME",
    "DATA_NAME",
    "NEW_DATABASE",
    "POPULATION",
    "RESULTS",
    "WORKER_LOG",
    "check_links",
    "make_directory",
    "make_room",
    "new_directory",
    "sha256",
]

DATA_NAME = "data.npz"
WORKER_LOG = "worker.log"
#: A run of its own in the run directory: the random search that it is compared with.
BASELINE_NAME = "random-baseline"
RESULTS, POPULATION = "results.csv", "population.json"
NEW_DATABASE = DATABASE + TEMPORARY
_FOLDERS = ("weights", "models")
#: Everything that a run writes beside its folders, in the order in which an overwritten run is removed: a journal must
#: never outlive its database, or the next one would be "rolled back" with it.
_FILES = (
    *(name + suffix for name in (DATABASE, NEW_DATABASE) for suffix in ("-journal", "")),
    *(DATA_NAME, RESULTS, POPULATION, WORKER_LOG, BALLAST),
)


def check_links(directory: Path) -> None:
    """Refuses symbolic links, devices and pipes in a run directory: evonas makes none, and would follow them.

    Raises:
        InputError: there is one; names it.
    """
    for folder in (directory, *(directory / name for name in _FOLDERS)):
        try:
            if folder != directory and not stat.S_ISDIR(folder.lstat().st_mode):
                raise InputError(f"{folder} must be a folder, which it is not: is this the directory of a run?")
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
                        raise InputError(
                            f"{entry.path} must be a plain file, but it is a link or no file at all: evonas makes none "
                            "in a run directory and follows none; remove it, if you trust the rest"
                        )
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InputError(f"{folder} must be readable ({error.strerror}): check its permissions") from None


def make_directory(directory: Path) -> None:
    """Makes the directory, if need be."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in DISK_FAULTS:
            raise
        raise InputError(
            f"run directory must be a directory that can be written, but {directory} cannot be made "
            f"({error.strerror}): choose another place"
        ) from None


def make_room(directory: Path, overwrite: bool) -> None:
    """Refuses a directory that holds a run or anything else; deletes a run that may be overwritten."""
    place = shlex.quote(str(directory))
    if (directory / DATABASE).exists() and not overwrite:
        raise InputError(
            f"run directory must be new, but {directory} holds a run: go on with it (evonas resume {place}), replace "
            "it (--overwrite), or choose another directory (--out)"
        )
    known = {*_FILES, LOCK_NAME, *_FOLDERS}
    strange = sorted(path.name for path in directory.iterdir() if path.name not in known and not _is_left_over(path))
    if strange and not (directory / DATABASE).exists():
        raise InputError(
            f"run directory must be new or empty, but {directory} holds {', '.join(strange[:3])}"
            f"{' and more' if len(strange) > 3 else ''}: choose another directory (--out)"
        )
    check_links(directory)
    for name in _FILES:
        (directory / name).unlink(missing_ok=True)
    for folder in _FOLDERS:
        for path in (directory / folder).glob("*"):
            if path.is_file():
                path.unlink()
    if not (directory / BASELINE_NAME).is_symlink():
        shutil.rmtree(directory / BASELINE_NAME, ignore_errors=True)
    sync_directory(directory)


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} must be readable ({error.strerror}): restore the file") from None


def _is_left_over(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(TEMPORARY)


def new_directory() -> Path:
    """A directory of its own, named by the time, in `evonas-runs`."""
    name = datetime.now().strftime("%Y%m%d-%H%M%S")
    paths = (Path("evonas-runs") / (name if number == 1 else f"{name}-{number}") for number in range(1, 1000))
    return next(path for path in paths if not path.exists())
