"""When and where a training was done. No Keras: every trainer measures alike."""

from __future__ import annotations

import os
import secrets
import time
from contextvars import ContextVar
from functools import lru_cache

from evonas.evaluation import Span

__all__ = ["span_since", "thread_number"]

#: Number of the thread among those that train in this process, set by whoever starts them.
thread_number: ContextVar[int] = ContextVar("thread_number", default=0)


def span_since(began: float) -> Span:
    """The span of a training of this thread that ends now; `began` as `time.time` counts."""
    return Span(_process(os.getpid()), thread_number.get(), began, max(began, time.time()))


@lru_cache(maxsize=1)
def _process(pid: int) -> str:
    """Process ids of several machines may be equal; nothing that is searched depends on this number."""
    return f"{pid}-{secrets.token_hex(4)}"
