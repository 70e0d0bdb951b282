"""How often each test of the battery is repeated: a few times in `make test`, up to the whole number in `make soak`."""

from __future__ import annotations

import os
import random

__all__ = ["SOAK", "count", "make_rng"]

#: Share of the whole battery that `make soak` runs: 1, or the value of `make soak BATTERY=0.1`. None in `make test`.
SOAK: float | None = float(os.environ["EVONAS_BATTERY"]) if os.environ.get("EVONAS_BATTERY") else None


def count(fast: int, whole: int) -> int:
    """The number of repetitions of a test."""
    return fast if SOAK is None else max(fast, round(SOAK * whole))


def make_rng() -> random.Random:
    """A generator for a test: seeded in `make test`, where everything is repeatable, and unseeded in the soak."""
    return random.Random(0 if SOAK is None else None)
