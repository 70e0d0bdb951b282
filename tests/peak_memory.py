"""Peak memory of this process, without that of the process that started it."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

__all__ = ["peak_bytes"]


def peak_bytes() -> int:
    """The largest resident memory of this process so far, in bytes.

    On Linux, `ru_maxrss` of a new process begins with the peak of its parent, such as that of a test process that has
    imported TensorFlow, and hides all growth below it.
    """
    try:
        return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
