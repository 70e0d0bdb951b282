"""When and where a training took place. No Keras: all trainers measure alike."""

from __future__ import annotations

import os
import secrets
import time
from contextvars import ContextVar
from functools import lru_cache

from evonas.evaluation import Span

__all__ = ["span_since", "thread_number"]

#: Number of the thread among those that train in this process, set by the code that starts them.
thread_number: ContextVar[int] = ContextVar("thread_number", default=0)


def span_since(began: float) -> Span:
    """The span of a training of this thread that ends now; `began` is a value of `time.time`."""
    return Span(_process(os.getpid()), thread_number.get(), began, max(began, time.time()))


@lru_cache(maxsize=1)
def _process(pid: int) -> str:
    """Process ids of several machines may be equal; the search does not depend on this number."""
    return f"{pid}-{secrets.token_hex(4)}"
