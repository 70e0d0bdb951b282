"""`Hooks`: methods that subclasses of `Evolution` may override besides `run_trial`. They do nothing by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evonas.tuner.trial import Trial

__all__ = ["Hooks"]


class Hooks:
    """Hooks, which are called in this process in the same order as in KerasTuner."""

    def on_search_begin(self) -> None:
        """Called when `search` begins."""

    def on_search_end(self) -> None:
        """Called when `search` has ended."""

    def pre_create_trial(self) -> None:
        """Called before each trial is created."""

    def on_trial_begin(self, trial: Trial) -> None:
        """Called before each trial."""

    def on_trial_end(self, trial: Trial) -> None:
        """Called after each trial, when its score or error message is available."""

    def on_epoch_begin(self, trial: Trial, model: Any, epoch: int, logs: Any = None) -> None:
        """Called before each epoch."""

    def on_epoch_end(self, trial: Trial, model: Any, epoch: int, logs: Any = None) -> None:
        """Called after each epoch."""

    def on_batch_begin(self, trial: Trial, model: Any, batch: int, logs: Any = None) -> None:
        """Called before each training batch."""

    def on_batch_end(self, trial: Trial, model: Any, batch: int, logs: Any = None) -> None:
        """Called after each training batch."""
