"""Lazy import of the libraries of trackers, which are optional extras."""

from __future__ import annotations

import importlib
from types import ModuleType

from genomes.errors import InputError

__all__ = ["library"]


def library(name: str, option: str) -> ModuleType:
    """Imports a module. Raises InputError, which names the extra, if its package is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise InputError(
            f"{option} must have the package {package}, which cannot be imported ({error}): "
            f"pip install 'evonas[{package}]'"
        ) from None
