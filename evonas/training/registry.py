"""The entry points of training: functions to train, score and export, imported on use.

Only this package imports Keras, TensorFlow, JAX or numba, and evaluators import only this module and `extensions`.
"""

from __future__ import annotations

import errno
import importlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from evonas.data.prepared import PreparedData
from evonas.export_tasks import EnsembleTask, Exported, ExportTask
from evonas.training_tasks import Trainer, TrainingSettings
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.user_model import PackedBuild

__all__ = [
    "export_network",
    "load_build",
    "load_libraries",
    "make_scorer",
    "make_trainer",
    "own_trainer",
    "settle_environment",
    "trial_trainer",
]


#: What a full or protected place answers, rather than a fault of the program.
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
_ONE_THREAD = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


def settle_environment(trainer: str, own: bool) -> None:
    """Environment variables for TensorFlow, set before it is imported in a worker process unless the user has set them.

    A worker of the single trainer has one thread: a sum then has the same bits whatever the number of cores.
    """
    if trainer == "single" and not own:
        for name, value in _ONE_THREAD.items():
            os.environ.setdefault(name, value)


def load_libraries(trainer: str, own: bool) -> None:
    """Imports the libraries of a trainer in the environment that it needs: Keras, unless it is the native one."""
    if trainer == "native" and not own:
        importlib.import_module("evonas.training.native.compilation").prepare()
    elif own:
        # For reproducible results on GPUs, too.
        os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")
        importlib.import_module("evonas.training.single.user_model")
    elif trainer == "single":
        _import_keras()
        importlib.import_module("evonas.training.single.trainer")
    else:
        from evonas.training.environment import prepare_process

        prepare_process()
        _import_keras()
        importlib.import_module("evonas.training.population.trainer")


def _import_keras() -> None:
    importlib.import_module("evonas.training.environment").import_keras()


def make_trainer(data: PreparedData, settings: TrainingSettings) -> Trainer:
    """Creates the trainer named in the settings. Imports Keras unless it is the native one.

    Args:
        data: the rows to train on.
        settings: common to all networks.
    """
    trainer = _trainer_named(data, settings)
    if not settings.takes_latency:
        return trainer
    from evonas.training.latency import LatencyTrainer

    return LatencyTrainer(trainer, data, settings)


def _trainer_named(data: PreparedData, settings: TrainingSettings) -> Trainer:
    load_libraries(settings.trainer, own=False)
    if settings.trainer == "native":
        from evonas.training.native import NativeTrainer

        return NativeTrainer(data, settings, settings.threads, settings.worker_bytes, settings.candidate_seconds)
    if settings.trainer == "single":
        from evonas.training.single.trainer import SingleTrainer

        return SingleTrainer(data, settings)
    from evonas.training.population.trainer import PopulationTrainer

    return PopulationTrainer(data, settings)


def load_build(packed: PackedBuild) -> Callable[..., Any]:
    """Unpacks the user's function. Imports Keras."""
    load_libraries("single", own=True)
    from evonas.training.single.user_model import register

    function, objects = packed.load()
    register(objects)
    return function


def export_network(
    task: ExportTask | EnsembleTask,
    data: PreparedData,
    settings: TrainingSettings,
    build: Callable[..., Any] | None,
) -> Exported:
    """Executes an export task. Imports Keras.

    Raises:
        InputError: there is no room for the file, or it may not be written there.
    """
    if build is None:  # otherwise the user's function has imported what it needs
        _import_keras()
    try:
        if isinstance(task, EnsembleTask):
            from evonas.training.export.ensemble import export_ensemble

            return export_ensemble(task, data, settings)
        from evonas.training.export.export import export

        return export(task, data, settings, build)
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        raise InputError(
            f"export path must be writable, but {task.path} is not ({error.strerror}): make room, or choose another "
            "path"
        ) from error


def own_trainer(data: PreparedData, settings: TrainingSettings, build: Callable[..., Any]) -> Trainer:
    """The trainer of user-defined models."""
    from evonas.training.single.user_model import UserModelTrainer

    return UserModelTrainer(data, settings, build)


def trial_trainer(trial: Callable[..., Any], headway: Callable[[], None], trainer: str) -> Trainer:
    """The trainer that runs a trial for each genome."""
    from evonas.training.single.trials import TrialTrainer

    return TrialTrainer(trial, headway, trainer)


def make_scorer(data: PreparedData, settings: TrainingSettings) -> Trainer:
    """The trainer that scores networks with a lineage, whichever trainer is used for others."""
    from evonas.training.population.seeded_weights import SeededWeightsTrainer

    return SeededWeightsTrainer(data, settings)
