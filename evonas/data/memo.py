"""`Memo`: a thread-safe LRU cache of computed values with a memory limit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Memo"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memo(Generic[K, V]):
    """Computes a value on first request; concurrent requests for it wait. The least recently used value is evicted
    first.

    Args:
        compute: function that computes the value of a key.
        size: function that returns the size of a value in bytes.
        most_bytes: maximum total size of the cached values; the last one is kept whatever its size.

    Example:
        >>> squares = Memo(lambda number: number**2, lambda value: 8, most_bytes=64)
        >>> squares(3)
        9
    """

    def __init__(self, compute: Callable[[K], V], size: Callable[[V], int], most_bytes: int) -> None:
        self._compute, self._size, self._most_bytes = compute, size, most_bytes
        self._held: dict[K, _Entry[V]] = {}
        self._lock = threading.Lock()

    def __call__(self, key: K) -> V:
        """The value of the key."""
        with self._lock:
            entry = self._held.pop(key, None) or _Entry()
            self._held[key] = entry  # the last entry is the most recently used
        with entry.lock:
            if not entry.value:
                entry.value.append(self._compute(key))
                entry.bytes = self._size(entry.value[0])
                self._forget()
            return entry.value[0]

    def _forget(self) -> None:
        with self._lock:
            total = sum(entry.bytes for entry in self._held.values())
            for key, entry in list(self._held.items())[:-1]:
                if total <= self._most_bytes:
                    break
                if entry.bytes:  # otherwise it is being computed, or takes no memory
                    del self._held[key]
                    total -= entry.bytes


class _Entry(Generic[V]):
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value: list[V] = []
        self.bytes = 0
