"""Memory: what the machine has, and what one training program may take of it. Imports the standard library only."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["free_bytes", "machine_bytes", "program_bytes"]

#: Share of the free memory that one program may take: several are held at a time, beside the data and the compiler.
PROGRAM_SHARE = 1 / 8
_LEAST, _MOST = 1 << 26, 1 << 30


def machine_bytes() -> int:
    """Memory of the machine, or of the container that this process is in."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            found = min(found, int(Path("/sys/fs/cgroup", name).read_text()))
    return found


def free_bytes() -> int:
    """Memory that processes can have without swapping; all there is where the system does not tell."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        return min(int(line.split()[1]) * 1024, machine_bytes())
    return machine_bytes()


def program_bytes(free: int | None = None) -> int:
    """What one training program may take: `PROGRAM_SHARE` of the free memory, as a power of two, 64 MiB to 1 GiB.

    A power of two, so that equal runs plan alike though the free memory is never quite the same.
    """
    share = int((free_bytes() if free is None else free) * PROGRAM_SHARE)
    return min(max(1 << max(share, 1).bit_length() - 1, _LEAST), _MOST)
