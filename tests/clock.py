"""A clock that a test advances: what sleeps and reads the time in tests of deadlines, which are instant and exact."""

from __future__ import annotations

import random
import time
from types import ModuleType
from typing import Any

import pytest

#: Seconds that no test waits for: whoever sleeps for longer in all is waited for in vain.
FOR_EVER = 3600.0


class Clock:
    """Stands where a module has `time`: a sleep advances it, and nothing else does.

    Args:
        busy: seed of a machine on which a sleep takes up to ten times as long; none takes longer if None.
    """

    def __init__(self, busy: int | None = None) -> None:
        self.now = self.began = 1000.0
        self._random = None if busy is None else random.Random(busy)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds * (1.0 if self._random is None else self._random.uniform(1.0, 10.0))
        assert self.now - self.began < FOR_EVER, "nothing ended the wait"

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def replace_time_in(self, patch: pytest.MonkeyPatch, *modules: ModuleType) -> Clock:
        """Has modules that `import time` read this clock."""
        for module in modules:
            patch.setattr(module, "time", self)
        return self
