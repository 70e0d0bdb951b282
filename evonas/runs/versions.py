"""Versions of a session's software, read from package metadata without importing the packages."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, packages_distributions, version

__all__ = ["distribution_provenance", "environment_versions"]

_PACKAGES = ("evonas", "deap", "numpy", "keras", "tensorflow", "jax", "scikit-learn", "pandas", "networkx")


def environment_versions() -> dict[str, str]:
    """Name -> version of Python and of the installed packages."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def distribution_provenance(module: str) -> dict[str, str]:
    """Name and version of the distribution that installs a module; empty if there is none, as for scripts."""
    names = packages_distributions().get(module.partition(".")[0], ())
    return {"distribution": names[0], "version": version(names[0])} if names else {}
