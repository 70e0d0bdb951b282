"""A clock that a test advances in place of sleeping and reading the time: deadline tests are instant and exact."""

from __future__ import annotations

import random
import time
from types import ModuleType
from typing import Any

import pytest

#: Total seconds of sleep after which a test is assumed to be waiting for something that never happens.
FOR_EVER = 3600.0


class Clock:
    """Replaces a module's `time`: only a sleep advances it.

    Args:
        busy: seed of a simulated busy machine, on which a sleep takes up to ten times as long; None for exact sleeps.
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
        """Makes modules that `import time` read this clock."""
        for module in modules:
            patch.setattr(module, "time", self)
        return self
