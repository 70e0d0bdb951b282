"""Lazily imported SciPy functions, which no strategy needs before its second generation.

>>> from evonas.strategies import deferred
>>> float(deferred.log_ndtr(0.0))
-0.6931471805599453
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = {
    "lapack": "scipy.linalg",
    "minimize": "scipy.optimize",
    "erfcx": "scipy.special",
    "log_ndtr": "scipy.special",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(_MODULES[name]), name)
    return found
