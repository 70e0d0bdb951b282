"""How often each test of the battery is run: a few times in `make test`, `share` of the whole in `make soak`."""

from __future__ import annotations

import os
import random

__all__ = ["SOAK", "count", "drawn"]

#: Share of the whole that `make soak` runs: 1, or what `make soak BATTERY=0.1` says. None in `make test`.
SOAK: float | None = float(os.environ["EVONAS_BATTERY"]) if os.environ.get("EVONAS_BATTERY") else None


def count(fast: int, whole: int) -> int:
    """Repetitions of a test."""
    return fast if SOAK is None else max(fast, round(SOAK * whole))


def drawn() -> random.Random:
    """What a test draws from: other numbers each time in the soak, the same in `make test`, where all is repeatable."""
    return random.Random(0 if SOAK is None else None)
