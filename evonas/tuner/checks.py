"""What a tuner's constructor is given, checked: numbers, names of KerasTuner's, and the folder of the project."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from evonas.config import Settings
from evonas.tuner.names import ARGUMENTS
from genomes.errors import InputError

__all__ = ["check_arguments", "check_counts", "check_place", "check_project", "warn_of_no_use"]


def check_counts(least: int, **given: Any) -> None:
    """Refuses what is not a whole number of at least `least`. Raises InputError."""
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise InputError(f"{name} must be a whole number of at least {least}, not {value!r}: raise it")


def check_arguments(names: Iterable[str]) -> None:
    """Refuses arguments of KerasTuner's other tuners, and says what takes their place. Raises InputError."""
    for name in names:
        if name in ARGUMENTS and name not in Settings.model_fields:
            raise InputError(f"{name} must be left out, since it is {ARGUMENTS[name]}")


def check_place(in_process: bool | None, execution: Any, own: Collection[str]) -> None:
    """Refuses a place for the trials that methods of the user cannot work in.

    Args:
        in_process: as given to the tuner.
        execution: as given to the tuner.
        own: methods that a subclass overrides and trials call.

    Raises:
        InputError: the methods, or the trials, would have to be in two processes.
    """
    if in_process is False and own:
        raise InputError(
            f"in_process must not be False with {', '.join(sorted(own))} of your own, which work on the tuner "
            "in this process: leave it out"
        )
    if execution is not None and (in_process or own):
        why = f"{', '.join(sorted(own))} of your own" if own else "in_process"
        raise InputError(f"execution must be left out with {why}: trials run in this process")


def warn_of_no_use(**given: Any) -> None:
    """Warns of what was given and is of no use here."""
    for name, value in given.items():
        if value is not None:
            warnings.warn(f"{name} is of no use to evonas, and is ignored", stacklevel=3)


def check_project(directory: Path, overwrite: bool) -> None:
    """Refuses a folder that holds something and no run: evonas deletes only what it wrote.

    Args:
        directory: without a run.
        overwrite: whether a run there was to be deleted.

    Raises:
        InputError: it holds something; says whose it is.
    """
    held = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []
    if held:
        whose = "a project of KerasTuner's" if "oracle.json" in held or "tuner0.json" in held else "other files"
        spared = ", which overwrite=True does not delete" if overwrite else ""
        raise InputError(
            f"project_dir must be new, empty or a run of evonas, but {directory} holds {whose} "
            f"({', '.join(held[:3])}){spared}: choose another project_name or directory, or move them away"
        )
