"""`Refused`, the reason why a user-defined model is not trained natively, and the exception `Refusal`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Refusal", "Refused"]


@dataclass(frozen=True)
class Refused:
    """The model has to be trained by Keras.

    Attributes:
        reason: the unsupported part, in a short phrase.
    """

    reason: str


class Refusal(Exception):
    """Raised for unsupported parts; `lower_model` and `prepare_fit` convert it into a `Refused`."""
