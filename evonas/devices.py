"""Detection of GPUs and choice of the trainer, without importing TensorFlow or JAX.

Loading TensorFlow to list GPUs can take longer than a search on a CPU. A GPU is assumed if its device exists
(`/dev/nvidia0`, `/dev/dxg` on WSL, `/dev/kfd` for AMD), `CUDA_VISIBLE_DEVICES` does not hide it, and the backend of
Keras is installed with GPU support. `--trainer` overrides this. Imports only the standard library and `InputError`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from genomes.errors import InputError

__all__ = ["TRAINERS", "chosen_trainer", "has_gpu", "keras_backend"]

#: Trainer -> short description.
TRAINERS: Mapping[str, str] = {
    "native": "each network separately, on the CPU",
    "population": "all networks of a generation at once, for GPUs",
    "single": "each network by Keras",
}

_DEVICES = ("nvidia[0-9]*", "dxg", "kfd")
#: Values of CUDA_VISIBLE_DEVICES that hide all.
_HIDDEN = ("", "-1", "NoDevFiles", "none", "void")
#: Keras backend -> packages, any of which provides GPU support.
_COMPANIONS = {
    "tensorflow": ("nvidia.cudnn", "tensorflow_rocm"),
    "jax": ("jax_cuda13_plugin", "jax_cuda12_plugin", "jax_rocm7_plugin", "jax_rocm60_plugin"),
}
#: Keras backend -> system library that provides it.
_LIBRARIES = {"tensorflow": "cudnn"}


def chosen_trainer(
    asked: str, own_models: bool = False, precision: str = "float32", can_be_compiled: bool = True
) -> str:
    """Resolves the trainer.

    Args:
        asked: `Settings.trainer`; "auto" chooses by the device.
        own_models: whether the models are built by a user's function.
        precision: `Settings.precision`; only compiled programs support others than "float32".
        can_be_compiled: whether the native and the population trainer can hold the networks, see
            `evonas.networks.layers.can_be_compiled`; for user-defined models they check each model.

    Raises:
        InputError: the requested trainer does not support the networks.
    """
    if not (can_be_compiled or own_models):
        if asked not in ("auto", "single"):
            raise InputError(
                f"trainer must be single for networks with layers other than dense ones, not {asked}: "
                "leave it out, or pass a space of dense networks"
            )
        return "single"
    if asked != "auto":
        return asked
    if own_models:
        return "single" if precision != "float32" or has_gpu() else "native"
    return "population" if precision != "float32" or has_gpu() else "native"


def has_gpu(
    devices: Path = Path("/dev"),
    environment: Mapping[str, str] = os.environ,
    installed: Callable[[str], bool] | None = None,
) -> bool:
    """Whether the Keras backend will find a GPU, as far as can be determined without loading it.

    Args:
        devices: folder of the system's devices.
        environment: environment variables.
        installed: whether a package, or with the prefix "lib" a system library, is installed.
    """
    if environment.get("CUDA_VISIBLE_DEVICES", "all").strip() in _HIDDEN:
        return False
    if not any(next(devices.glob(name), None) for name in _DEVICES):
        return False
    there, backend = installed or _is_installed, keras_backend(environment)
    library = f"lib{_LIBRARIES[backend]}" if backend in _LIBRARIES else ""
    return any(map(there, _COMPANIONS.get(backend, ()))) or bool(library and there(library))


def keras_backend(environment: Mapping[str, str] = os.environ) -> str:
    """The backend that Keras will use: KERAS_BACKEND, else the one in its configuration file."""
    if named := environment.get("KERAS_BACKEND"):
        return named
    home = Path(environment.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        return str(json.loads((home / "keras.json").read_text(encoding="utf-8")).get("backend", "tensorflow"))
    except (OSError, ValueError, AttributeError):
        return "tensorflow"


def _is_installed(name: str) -> bool:
    if name.startswith("lib"):
        from ctypes.util import find_library

        return find_library(name.removeprefix("lib")) is not None
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
