"""Claiming, clearing and checking run directories.

A directory is a run if its SQLite database has evonas's `application_id`, regardless of file names. A file belongs to
the run if the database confirms it, or if only evonas uses its name; all others are kept.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from evonas.io.atomic import is_temporary, place_new, sync, sync_directory, temporary_in, write_new
from evonas.io.marked_files import is_product
from evonas.io.npz import open_plain
from evonas.runs import schema
from evonas.runs.disk_reserve import DISK_RESERVE, is_disk_reserve
from evonas.runs.header import check_header, journal_of
from evonas.runs.in_training import IN_TRAINING, is_in_training
from evonas.runs.lock import DISK_FAULTS, LOCK_NAME, RunLock, is_lock, owner_of
from evonas.runs.schema import DATABASE
from evonas.runs.weights import WeightFiles
from genomes.errors import InputError

__all__ = [
    "BASELINE_NAME",
    "DATA_NAME",
    "MARKS",
    "MODELS",
    "POPULATION",
    "REPORT_NAME",
    "RESULTS",
    "WORKER_LOG",
    "check_links",
    "check_reports",
    "claim",
    "is_report",
    "is_run",
    "log_of",
    "new_directory",
    "open_log",
    "sha256",
]

DATA_NAME = "data.npz"
WORKER_LOG = "worker.log"
#: Nested run directory of the random search baseline.
BASELINE_NAME = "random-baseline"
#: Report that is written where no other path is given.
REPORT_NAME = "report.html"
RESULTS, POPULATION = "results.csv", "population.json"
WEIGHTS, MODELS = "weights", "models"
_FOLDERS = (WEIGHTS, MODELS)
#: First bytes of a run's reports; files of these names that begin differently are foreign.
_BEGINNINGS = {RESULTS: b"generation,index,status,", POPULATION: b'{"encoding": "population"'}
_LOG_BEGINNING = b"What the processes that train networks for this run have printed (evonas).\n"
#: Key in the table `about` of runs whose models and logs are marked.
MARKS = "marks"
#: Other names than hashes that evonas uses in a run directory.
_NAMES = (DATA_NAME, *_BEGINNINGS, DISK_RESERVE, WORKER_LOG, BASELINE_NAME, IN_TRAINING)


def check_links(directory: Path) -> None:
    """Refuses symbolic links, devices and pipes in a run directory, which evonas never creates but would follow.

    Raises:
        InputError: there is one; the message names it.
    """
    if not os.path.lexists(directory / DATABASE):
        return  # not a run, which is reported on opening
    for folder in (directory, *(directory / name for name in _FOLDERS)):
        try:
            if folder != directory and not stat.S_ISDIR(folder.lstat().st_mode):
                raise InputError(f"{folder} must be a folder, but is not: check whether this is a run directory")
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
                        raise InputError(
                            f"{entry.path} must be a regular file, not a link or a special file: evonas never creates "
                            "or follows these in a run directory; remove it if you trust the rest"
                        )
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InputError(f"{folder} must be readable ({error.strerror}): check its permissions") from None


def claim(
    directory: Path,
    overwrite: bool,
    rows: Callable[[str], Mapping[str, Sequence[Sequence[Any]]]],
    save: Callable[[Path], None] | None = None,
) -> RunLock:
    """Creates a new run in a directory. The run exists once its database has its final name; after an earlier crash the
    directory can be claimed again.

    Args:
        directory: created if necessary. Must be empty, or contain leftovers of an earlier claim.
        overwrite: whether an existing run may be replaced: only its own files are deleted.
        rows: returns the rows of the database, given the SHA-256 of the data (empty if there are none).
        save: writes the data of the run to a path; None if it has none.

    Returns:
        the lock, held.

    Raises:
        InputError: it contains a run or other files; nothing was changed.
    """
    _make_directory(directory)
    _check_room(directory, overwrite)
    lock = RunLock(directory)
    data, database = temporary_in(directory), temporary_in(directory)
    try:
        own = _check_room(directory, overwrite)  # again, now that no other process can claim it
        digest = ""
        if save is not None:
            save(data)
            sync(data)
            digest = sha256(data)
        schema.create(database, rows(digest))  # from now on, the data are known to be evonas's
        _remove(own)
        if save is not None:
            place_new(data, directory / DATA_NAME)
        journal_of(directory / DATABASE).unlink(missing_ok=True)  # must never outlive its database
        if (directory / DATABASE).exists():
            database.replace(directory / DATABASE)
        else:
            place_new(database, directory / DATABASE)
        sync_directory(directory)
    except BaseException:
        with suppress(OSError):
            data.unlink(missing_ok=True)
            database.unlink(missing_ok=True)
        lock.release()
        raise
    return lock


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in DISK_FAULTS:
            raise
        raise InputError(
            f"run directory must be a writable directory, but {directory} cannot be created "
            f"({error.strerror}): choose another directory"
        ) from None


def _check_room(directory: Path, overwrite: bool) -> list[Path]:
    """The files to delete for a new run; raises InputError if other files are in the way. Changes nothing."""
    names = sorted(os.listdir(directory))
    about = _about(directory / DATABASE) if DATABASE in names else None
    if about is not None and not overwrite:
        place = shlex.quote(str(directory))
        raise InputError(
            f"run directory must be new, but {directory} holds a run: continue it (evonas resume {place}), replace "
            "it (overwrite=True, --overwrite), or choose another directory (out, --out)"
        )
    if about is not None:
        check_links(directory)
    own = _own_files(directory, about)
    known = {path.name for path in own if path.parent == directory}
    known |= {name for name in names if name == LOCK_NAME and is_lock(directory / name)}
    if about is None:
        if strange := [name for name in names if name not in known]:
            raise InputError(
                f"run directory must be new or empty, but {directory} holds {', '.join(strange[:3])}"
                f"{' and more' if len(strange) > 3 else ''}, but not an evonas run: choose another "
                "directory (out, --out)"
            )
        return own
    if strange := [name for name in _NAMES if name in names and name not in known]:
        raise InputError(
            f"{', '.join(strange)} in {directory} must be as the run wrote it to be replaced, but was changed: "
            "move it away, or choose another directory (out, --out)"
        )
    return own


def _about(path: Path) -> dict[str, str] | None:
    """The table `about` of a run's database; None if the file is not one."""
    try:
        check_header(path)
    except InputError as error:
        if " upgrade evonas" in str(error):
            raise
        return None
    with closing(schema.connect_readonly(path)) as connection:
        return dict(connection.execute("SELECT key, value FROM about"))


def _own_files(directory: Path, about: Mapping[str, str] | None) -> list[Path]:
    """Files that belong to a run, except its database and lock; without a run, leftovers of a claim."""
    old = about is not None and MARKS not in about
    temporary = [path for path in directory.iterdir() if is_temporary(path.name)]
    claims = [about] if about is not None else []
    for path in temporary:
        with suppress(InputError):
            claims += [said] if (said := _about(path)) is not None else []
    digests = {digest for each in claims if (digest := each.get("data_sha256"))}
    tests: dict[str, Callable[[Path], bool]] = {
        DATA_NAME: lambda path: bool(digests) and sha256(path) in digests,
        WORKER_LOG: lambda path: is_log(path) or old,
    }
    if about is not None:
        tests |= {IN_TRAINING: is_in_training}
        tests |= {DISK_RESERVE: is_disk_reserve, **dict.fromkeys(_BEGINNINGS, is_report), BASELINE_NAME: is_run}
    found = [directory / name for name, test in tests.items() if _is_there(directory / name) and test(directory / name)]
    if about is None:
        return found + temporary
    backups = re.compile(re.escape(DATABASE) + r"\.format-\d+")
    found += [path for path in directory.iterdir() if backups.fullmatch(path.name) and _is_database(path)]
    named = _model_names(directory)
    for path in (directory / MODELS).iterdir() if (directory / MODELS).is_dir() else ():
        if is_temporary(path.name) or (path.name in named and (is_product(path) or old)):
            found.append(path)
    return found + temporary + WeightFiles(directory).own()


def _is_there(path: Path) -> bool:
    return path.exists() and not path.is_symlink()


def _model_names(directory: Path) -> set[str]:
    """Names of the models that a run may have written, see `SearchResult.exported`."""
    columns = "SELECT coalesce(weights, ''), digest FROM"
    with closing(schema.connect_readonly(directory / DATABASE)) as connection:
        rows = connection.execute(f"{columns} evaluation UNION {columns} retraining").fetchall()
    return {f"{name[:16]}.keras" for row in rows for name in row if name}


def _remove(paths: Iterable[Path]) -> None:
    """Deletes files of a run, including those of its nested baseline run."""
    for path in paths:
        if path.name == BASELINE_NAME:
            _remove_run(path)
        else:
            path.unlink(missing_ok=True)


def _remove_run(directory: Path) -> None:
    """Deletes the files of a run in a directory, and the directory if it is then empty."""
    _remove(_own_files(directory, _about(directory / DATABASE)))
    for path in (journal_of(directory / DATABASE), directory / DATABASE, directory / LOCK_NAME):
        path.unlink(missing_ok=True)
    for folder in (*(directory / name for name in _FOLDERS), directory):
        with suppress(OSError):  # the directory is not empty or does not exist
            folder.rmdir()


def is_run(directory: Path) -> bool:
    """Whether a directory holds a run."""
    return not directory.is_symlink() and directory.is_dir() and _is_database(directory / DATABASE)


def _is_database(path: Path) -> bool:
    try:
        check_header(path)
    except InputError:
        return False
    return True


def is_report(path: Path) -> bool:
    """Whether a file with the name of a report was written by evonas."""
    return _begins_with(path, _BEGINNINGS[path.name])


def is_log(path: Path) -> bool:
    """Whether a file is the log of a run's workers."""
    return _begins_with(path, _LOG_BEGINNING)


def _begins_with(path: Path, beginning: bytes) -> bool:
    try:
        with open_plain(path) as file:
            return file.read(len(beginning)) == beginning
    except OSError:
        return False


def check_reports(directory: Path) -> None:
    """Refuses to continue a run if a report would replace a foreign file.

    Raises:
        InputError: there is one; names it.
    """
    for name in _BEGINNINGS:
        if os.path.lexists(directory / name) and not is_report(directory / name):
            raise InputError(
                f"{directory / name} must be the run's report, but it was changed or is another file: "
                "move it away; the run writes it again"
            )


def open_log(directory: Path) -> None:
    """Creates the log of a run, unless a file of that name exists."""
    with suppress(OSError):
        write_new(directory / WORKER_LOG, lambda file: file.write(_LOG_BEGINNING))


def log_of(directory: Path) -> Path | None:
    """The log file for workers, if this process owns the run and the file belongs to it; else None."""
    path = directory / WORKER_LOG
    if owner_of(directory) != os.getpid() or not is_log(path):
        return None
    return path


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    try:
        with open_plain(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} must be readable ({error.strerror or error}): restore the file") from None


def new_directory() -> Path:
    """Creates a new directory in `evonas-runs`, named by the time."""
    name = datetime.now().strftime("%Y%m%d-%H%M%S")
    for number in range(1, 10_000):
        path = Path("evonas-runs") / (name if number == 1 else f"{name}-{number}")
        _make_directory(path.parent)
        try:
            path.mkdir()
            return path
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno in DISK_FAULTS:
                raise
            raise InputError(
                f"evonas-runs must be a writable directory, but {path} cannot be created ({error.strerror}): "
                "name the run directory (out, --out)"
            ) from None
    raise InputError(
        "evonas-runs must have a free name for a new run, but has thousands from this second: use out (--out)"
    )
