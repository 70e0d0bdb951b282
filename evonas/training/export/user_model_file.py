"""Validation of files of user-defined models: only Keras's own classes, by the one name under which it writes each.

The names are collected once from the imported Keras; nothing is imported because a file names it. Weights are counted
before any is allocated, in `keras.StatelessScope`, which defers their creation, and in a thread, so that no state
remains in the session.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

from genomes.errors import InputError

__all__ = ["check_own_model"]

#: Keras packages whose names occur in model files; a class available in `keras` itself has that name.
_PACKAGES = (
    *("", "layers", "initializers", "regularizers", "constraints", "optimizers", "optimizers.schedules", "losses"),
    *("metrics", "dtype_policies", "random", "models"),
)
_KINDS = (
    *("layers.Layer", "Operation", "Initializer", "Regularizer", "constraints.Constraint", "Optimizer", "Loss"),
    *("optimizers.schedules.LearningRateSchedule", "Metric", "DTypePolicy", "random.SeedGenerator"),
)
#: Modules of classes without a public name.
_INNER = ("models.functional", *(f"ops.{name}" for name in ("core", "numpy", "nn", "math", "image", "linalg")))
#: Classes that run code or read files named in a model file.
_CODE = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
#: Class names that Keras writes for values that are not objects.
_VALUES = {"__keras_tensor__", "__numpy__", "__tensor__", "__bytes__", "__ellipsis__", "__slice__"}
#: Settings that are either a value or the name of a file to read.
_FILES = ("vocabulary", "idf_weights", "filepath", "filename", "path", "url")


def check_own_model(config: Any, elements: int) -> None:
    """Refuses a user-defined model with objects that are not Keras's, or with more weights than its file contains.

    Args:
        config: the model's configuration as JSON values.
        elements: number of weights in the file.

    Raises:
        InputError: the model is refused; the message names the object.
        ValueError, TypeError, KeyError: Keras cannot build the model.
    """
    _check_objects(config, "config")
    weights = _count({**config, "compile_config": None})
    if weights > elements:
        raise InputError(f"its layers have {weights:,} weights, but the file has {elements:,}")


def _check_objects(value: Any, place: str) -> None:
    if isinstance(value, list):
        for number, item in enumerate(value):
            _check_objects(item, f"{place}[{number}]")
        return
    if not isinstance(value, Mapping):
        return
    if {"class_name", "module", "registered_name"} & value.keys():
        module, name, registered = (value.get(key) for key in ("module", "class_name", "registered_name"))
        known = (module, name) in _allowed_classes() and registered in (None, name)
        known = known or (name in _VALUES and module in (None, "builtins"))
        if not known and not _is_registered(registered, name):
            raise InputError(f"{place} is {module}.{name}, which is not part of Keras or runs code")
    for key, item in value.items():
        if key in _FILES and isinstance(item, str):
            raise InputError(f"{place}.{key} must be in the file, not read from {item!r:.80}")
        _check_objects(item, f"{place}.{key}")


@cache
def _allowed_classes() -> frozenset[tuple[str, str]]:
    """Module and name of all classes that a model may contain."""
    import keras

    kinds = tuple(_find(keras, name) for name in _KINDS)
    names: dict[type, tuple[str, str]] = {}
    for package in _PACKAGES:
        module = _find(keras, package) if package else keras
        for name, kind in vars(module).items():
            if isinstance(kind, type) and issubclass(kind, kinds) and kind.__name__ == name:
                names.setdefault(kind, (f"keras.{package}".rstrip("."), name))
    for inner in _INNER:
        module = sys.modules.get(f"keras.src.{inner}")
        for name, kind in vars(module).items() if module is not None else ():
            if isinstance(kind, type) and issubclass(kind, kinds) and kind.__module__ == f"keras.src.{inner}":
                names.setdefault(kind, (kind.__module__, name))
    own = (name for kind, name in names.items() if kind.__module__.startswith("keras.src."))
    return frozenset(name for name in own if name[1] not in _CODE)


def _find(keras: Any, name: str) -> Any:
    for part in name.split("."):
        keras = getattr(keras, part)
    return keras


def _is_registered(registered: Any, name: Any) -> bool:
    """Whether the user's session has registered a class of that name, which Keras then uses."""
    import keras

    plain = isinstance(registered, str) and isinstance(name, str) and not name.startswith("__") and name != "function"
    return plain and name not in _CODE and registered in keras.saving.get_custom_objects()


def _count(config: Mapping[str, Any]) -> int:
    """Number of the model's weights, counted without allocating them."""
    import keras

    found: list[int | BaseException] = []

    def count() -> None:
        try:
            with keras.StatelessScope(initialize_variables=False):
                model = keras.saving.deserialize_keras_object(dict(config), safe_mode=True)
                found.append(sum(math.prod(variable.shape) for variable in model.weights))
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=count, name="evonas-count", daemon=True)
    thread.start()
    thread.join()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]
