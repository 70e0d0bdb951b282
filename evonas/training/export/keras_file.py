"""Validation of `.keras` files before Keras opens them: only content that evonas writes is accepted.

Keras imports any module and builds any class that a file names. Here a file is opened only if it is a plain archive of
the three parts that Keras writes, if all objects in it are on an allowlist, if its layers form a network with as many
weights as the file contains, and if these are plain arrays within the file. The checked bytes are the ones that are
loaded. Imports Keras and h5py only when a file is to be opened. User-defined models: `user_model_file.py`.
"""

from __future__ import annotations

import io
import math
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evonas.data.encoding.tokens import MOST_TOKENS
from evonas.io.npz import open_plain
from evonas.training.export.layered_file import LAYERED, OPERATIONS, holds_layered, layered_weights, row_from_outside
from genomes.architecture.layers import ACTIVATIONS, MAX_MEMBERS
from genomes.codec import parse_json
from genomes.errors import InputError

__all__ = ["check_keras_file", "load_keras_file", "without_current_directory"]

_PARTS = ("metadata.json", "config.json", "model.weights.h5")
_MOST_CONFIG_BYTES = 16 << 20
_WIDEST = 1 << 24
_LONGEST_TEXT = 64
_KERAS_AT_LEAST = (3, 15, 1)

_LAYERS = {"InputLayer", "Dense", "Concatenate", "BatchNormalization", "LayerNormalization", "Activation", "Dropout"}
#: Layers of embeddings and members; factors of features use the first only.
_MEMBER_LAYERS = ("EinsumDense", "RepeatVector", "GlobalAveragePooling1D")
#: Einsum equation of factors of features, and of trained activations of units.
_FACTORS = "ab,b->ab"
#: Other einsum equations (factors of members, waves of columns, outputs of members, maps of columns), and whether each
#: output has a weight for each input.
_EQUATIONS = {"akd,kd->akd": False, "af,fp->afp": False, "akd,kdo->ako": True, "afp,fpd->afd": True}
#: Operations within a network that preserve the number of columns.
_SAME_WIDTH = ("Add", "Cos", "Floor", "Multiply", "Subtract")
#: Layers without weights for raw columns before the network, and for classes after it.
_LOOKUPS = ("StringLookup", "TextVectorization")
_OPERATIONS: dict[str | None, set[str]] = {
    "keras.src.ops.core": {"Cast"},
    "keras.src.ops.numpy": {
        "Absolute",
        "Add",
        "Argmax",
        "Clip",
        "Cos",
        "Cumsum",
        "Divide",
        "Equal",
        "Flip",
        "Floor",
        "Greater",
        "Isnan",
        "Less",
        "Log",
        "Matmul",
    }
    | {"Maximum", "Minimum", "Multiply", "Sign", "Sin", "Sort", "Sqrt", "Subtract", "Sum", "Take", "Where"},
}
_ALLOWED: dict[str | None, set[str]] = {
    "keras.src.models.functional": {"Functional"},
    "keras.layers": {*_LAYERS, *_MEMBER_LAYERS, *_LOOKUPS, *LAYERED, "Rescaling", "Reshape", "Resizing"},
    **{module: names | OPERATIONS.get(str(module), frozenset()) for module, names in _OPERATIONS.items()},
    "keras.initializers": {"GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal"}
    | {"Zeros", "Ones", "RandomNormal", "RandomUniform", "Orthogonal"},
    "keras.regularizers": {"L2"},
    "keras": {"DTypePolicy"},
    None: {"__keras_tensor__", "__numpy__", "__ellipsis__", "__slice__"},
}
_ACTIVATIONS = {*ACTIVATIONS, "softmax", "hard_sigmoid"}


def load_keras_file(path: Path, own: bool = False) -> Any:
    """Loads the `keras.Model` of a file after `check_keras_file`."""
    content = check_keras_file(path, own)
    with without_current_directory(), tempfile.NamedTemporaryFile(suffix=".keras") as copy:
        import keras

        copy.write(content)
        copy.flush()
        try:
            return keras.models.load_model(copy.name, compile=False, safe_mode=True)
        except (ValueError, TypeError, KeyError, OSError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(f"{path} must be a model that Keras can open, but {reason}: export it again") from None


@contextmanager
def without_current_directory() -> Iterator[None]:
    """Removes the working directory from the import path, since it may contain untrusted files."""
    here, held = os.path.realpath("."), list(sys.path)
    sys.path[:] = [folder for folder in held if os.path.realpath(folder) != here]
    try:
        yield
    finally:
        sys.path[:] = held


def check_keras_file(path: Path, own: bool = False) -> bytes:
    """Checks a file without Keras; returns its bytes.

    Args:
        path: path of the file.
        own: whether the model comes from a user's `build` function; then it may contain built-in Keras objects, except
            those that run code, and objects that the user's session has registered with Keras. Imports Keras.

    Raises:
        InputError: the file cannot be read, is damaged, or has content that evonas does not write; the message names
            it.
    """
    _check_keras_version()
    try:
        with open_plain(path) as file:
            content = file.read()
        config, weights = _parts(content)
        elements = _count_weights(weights)
        if own:
            from evonas.training.export.user_model_file import check_own_model

            check_own_model(config, elements)
        else:
            _check_objects(config, "config")
            _check_network(config, elements)
    except InputError as error:
        raise _refuse(path, error) from None
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        RuntimeError,
        RecursionError,
    ) as error:
        raise _refuse(path, error) from None
    return content


def _refuse(path: Path, error: Exception) -> InputError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return InputError(f"{path} must be a Keras model that evonas wrote, but {reason:.300}: export it again")


def _check_keras_version() -> None:
    found = version("keras")
    numbers = tuple(int(part) for part in found.split(".")[:3] if part.isdigit())
    if numbers < _KERAS_AT_LEAST:
        wanted = ".".join(map(str, _KERAS_AT_LEAST))
        raise InputError(
            f"keras must be at least {wanted} to open files, since older versions can be made to run code, "
            f"but this is {found}: pip install --upgrade keras"
        )


def _parts(content: bytes) -> tuple[Any, bytes]:
    """The configuration and the weights file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if sorted(entry.filename for entry in entries) != sorted(_PARTS):
                raise InputError(f"it must contain {', '.join(_PARTS)} and nothing else")
            if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
                raise InputError("its parts must be stored neither compressed nor encrypted")
            if sum(entry.file_size for entry in entries) > len(content):
                raise InputError("its parts claim to be larger than the file")
            texts = {name: archive.read(name) for name in _PARTS}
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise InputError(str(error) or "it is truncated") from None
    if len(texts["config.json"]) > _MOST_CONFIG_BYTES:
        raise InputError(f"its configuration must have at most {_MOST_CONFIG_BYTES} bytes")
    return parse_json(texts["config.json"].decode(), "config.json"), texts["model.weights.h5"]


def _count_weights(content: bytes) -> int:
    """Counts the numbers in the arrays of an HDF5 file, all of which must be stored in the file itself."""
    import h5py

    elements = stored = 0
    with h5py.File(io.BytesIO(content), "r") as file:
        waiting: list[tuple[str, Any]] = [("/", file)]
        seen: set[Any] = set()
        while waiting:
            place, group = waiting.pop()
            if group.id in seen:
                raise InputError(f"{place} of its weights must have a single path")
            seen.add(group.id)
            for name in group:
                where = f"{place}{name}"
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise InputError(f"{where} of its weights must be in the file, but it is a link")
                item = group[name]
                if isinstance(item, h5py.Group):
                    waiting.append((f"{where}/", item))
                    continue
                if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "iufb":
                    raise InputError(f"{where} of its weights must be an array of numbers")
                if item.external or item.is_virtual or item.chunks or item.compression:
                    raise InputError(f"{where} of its weights must be stored in the file unfiltered")
                elements += math.prod(item.shape)
                stored += math.prod(item.shape) * item.dtype.itemsize
    if stored > len(content):
        raise InputError("its weights claim to be larger than the file")
    return elements


def _is_allowed(module: Any, name: Any) -> bool:
    """Whether an object is on the allowlist, or a Keras layer used by a registered layer kind."""
    return name in _ALLOWED.get(module, ()) or (
        module == "keras.layers" and isinstance(name, str) and row_from_outside(name) is not None
    )


def _check_objects(value: Any, place: str) -> None:
    """Checks that every object that Keras would create is on the allowlist."""
    if isinstance(value, Mapping):
        if {"class_name", "module", "registered_name"} & value.keys():
            module, name = value.get("module"), value.get("class_name")
            if not _is_allowed(module, name) or value.get("registered_name") not in (None, name):
                raise InputError(f"{place} is {module}.{name}, which evonas never writes")
        for key, item in value.items():
            if key == "activation" and item not in _ACTIVATIONS:
                raise InputError(
                    f"{place}.activation must be one of {', '.join(sorted(_ACTIVATIONS))}, not {item!r:.80}"
                )
            _check_objects(item, f"{place}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check_objects(item, f"{place}[{number}]")


def _check_network(config: Any, elements: int) -> None:
    """Checks that the layers form a dense network with no more weights than the file contains.

    The network is the model itself, or nested in it, surrounded by lookups and arithmetic.
    """
    needed, _ = _check(config, elements, nested=False)
    if needed > elements:
        raise InputError(f"its layers need at least {needed:,} weights, but the file has {elements:,}")


def _check(config: Any, elements: int, nested: bool) -> tuple[int, int]:
    """The minimum number of weights of the layers, and the width of the last one."""
    if config["class_name"] != "Functional" or config["module"] != "keras.src.models.functional":
        raise InputError("it must be a functional model")
    if holds_layered(config):
        return layered_weights(config, elements)
    widths: dict[str, int] = {}
    needed, width = 0, 0
    for layer in config["config"]["layers"]:
        kind, settings, name = layer["class_name"], layer["config"], layer["name"]
        if name in widths:
            raise InputError(f"layer {name!r:.80} must occur once")
        nodes = layer["inbound_nodes"]
        fan_in = sum(widths[source] for source in _sources(nodes))
        if nested and kind in _SAME_WIDTH and layer["module"] in _OPERATIONS:
            width = max([*(widths[source] for source in _sources(nodes)), _count_constants(nodes)])
        elif nested and kind == "Take" and settings.get("axis") == 1:
            width = len(nodes[0]["args"][1])
        elif layer["module"] in _OPERATIONS:
            width = fan_in + _count_numbers([settings, nodes])
        elif kind == "Functional" and not nested:
            inside, width = _check(layer, elements, nested=True)
            needed += inside
        elif layer["module"] != "keras.layers":
            raise InputError(f"layer {name!r:.80} must be a layer")
        elif kind == "InputLayer":
            width = math.prod(size or 1 for size in settings["batch_shape"][1:])  # images of any size are resized
        elif kind == "Resizing":
            width = settings["height"] * settings["width"] * fan_in
        elif kind == "Reshape":
            shape = settings["target_shape"]
            width = shape[-1] if nested and 0 < math.prod(shape) <= _WIDEST else math.prod(shape)
        elif kind == "EinsumDense" and settings["equation"] == _FACTORS:
            if settings["output_shape"] != [fan_in]:
                raise InputError(f"layer {name!r:.80} must be a factor for each column")
            width = fan_in
            needed += width
        elif kind == "EinsumDense":
            weights, width = _einsum_weights(settings, fan_in, elements, name)
            needed += weights
        elif kind in _LOOKUPS:
            width = _lookup_width(kind, settings, name)
        else:
            if kind == "RepeatVector" and not 0 < settings["n"] <= MAX_MEMBERS:
                raise InputError(
                    f"layer {name!r:.80} must repeat at most {MAX_MEMBERS} times, not {settings['n']!r:.80}"
                )
            width = settings["units"] if kind == "Dense" else fan_in
        most = elements if kind == "Dense" else _WIDEST
        if type(width) is not int or not 0 < width <= most:
            raise InputError(f"layer {name!r:.80} must have a width that fits its weights, not {width!r:.80}")
        widths[name] = width
        needed += {"Dense": fan_in * width, "BatchNormalization": 4 * width, "LayerNormalization": 2 * width}.get(
            kind, 0
        )
    return needed, width


def _einsum_weights(settings: Mapping[str, Any], fan_in: int, elements: int, name: str) -> tuple[int, int]:
    """The minimum number of weights of a layer of embeddings or members, and the width of its output."""
    equation, shape = settings["equation"], settings["output_shape"]
    plain = isinstance(shape, list) and len(shape) == 2 and all(type(size) is int and size > 0 for size in shape)
    if equation not in _EQUATIONS or not plain or math.prod(shape) > elements:
        raise InputError(f"layer {name!r:.80} must be an embedding or have members as evonas writes them")
    return math.prod(shape) * (fan_in if _EQUATIONS[equation] else 1), int(shape[1])


def _count_constants(nodes: Any) -> int:
    """The size of the constants that a layer takes in addition to its input."""
    return sum(
        _count_numbers(value["config"]["value"])
        for value in nodes[0]["args"]
        if isinstance(value, Mapping) and value.get("class_name") == "__numpy__"
    )


def _lookup_width(kind: str, settings: Mapping[str, Any], name: str) -> int:
    """Maximum number of output columns of a lookup layer, whose texts must be listed in the file itself."""
    texts, length = settings["vocabulary"], settings.get("output_sequence_length", 1)
    cut = (settings.get("standardize"), settings.get("split"))
    words = cut == ("lower_and_strip_punctuation", "whitespace")
    ids = words and settings.get("output_mode") == "int" and type(length) is int and 0 < length <= MOST_TOKENS
    words = words and settings.get("output_mode") == "multi_hot" and length is None
    length = 1 if words else length
    wanted = (
        isinstance(texts, list)
        and all(isinstance(text, str) for text in texts)
        and settings.get("max_tokens") is None
        and settings.get("idf_weights") is None
        and settings.get("num_oov_indices", 0) in (0, 1)
        and settings.get("ngrams") is None
        and type(length) is int
        and 0 < length <= (MOST_TOKENS if ids else _LONGEST_TEXT)
        and (
            kind == "StringLookup"
            or words
            or ids
            or (settings["standardize"], settings["split"]) == (None, "character")
        )
    )
    if not wanted:
        raise InputError(f"layer {name!r:.80} must look up texts in the form that evonas writes")
    return int(length) if ids else max(len(texts) + 1, int(length))


def _count_numbers(value: Any) -> int:
    """Counts the numbers in a JSON value."""
    found, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
        else:
            found += isinstance(item, (int, float))
    return found


def _sources(nodes: Any) -> list[str]:
    """Names of the layers that a layer takes its input from."""
    found: list[str] = []
    waiting = [node["args"] for node in nodes]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
            found.append(value["config"]["keras_history"][0])
    return found
