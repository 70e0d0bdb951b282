"""Creation of the requested trackers. Their libraries are loaded here, so that a missing one is reported early."""

from __future__ import annotations

from pathlib import Path

from evonas.trackers.callback import Callback

__all__ = ["trackers_of"]


def trackers_of(
    tensorboard: str | Path | None = None, mlflow: str | None = None, wandb: str | Path | None = None
) -> list[Callback]:
    """Creates the trackers whose arguments are not None.

    Args:
        tensorboard: folder for event files.
        mlflow: address of the tracking server or store; "" for MLflow's default.
        wandb: folder for offline runs.

    Raises:
        InputError: a tracker's library is not installed, or its folder is a file.
    """
    found: list[Callback] = []
    if tensorboard is not None:
        from evonas.trackers.tensorboard import TensorBoard

        found.append(TensorBoard(tensorboard))
    if mlflow is not None:
        from evonas.trackers.mlflow import MLflow

        found.append(MLflow(mlflow or None))
    if wandb is not None:
        from evonas.trackers.wandb import WandB

        found.append(WandB(wandb))
    return found
