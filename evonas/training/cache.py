"""Compiled programs kept on disk across processes. Owns the cache folder; loads nothing itself, and imports no Keras.

A compiled program is machine code, so nothing is offered to the backend that was not sealed here: a file's name in the
folder ends with the SHA-256 of its bytes, and a file that does not match is deleted. A process works on a folder of its
own (copies of the sealed files), since backends write in place; what they add is sealed when a generation ends. The
folder is the user's own, mode 700: `EVONAS_CACHE`, or `evonas` in the user's cache folder; `EVONAS_CACHE=off` is none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

from evonas.training.backends import BACKENDS, cache_settings

__all__ = ["ProgramCache", "open_cache", "prepare_process"]

#: Sealed files kept; the least recently used go first. A program takes about a megabyte.
FILES_KEPT = 256
_PRIVATE = "process-"


def prepare_process() -> ProgramCache | None:
    """Settings of XLA that must stand before the backend is imported: full-width vectors and the cache of programs.

    Returns:
        the cache, to be given to the trainer and closed at the end; None where there is none.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_cpu_prefer_vector_width" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_prefer_vector_width=512".strip()
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    cache = open_cache(backend) if backend in BACKENDS else None
    if cache is not None:
        os.environ |= cache_settings(backend, cache.folder)
    return cache


class ProgramCache:
    """A process's view of the cache.

    Attributes:
        folder: where the backend reads and writes.
    """

    def __init__(self, sealed: Path) -> None:
        """Copies what is sealed and whole into a folder of this process.

        Raises:
            OSError: the folder cannot be used.
        """
        self._sealed = sealed
        sealed.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PRIVATE}{os.getpid()}-", dir=sealed))
        for path in self._files()[:FILES_KEPT]:
            name, digest = path.name.rsplit(".", 1)
            if _sha256(path) == digest:
                # A copy: backends may open for writing what they read.
                shutil.copyfile(path, self.folder / name)
            else:
                path.unlink(missing_ok=True)
        for path in self._files()[FILES_KEPT:]:
            path.unlink(missing_ok=True)

    def seal(self) -> None:
        """Keeps what the backend has added for later processes. A disk that is full or gone costs only the cache."""
        with contextlib.suppress(OSError):
            known = {path.name.rsplit(".", 1)[0] for path in self._files()}
            for path in self.folder.iterdir():
                if path.is_file() and path.name not in known:
                    content = path.read_bytes()
                    partial = self.folder.with_name(f"{self.folder.name}.part")
                    partial.write_bytes(content)
                    os.replace(partial, self._sealed / f"{path.name}.{hashlib.sha256(content).hexdigest()}")

    def close(self) -> None:
        """Removes this process's folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _files(self) -> list[Path]:
        """Sealed files, the most recently used first."""
        found = [path for path in self._sealed.iterdir() if path.is_file() and len(path.suffix) == 65]
        return sorted(found, key=lambda path: (-path.stat().st_mtime, path.name))

    def _sweep(self) -> None:
        """Removes the folders of processes that are gone."""
        for path in self._sealed.glob(f"{_PRIVATE}*"):
            pid = path.name.removeprefix(_PRIVATE).split("-")[0]
            if not (pid.isdigit() and _is_alive(int(pid))):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)


def open_cache(backend: str) -> ProgramCache | None:
    """The cache for this machine's processor and the backend's version; None where there is none."""
    place = os.environ.get("EVONAS_CACHE", "")
    if place == "off":
        return None
    root = Path(place) if place else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evonas"
    kind = hashlib.sha256(f"{platform.machine()} {_processor()} {os.environ.get('XLA_FLAGS', '')}".encode()).hexdigest()
    try:
        return ProgramCache(root / f"{backend}-{version(backend)}-{kind[:12]}")
    except OSError:
        return None


def _processor() -> str:
    """What the processor can do; programs are compiled for it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
