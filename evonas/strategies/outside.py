"""User-defined strategies, passed as objects or installed by other distributions as entry points.

A distribution names its strategies in the group `evonas.strategies`; each is a `StrategyRow` or a class::

    [project.entry-points."evonas.strategies"]
    climb = "my_package.climbing:ROW"

Import paths stored in runs are never imported; only objects passed by the caller and installed entry points are used.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from evonas.strategies.row import StrategyRow
from genomes.errors import InputError
from genomes.extensions import Extensions

__all__ = ["check_methods", "distribution_of", "installed_names", "installed_row", "register", "registered_row"]

#: Methods of `evonas.protocols.Strategy`.
_METHODS = ("ask", "tell", "state", "restore", "retained")
#: Settings accepted by a class without a row.
_SETTINGS = ("population", "offspring")


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
            f"{what} must be a name, a class, a factory function, or an evonas.strategies.StrategyRow, not "
            f"{strategy!r:.80}: pass the class itself"
        )
    return row


#: Strategies passed as objects, by `module:qualname`, since settings contain only names.
_STRATEGIES: Extensions[StrategyRow] = Extensions("strategy", "strategies", "evonas.strategies", _row_of)


def register(strategy: Any) -> str:
    """Registers a strategy object in this process.

    Args:
        strategy: a class, a factory function, or a `StrategyRow`.

    Returns:
        Its name, `module:qualname`. If two objects have the same name, the later one replaces the earlier.

    Raises:
        InputError: the object is none of these, or lacks methods.
    """
    row = _row_of(strategy, "strategy")
    if isinstance(row.path, type):
        check_methods(row.path, row.where)
    return _STRATEGIES.give(row.where, row)


def registered_row(name: str) -> StrategyRow | None:
    """The strategy object registered under this name; None if there is none."""
    return _STRATEGIES.given(name)


def installed_row(name: str, reserved: Collection[str]) -> StrategyRow | None:
    """The strategy that a distribution installs as an entry point with this name; None if there is none.

    Args:
        name: the entry point's name.
        reserved: names of the built-in strategies.

    Raises:
        InputError: several distributions use the name, an entry point has the name of a built-in strategy, or it cannot
            be imported. The message names the distribution.
    """
    return _STRATEGIES.installed(name, reserved)


def installed_names(reserved: Collection[str]) -> list[str]:
    """Names of the strategies installed as entry points. Raises InputError in the same cases as `installed_row`."""
    return _STRATEGIES.names(reserved)


def distribution_of(name: str, reserved: Collection[str]) -> tuple[str, str] | None:
    """Name and version of the distribution that installs this entry point; None if there is none."""
    return _STRATEGIES.distribution_of(name, reserved)


def check_methods(strategy: Any, name: str) -> None:
    """Raises InputError if a strategy, or its class, lacks methods of `evonas.protocols.Strategy`."""
    if missing := [method for method in _METHODS if not callable(getattr(strategy, method, None))]:
        raise InputError(
            f"strategy must have {', '.join(_METHODS)}, but {name} has no {', '.join(missing)}: see "
            "evonas.protocols.Strategy, or derive it from evonas.strategies.generational.GenerationalStrategy"
        )
