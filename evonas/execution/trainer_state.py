"""`TrainerState`: the state of a trainer, which an evaluator keeps between generations and a run commits."""

from __future__ import annotations

from typing import Any

__all__ = ["TrainerState"]


class TrainerState:
    """The part of an `Evaluator` that keeps the state."""

    _state: Any = None

    def state(self) -> Any:
        """See `Evaluator.state`."""
        return self._state

    def restore(self, state: Any) -> None:
        """See `Evaluator.restore`."""
        self._state = state
