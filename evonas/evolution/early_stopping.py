"""How many epochs a network of a table trains if early stopping may end it, to estimate its cost."""

from __future__ import annotations

import math

__all__ = ["epochs_that_take", "expected_epochs"]

#: Up to this many epochs, estimates assume that all are trained.
_CERTAIN = 50


def expected_epochs(epochs: int) -> float:
    """Epochs that a network trains on average, if at most `epochs` and until its validation loss stops improving.

    With at most 200 epochs instead of 50, networks trained 2.2 times as many epochs on average, not 4 times
    (`benchmarks/results/LOG.md`, "Epochs where rows are few").

    >>> expected_epochs(30), expected_epochs(200)
    (30.0, 100.0)
    """
    return float(epochs) if epochs <= _CERTAIN else math.sqrt(_CERTAIN * epochs)


def epochs_that_take(expected: float) -> int:
    """The maximum number of epochs with which `expected` epochs are expected; the inverse of `expected_epochs`.

    >>> epochs_that_take(30), epochs_that_take(100)
    (30, 200)
    """
    return int(expected) if expected <= _CERTAIN else round(expected**2 / _CERTAIN)
