"""What a session ran with: versions read from package metadata, without importing the packages."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

__all__ = ["environment_versions"]

_PACKAGES = ("evonas", "deap", "numpy", "keras", "tensorflow", "jax", "scikit-learn", "pandas", "networkx")


def environment_versions() -> dict[str, str]:
    """Name -> version of Python and of the packages that are installed."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
