"""Option groups: frozen dataclasses whose annotated fields become options of all commands that take them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints

__all__ = ["with_option_groups"]


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Expands dataclass parameters of a command into one option per field, as typer expects.

    Options keep the order of parameters and fields. Dataclasses may be nested.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Size:
        ...     width: int = 1
        ...     height: int = 2
        >>> def area(size: Size, unit: str = "m") -> None:
        ...     print(size.width * size.height, unit)
        >>> seen = with_option_groups(area)
        >>> list(inspect.signature(seen).parameters)
        ['width', 'height', 'unit']
        >>> seen(width=3, height=4, unit="cm")
        12 cm
    """
    hints = get_type_hints(command, include_extras=True)
    taken = inspect.signature(command).parameters.values()
    groups = {each.name: hints[each.name] for each in taken if is_dataclass(hints[each.name])}

    @functools.wraps(command)
    def call_command(**given: Any) -> None:
        whole = {name: _make_group(kind, given) for name, kind in groups.items()}
        command(**given, **whole)

    shown: list[inspect.Parameter] = []
    for each in taken:
        if each.name in groups:
            shown += _parameters(groups[each.name])
        else:
            shown.append(each.replace(annotation=hints[each.name], kind=inspect.Parameter.KEYWORD_ONLY))
    del call_command.__wrapped__
    call_command.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    call_command.__annotations__ = {each.name: each.annotation for each in shown} | {"return": None}
    return call_command


def _parameters(kind: Any) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        if is_dataclass(hints[field.name]):
            yield from _parameters(hints[field.name])
            continue
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        yield inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[field.name]
        )


def _make_group(kind: Any, given: dict[str, Any]) -> Any:
    """An instance of the class, from its options among the given ones."""
    hints = get_type_hints(kind)
    return kind(
        **{
            field.name: _make_group(hints[field.name], given)
            if is_dataclass(hints[field.name])
            else given.pop(field.name)
            for field in fields(kind)
        }
    )
