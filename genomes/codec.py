"""JSON serialisation: canonical texts, digests, and file headers. No pickle, no eval."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from os import PathLike
from typing import Any, NoReturn

from genomes.checks import Whole, refuse
from genomes.errors import InputError

__all__ = [
    "MAX_BYTES",
    "VERSION",
    "canonical_json",
    "check_header",
    "check_weight",
    "parse_json",
    "read_text",
    "sha256",
]

#: Version of the JSON and TOML formats of genomes, spaces and populations.
VERSION = 1

#: Maximum file size, in bytes.
MAX_BYTES = 64 * 1024 * 1024
#: Memory limit for the values of a JSON text, and the maximum memory that each structural character accounts for.
_MOST_WEIGHT, _WEIGHTS = 320 << 20, {"{": 232, "[": 64, ",": 48}

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical_json(value: Any) -> str:
    """The canonical JSON of a value: sorted keys, ASCII, no spaces, floats as the shortest decimal that round-trips."""
    return _CANONICAL.encode(value)


def sha256(value: Any) -> str:
    """SHA-256 of the value's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def parse_json(text: str, place: str) -> Any:
    """Parses a JSON text.

    Raises:
        InputError: the text is not JSON, contains NaN or infinity, is nested too deeply, or has too many values.
    """

    check_weight(text, place)

    def constant(name: str) -> NoReturn:
        raise InputError(f"{place} must hold finite numbers only, not {name}: write null for unknown values")

    try:
        return json.loads(text, parse_constant=constant)
    except InputError:
        raise
    except RecursionError:
        raise InputError(f"{place} must not be nested that deeply: evonas did not write this file") from None
    except ValueError as error:
        raise InputError(f"{place} must be valid JSON, but is not ({error}): correct or replace it") from None


def check_weight(text: str, place: str) -> None:
    """Raises InputError if the values of a JSON text would take too much memory, estimated from its characters."""
    if len(text) > MAX_BYTES or sum(size * text.count(sign) for sign, size in _WEIGHTS.items()) > _MOST_WEIGHT:
        raise InputError(f"{place} must not hold that many values: evonas did not write this file")


def check_header(value: Any, place: str, encoding: str) -> None:
    """Raises InputError if a table declares another encoding, or an unsupported version.

    Call this before checking keys, since newer versions may have other keys.
    """
    if not isinstance(value, Mapping):
        return
    if value.get("encoding", encoding) != encoding:
        refuse(f"{place}.encoding", repr(encoding), value["encoding"])
    if Whole(1, 1 << 30).read(value.get("version", VERSION), f"{place}.version") > VERSION:
        refuse(f"{place}.version", f"at most {VERSION}", value["version"], "a newer evonas wrote it: upgrade evonas")


def read_text(path: str | PathLike[str], what: str) -> str:
    """Reads the text of a file.

    Raises:
        InputError: the file is missing, unreadable, not a regular file, larger than `MAX_BYTES`, or not UTF-8.
    """
    try:
        # Reading a pipe without a writer would block.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InputError(
                    f"{what} must be a regular file, not a folder, pipe or device ({path}): name a file; what a "
                    "command prints, as with <(...), must be written to one first"
                )
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: the path contains a null character
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{what} must be a readable file, not {path} ({reason}): check the path") from None
    if len(content) > MAX_BYTES:
        raise InputError(f"{what} must have at most {MAX_BYTES} bytes, which {path} exceeds: is it the right file?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"which {path} is not from byte {error.start}"
        raise InputError(f"{what} must be UTF-8 text, {where}: save it as UTF-8") from None
