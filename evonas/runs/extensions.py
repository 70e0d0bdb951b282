"""What a run records of strategies and spaces from outside of evonas, and whether it is continued with the same ones.

A run holds their names only. `resume` takes a strategy from its caller, or from an installed entry point of the
recorded name; nothing is ever imported by a path that a run names.
"""

from __future__ import annotations

from importlib.metadata import packages_distributions, version
from typing import TYPE_CHECKING, Any

from evonas.io.printable import printable
from evonas.strategies import STRATEGIES, find_row, strategy_name, strategy_row
from evonas.strategies.outside import distribution_of
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.runs.reader import RunReader

__all__ = ["distribution_record", "same_strategy", "strategy_record", "trains_networks"]


def distribution_record(module: str) -> dict[str, str]:
    """Name and version of the distribution that installs a module; empty where none does, as of a script."""
    names = packages_distributions().get(module.partition(".")[0], ())
    return {"distribution": names[0], "version": version(names[0])} if names else {}


def strategy_record(name: str) -> dict[str, Any]:
    """What a run records of its strategy: "strategy"; nothing of those of evonas.

    Args:
        name: of a strategy that this process knows.

    Raises:
        InputError: there is no such strategy.
    """
    if name in STRATEGIES:
        return {}
    row = strategy_row(name)
    owner = distribution_of(name, STRATEGIES)
    installed = {"distribution": owner[0], "version": owner[1]} if owner else distribution_record(row.where)
    return {"strategy": {"class": row.where, "entry_point": owner is not None, "trains": row.trains, **installed}}


def trains_networks(run: RunReader) -> bool:
    """Whether the strategy of a run trains networks; also where the strategy itself is not there."""
    recorded = run.source.get("strategy")
    if recorded is not None:
        return bool(recorded.get("trains", True))
    return strategy_row(run.settings.strategy).trains


def same_strategy(run: RunReader, given: Any = None) -> None:
    """Checks that the strategy of a run is there to continue it.

    Args:
        run: the run.
        given: the strategy that the caller passes: a name, a class or a `StrategyRow`; None if nothing.

    Raises:
        InputError: the run is of a strategy from outside of evonas that is not given, not installed, or another one.
    """
    recorded, name = run.source.get("strategy"), run.settings.strategy
    shown = printable(name)
    if given is not None and strategy_name(given) != name:
        raise InputError(
            f"strategy must be that of the run {run.directory}, {shown}, not {strategy_name(given)}: leave it out, or "
            "start a new run"
        )
    if recorded is None:
        return
    owner = " ".join(printable(str(recorded[key])) for key in ("distribution", "version") if key in recorded)
    of_owner = f" of {owner}" if owner else ""
    if not recorded.get("entry_point"):
        if given is None or isinstance(given, str):
            raise InputError(
                f"strategy must be given again: the run {run.directory} searches by {shown}{of_owner}, which is not "
                "kept: resume it in Python, with evonas.resume(run_dir, strategy=...), or start a new run"
            )
    elif find_row(name) is None:
        raise InputError(
            f"strategy must be installed: the run {run.directory} searches by {shown}{of_owner}, which is not: install "
            "it, or start a new run"
        )
    now = strategy_record(name).get("strategy", {})
    if differing := [key for key in ("class", "distribution", "version") if now.get(key) != recorded.get(key)]:
        what = "; ".join(f"{key}: {printable(str(recorded.get(key)))} -> {now.get(key)}" for key in differing)
        raise InputError(
            f"strategy must be as it was when the run {run.directory} began, but {shown} differs ({what}): install "
            "what it was, or start a new run"
        )
