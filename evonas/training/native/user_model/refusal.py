"""Why a user's model is not trained natively: `Refused`, a value, and the exception that becomes one."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Refusal", "Refused"]


@dataclass(frozen=True)
class Refused:
    """Keras has to do it.

    Attributes:
        reason: what the native trainer does not know, in a few words.
    """

    reason: str


class Refusal(Exception):
    """Raised where something unknown is found; `lowered` and `prepared` turn it into a `Refused`."""
