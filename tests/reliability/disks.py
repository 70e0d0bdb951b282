"""File systems that a test may break: an ext4 in a file, mounted by root through a loop device."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["Disk", "mount_disk"]

_SHUTDOWN, _NO_FLUSH = 0x8004587D, 2  # EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH


class Disk:
    """An ext4 file system in a file; `cut_power` keeps only what has been flushed to the file."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self._image, self.path = folder / "image", folder / "mounted"
        with self._image.open("wb") as file:
            file.truncate(megabytes << 20)
        self._run("mkfs.ext4", "-q", "-F", str(self._image))
        self.path.mkdir()
        self.mount()

    def mount(self) -> None:
        self._run("mount", "-o", "loop,errors=remount-ro", str(self._image), str(self.path))

    def unmount(self) -> None:
        self._run("umount", str(self.path))

    def cut_power(self) -> None:
        """From now on every call fails; whatever was not on the disk is lost."""
        folder = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _NO_FLUSH))
        finally:
            os.close(folder)

    def become_read_only(self) -> None:
        """Does what Linux does when it finds an error in a file system, even if files are open for writing."""
        device = subprocess.run(
            ["findmnt", "-no", "SOURCE", str(self.path)], capture_output=True, text=True, check=True
        ).stdout.strip()
        Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error").write_text("evonas")

    def repair(self) -> None:
        """Clears the error flag."""
        subprocess.run(["e2fsck", "-fy", str(self._image)], capture_output=True)

    @staticmethod
    def _run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)


@contextmanager
def mount_disk() -> Iterator[Disk]:
    """Yields a disk; skips the test where none can be created."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None or not Path("/dev/loop-control").exists():
        pytest.skip("needs root, mkfs.ext4 and loop devices")
    folder = Path(tempfile.mkdtemp(prefix="evonas-disk-"))
    try:
        made = Disk(folder, 16)
    except subprocess.CalledProcessError as error:
        shutil.rmtree(folder)
        pytest.skip(f"needs a loop mount: {error.stderr.decode().strip()}")
    yield made
    subprocess.run(["umount", "-l", str(made.path)], capture_output=True)
    shutil.rmtree(folder)
