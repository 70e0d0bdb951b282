"""Options of commands that search, for trackers: TensorBoard, MLflow, Weights & Biases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from evonas.cli.options import option

if TYPE_CHECKING:
    from evonas.trackers import Callback

__all__ = ["MLflowOption", "TensorBoardOption", "WandBOption", "trackers_asked"]

#: Value of `--mlflow` for the location in MLflow's own settings.
_DEFAULT = "default"

TensorBoardOption = Annotated[
    Path | None, option("Log learning curves, genes and scores for TensorBoard.", "DIR", "--tensorboard")
]
MLflowOption = Annotated[
    str | None,
    option(f"Log networks to this MLflow server or store; {_DEFAULT}: as in MLFLOW_TRACKING_URI.", "URI", "--mlflow"),
]
WandBOption = Annotated[
    Path | None, option("Log networks for Weights & Biases into this folder, offline.", "DIR", "--wandb")
]


def trackers_asked(tensorboard: Path | None, mlflow: str | None, wandb: Path | None) -> list[Callback]:
    """The requested trackers. Raises InputError if a library is not installed."""
    if tensorboard is None and mlflow is None and wandb is None:
        return []
    from evonas.trackers import trackers_of

    return trackers_of(tensorboard, "" if mlflow == _DEFAULT else mlflow, wandb)
