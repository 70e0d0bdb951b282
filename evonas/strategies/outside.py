"""Strategies from outside of evonas: given as objects, or installed by other distributions as entry points.

A distribution names its strategies in the group `evonas.strategies`; each is a `StrategyRow` or a class::

    [project.entry-points."evonas.strategies"]
    climb = "my_package.climbing:ROW"

Nothing here is imported by a path that was read from a run: only what the caller passes, and what is installed.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from evonas.strategies.row import StrategyRow
from genomes.errors import InputError

__all__ = ["GROUP", "check_methods", "distribution_of", "given_row", "installed_names", "installed_row", "remember"]

GROUP = "evonas.strategies"
#: What `evonas.evaluation.Strategy` asks for.
_METHODS = ("ask", "tell", "state", "restore", "retained")
#: Settings that a class without a row may be given.
_SETTINGS = ("population", "offspring")
#: `module:qualname` -> strategy that was given as an object: settings are values, and carry its name alone.
_GIVEN: dict[str, StrategyRow] = {}
#: Name and `sys.path` -> strategy of an entry point: a run asks for its row several times, and reading takes 20 ms.
_INSTALLED: dict[tuple[str, tuple[str, ...]], StrategyRow] = {}


def remember(strategy: Any) -> str:
    """Makes a strategy that is given as an object known to this process.

    Args:
        strategy: a class, a function that makes one, or a `StrategyRow`.

    Returns:
        Its name, `module:qualname`. Of two objects with one name, the later one counts.

    Raises:
        InputError: it is none of these, or lacks methods.
    """
    row = _row_of(strategy, "strategy")
    if isinstance(row.path, type):
        check_methods(row.path, row.where)
    _GIVEN[row.where] = row
    return row.where


def given_row(name: str) -> StrategyRow | None:
    """The strategy that was given as an object and has this name."""
    return _GIVEN.get(name)


def installed_row(name: str, reserved: Collection[str]) -> StrategyRow | None:
    """The strategy that a distribution installs as the entry point of this name.

    Args:
        name: of the entry point.
        reserved: names of evonas's own strategies.

    Raises:
        InputError: several distributions have the name, one has a name of evonas, or it cannot be imported; names the
            distribution.
    """
    # Objects have names with a colon; a path that is read from a run is not looked for.
    if ":" in name:
        return None
    key = (name, tuple(sys.path))
    if key not in _INSTALLED and (row := _load(name, reserved)):
        _INSTALLED[key] = row
    return _INSTALLED.get(key)


def installed_names(reserved: Collection[str]) -> list[str]:
    """Names of the strategies that are installed as entry points. Raises InputError as `installed_row`."""
    return sorted({each.name for each in _installed(reserved)})


def distribution_of(name: str, reserved: Collection[str]) -> tuple[str, str] | None:
    """Name and version of the distribution whose entry point has this name; None where none has."""
    found = [] if ":" in name else [each for each in _installed(reserved) if each.name == name]
    return (found[0].dist.name, found[0].dist.version) if found and found[0].dist else None


def check_methods(strategy: Any, name: str) -> None:
    """Raises InputError where a strategy, or its class, lacks methods of `evonas.evaluation.Strategy`."""
    if missing := [method for method in _METHODS if not callable(getattr(strategy, method, None))]:
        raise InputError(
            f"strategy must have {', '.join(_METHODS)}, but {name} has no {', '.join(missing)}: see "
            "evonas.evaluation.Strategy, or derive it from evonas.strategies.generational.GenerationalStrategy"
        )


def _installed(reserved: Collection[str]) -> list[EntryPoint]:
    found = list(entry_points(group=GROUP))
    for each in found:
        if each.name in reserved:
            raise InputError(
                f"strategies that are installed must have names of their own, but {_owner(each)} has {each.name!r}, "
                "which is a strategy of evonas: rename its entry point or uninstall it"
            )
    return found


def _load(name: str, reserved: Collection[str]) -> StrategyRow | None:
    found = [each for each in _installed(reserved) if each.name == name]
    if not found:
        return None
    if len({each.value for each in found}) > 1:
        owners = " and ".join(_owner(each) for each in found)
        raise InputError(f"strategy {name!r} must be of one distribution, but {owners} have it: uninstall one")
    try:
        loaded = found[0].load()
    except Exception as error:
        raise InputError(
            f"strategy {name!r} must be one that can be imported, but {_owner(found[0])} fails with "
            f"{type(error).__name__}: {error!s:.300}: repair or uninstall it"
        ) from error
    return _row_of(loaded, f"strategy {name!r} of {_owner(found[0])}")


def _row_of(strategy: Any, what: str) -> StrategyRow:
    if isinstance(strategy, StrategyRow):
        named = isinstance(strategy.path, str) or hasattr(strategy.path, "__qualname__")
        row = strategy
    else:
        named = callable(strategy) and hasattr(strategy, "__qualname__")
        row = StrategyRow(
            strategy,
            (getattr(strategy, "__doc__", None) or "").strip().partition("\n")[0],
            "",
            _SETTINGS,
            one_by_one=callable(getattr(strategy, "ask_one", None)),
        )
    if not named:
        raise InputError(
            f"{what} must be a name, a class, a function that makes one, or an evonas.strategies.StrategyRow, not "
            f"{strategy!r:.80}: give the class itself"
        )
    return row


def _owner(each: EntryPoint) -> str:
    return f"{each.dist.name} {each.dist.version}" if each.dist else each.value
