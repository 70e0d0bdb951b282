"""User-defined strategies: given as objects, or installed by other distributions as entry points.

A distribution names its strategies in the group `evonas.strategies`; each is a `StrategyRow` or a class::

    [project.entry-points."evonas.strategies"]
    climb = "my_package.climbing:ROW"

Import paths read from runs are never imported; only objects of the caller and installed entry points are used.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from evonas.strategies.row import StrategyRow
from genomes.errors import InputError
from genomes.extensions import Extensions

__all__ = ["check_methods", "distribution_of", "given_row", "installed_names", "installed_row", "remember"]

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
            f"{what} must be a name, a class, a function that makes one, or an evonas.strategies.StrategyRow, not "
            f"{strategy!r:.80}: give the class itself"
        )
    return row


#: Strategies given as objects, by `module:qualname`, since settings contain only names.
_STRATEGIES: Extensions[StrategyRow] = Extensions("strategy", "strategies", "evonas.strategies", _row_of)


def remember(strategy: Any) -> str:
    """Registers a strategy that is given as an object in this process.

    Args:
        strategy: a class, a function that makes one, or a `StrategyRow`.

    Returns:
        Its name, `module:qualname`. Of two objects with one name, the later one counts.

    Raises:
        InputError: it is not one of these, or lacks methods.
    """
    row = _row_of(strategy, "strategy")
    if isinstance(row.path, type):
        check_methods(row.path, row.where)
    return _STRATEGIES.give(row.where, row)


def given_row(name: str) -> StrategyRow | None:
    """The strategy that was given as an object and has this name."""
    return _STRATEGIES.given(name)


def installed_row(name: str, reserved: Collection[str]) -> StrategyRow | None:
    """The strategy that a distribution installs as the entry point of this name.

    Args:
        name: of the entry point.
        reserved: names of evonas's own strategies.

    Raises:
        InputError: several distributions have the name, one has a name of evonas, or it cannot be imported; names the
            distribution.
    """
    return _STRATEGIES.installed(name, reserved)


def installed_names(reserved: Collection[str]) -> list[str]:
    """Names of the strategies that are installed as entry points. Raises InputError as `installed_row`."""
    return _STRATEGIES.names(reserved)


def distribution_of(name: str, reserved: Collection[str]) -> tuple[str, str] | None:
    """Name and version of the distribution whose entry point has this name; None if none has."""
    return _STRATEGIES.distribution_of(name, reserved)


def check_methods(strategy: Any, name: str) -> None:
    """Raises InputError if a strategy, or its class, lacks methods of `evonas.protocols.Strategy`."""
    if missing := [method for method in _METHODS if not callable(getattr(strategy, method, None))]:
        raise InputError(
            f"strategy must have {', '.join(_METHODS)}, but {name} has no {', '.join(missing)}: see "
            "evonas.protocols.Strategy, or derive it from evonas.strategies.generational.GenerationalStrategy"
        )
