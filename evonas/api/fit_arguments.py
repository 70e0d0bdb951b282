"""Arguments of `fit` in the driver: which contain user code, and their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["callbacks_of", "digest_of", "parts_of"]


def callbacks_of(named: Mapping[str, Any]) -> list[Any]:
    """The callbacks among the arguments of `fit`."""
    callbacks = named.get("callbacks") or []
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


def parts_of(arguments: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `fit` by names for messages."""
    parts = {f"argument {index + 1}": value for index, value in enumerate(arguments)}
    parts |= {name: value for name, value in named.items() if name != "callbacks"}
    callbacks = {f"callbacks[{index}] ({type(each).__name__})": each for index, each in enumerate(callbacks_of(named))}
    return {**callbacks, **parts}


def digest_of(value: Any) -> str:
    """Hexadecimal digest of the arguments of `fit`: of the contents of arrays, and of the types of other values."""
    sha = hashlib.sha256()
    _feed(sha, value)
    return sha.hexdigest()


def _feed(sha: Any, value: Any) -> None:
    if isinstance(value, Mapping):
        for name in sorted(value, key=str):
            if name not in ("callbacks", "verbose"):  # how it is watched
                sha.update(f"<{name}>".encode())
                _feed(sha, value[name])
    elif isinstance(value, (tuple, list)):
        sha.update(f"[{len(value)}]".encode())
        for part in value:
            _feed(sha, part)
    elif isinstance(value, (bool, int, float, str, type(None))):
        sha.update(f"{type(value).__name__} {value!r}".encode())
    elif hasattr(value, "to_numpy") or isinstance(value, np.ndarray):
        array = np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else value)
        sha.update(f"{array.dtype} {array.shape}".encode())
        sha.update(repr(array.tolist()).encode() if array.dtype == object else np.ascontiguousarray(array).tobytes())
    elif hasattr(value, "identity"):  # a stream
        sha.update(f"{value.kind} {value.identity}".encode())
    else:
        sha.update(type(value).__name__.encode())
