"""A writer for TOML tables of plain values, which the standard library can only read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["to_toml"]


def to_toml(value: Mapping[str, Any]) -> str:
    """The value as TOML: plain keys first, then a [table] for each mapping, with each of its keys on one line."""
    plain = [f"{key} = {_inline(item)}\n" for key, item in value.items() if not isinstance(item, Mapping)]
    tables = [
        f"\n[{name}]\n" + "".join(f"{key} = {_inline(item)}\n" for key, item in table.items())
        for name, table in value.items()
        if isinstance(table, Mapping)
    ]
    return "".join([*plain, *tables])


def _inline(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return json.dumps(value, ensure_ascii=False)  # TOML knows no surrogate pairs
        case list():
            return f"[{', '.join(map(_inline, value))}]"
        case Mapping():
            return f"{{ {', '.join(f'{key} = {_inline(item)}' for key, item in value.items())} }}"
    raise TypeError(f"no TOML for a value of type {type(value).__name__}")
