"""Validation of the constructor arguments of tuners: numbers, KerasTuner's arguments, and the project folder."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from evonas.config import Settings
from evonas.tuner.names import ARGUMENTS
from genomes.errors import InputError

__all__ = [
    "check_arguments",
    "check_hypermodel",
    "check_place",
    "check_project",
    "check_trials",
    "warn_ignored",
]


def check_trials(max_trials: Any, executions: Any, max_retries: Any, max_consecutive_failed: Any) -> None:
    """Raises InputError unless the numbers of trials and of their repetitions are whole and not too small."""
    _check_counts(1, max_trials=max_trials, executions_per_trial=executions)
    _check_counts(0, max_retries_per_trial=max_retries)
    if max_consecutive_failed is not None:
        _check_counts(1, max_consecutive_failed_trials=max_consecutive_failed)


def check_hypermodel(hypermodel: Any, own: Collection[str]) -> None:
    """Raises InputError if there is none, and `run_trial` is not among the methods that a subclass overrides."""
    if hypermodel is None and "run_trial" not in own:
        raise InputError(
            "hypermodel must be given, a function build(hp) that returns a compiled keras.Model or an object with "
            "such a method; only a subclass that overrides run_trial may omit it"
        )


def _check_counts(least: int, **given: Any) -> None:
    """Raises InputError unless all values are integers of at least `least`."""
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise InputError(f"{name} must be a whole number of at least {least}, not {value!r}: raise it")


def check_arguments(names: Iterable[str]) -> None:
    """Raises InputError, which names the counterparts, for arguments of other KerasTuner tuners."""
    for name in names:
        if name in ARGUMENTS and name not in Settings.model_fields:
            raise InputError(f"{name} must be left out, since it is {ARGUMENTS[name]}")


def check_place(in_process: bool | None, execution: Any, own: Collection[str]) -> None:
    """Checks that overridden methods are compatible with where trials run.

    Args:
        in_process: the tuner's argument.
        execution: the tuner's argument.
        own: names of the methods that a subclass overrides and trials call.

    Raises:
        InputError: trials would run in another process than the overridden methods.
    """
    if in_process is False and own:
        raise InputError(
            f"in_process must not be False with {', '.join(sorted(own))} overridden, which work on the tuner "
            "in this process: leave it out"
        )
    if execution is not None and (in_process or own):
        why = f"{', '.join(sorted(own))} overridden" if own else "in_process"
        raise InputError(f"execution must be left out with {why}: trials run in this process")


def warn_ignored(**given: Any) -> None:
    """Warns about arguments that have no effect."""
    for name, value in given.items():
        if value is not None:
            warnings.warn(f"{name} has no effect in evonas and is ignored", stacklevel=3)


def check_project(directory: Path, overwrite: bool) -> None:
    """Rejects a non-empty folder that is not a run, since evonas deletes only its own files.

    Args:
        directory: folder without a run.
        overwrite: whether the user asked to delete an existing run.

    Raises:
        InputError: the folder is not empty; the message names its contents.
    """
    held = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []
    if held:
        whose = "a KerasTuner project" if "oracle.json" in held or "tuner0.json" in held else "other files"
        spared = ", which overwrite=True does not delete" if overwrite else ""
        raise InputError(
            f"project_dir must be new, empty or a run of evonas, but {directory} holds {whose} "
            f"({', '.join(held[:3])}){spared}: choose another project_name or directory, or move them away"
        )
