"""What a run records of extensions from outside evonas, and whether it is continued with the same ones.

A run holds their names only. `resume` takes a strategy from its caller, or from an installed entry point of the
recorded name; nothing is ever imported by a path that a run names.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from evonas.io.printable import printable
from evonas.metrics.metric import METRICS_FROM_OUTSIDE
from evonas.metrics.named import metric_from_outside
from evonas.runs.versions import distribution_record
from evonas.strategies import STRATEGIES, find_row, strategy_name, strategy_row
from evonas.strategies.outside import distribution_of
from genomes.architecture.layer_kind import LAYER_KINDS_FROM_OUTSIDE
from genomes.architecture.layers import LAYERS
from genomes.errors import InputError
from genomes.extensions import Extensions, path_of
from genomes.mutations import MUTATIONS_FROM_OUTSIDE

if TYPE_CHECKING:
    from evonas.runs.reader import RunReader

__all__ = ["TABLES", "extension_records", "same_extensions", "same_strategy"]
__all__ += ["strategy_record", "trains_networks"]

#: Kind of extension -> those that this process knows.
TABLES: Mapping[str, Extensions[Any]] = MappingProxyType(
    {table.what: table for table in (MUTATIONS_FROM_OUTSIDE, LAYER_KINDS_FROM_OUTSIDE, METRICS_FROM_OUTSIDE)}
)
#: What of an extension is called: it has a module and a name.
_CALLED = {"mutation": lambda each: each, "layer kind": lambda each: each.keras, "metric": lambda each: each.score}


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
        InputError: the run is of a strategy from outside evonas that is not given, not installed, or another one.
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
    _check_same("strategy", shown, recorded, strategy_record(name).get("strategy", {}), run)


def _check_same(what: str, shown: str, recorded: Mapping[str, Any], now: Mapping[str, Any], run: RunReader) -> None:
    """Raises InputError where an extension is of another class, distribution or version than it was."""
    if differing := [key for key in ("class", "distribution", "version") if now.get(key) != recorded.get(key)]:
        changes = "; ".join(f"{key}: {printable(str(recorded.get(key)))} -> {now.get(key)}" for key in differing)
        raise InputError(
            f"{what} must be as it was when the run {run.directory} began, but {shown} differs ({changes}): install "
            "what it was, or start a new run"
        )


def extension_records(space: Any, objective: str | None) -> dict[str, Any]:
    """What a run records of its mutations, layer kinds and metric from outside evonas: "extensions".

    Args:
        space: of the run.
        objective: name of what it optimises.

    Raises:
        InputError: one of them is neither given nor installed.
    """
    kinds = sorted(name for name in getattr(space, "layer_kinds", ()) if name not in LAYERS)
    metric = metric_from_outside(objective or "")
    used = {
        "mutation": list(getattr(space, "extra_mutations", ())),
        "layer kind": kinds,
        "metric": [] if metric is None else [metric.name],
    }
    found = {what: {name: _record(what, name) for name in names} for what, names in used.items() if names}
    return {"extensions": found} if found else {}


def _record(what: str, name: str) -> dict[str, Any]:
    where = path_of(_CALLED[what](TABLES[what].get(name)))
    owner = TABLES[what].distribution_of(name)
    installed = (
        {"distribution": owner[0], "version": owner[1]} if owner else distribution_record(where.partition(":")[0])
    )
    return {"class": where, "entry_point": owner is not None, **installed}


def same_extensions(run: RunReader, given: Mapping[str, frozenset[str]]) -> None:
    """Checks that the mutations, layer kinds and the metric of a run are there to continue it.

    Args:
        run: the run.
        given: kind of extension -> names of those that the caller passes as objects.

    Raises:
        InputError: one is not given, not installed or not as it was; or one is given that the run does not use.
    """
    recorded: Mapping[str, Mapping[str, Any]] = run.source.get("extensions", {})
    for what, names in given.items():
        if unknown := sorted(names - recorded.get(what, {}).keys()):
            raise InputError(
                f"{what} must be one of the run {run.directory}, which uses no {unknown[0]}: leave it out, or start a "
                "new run"
            )
    if strange := sorted(recorded.keys() - TABLES.keys()):
        raise InputError(f"{printable(strange[0])} of {run.directory} must be known: update evonas")
    for what in TABLES:
        for name, record in recorded.get(what, {}).items():
            _check_extension(run, what, name, record, name in given.get(what, ()))


def _check_extension(run: RunReader, what: str, name: str, record: Mapping[str, Any], is_given: bool) -> None:
    shown = printable(name)
    owner = " ".join(printable(str(record[key])) for key in ("distribution", "version") if key in record)
    of_owner = f" of {owner}" if owner else ""
    if not record.get("entry_point") and not is_given:
        argument = {"mutation": "mutations=[...]", "layer kind": "layer_kinds=[...]", "metric": "objective=..."}[what]
        raise InputError(
            f"{what} must be given again: the run {run.directory} uses {shown}{of_owner}, which is not kept: resume it "
            f"in Python, with evonas.resume(run_dir, {argument}), or start a new run"
        )
    if TABLES[what].find(name) is None:
        raise InputError(
            f"{what} must be installed: the run {run.directory} uses {shown}{of_owner}, which is not: install it, or "
            "start a new run"
        )
    _check_same(what, shown, record, _record(what, name), run)
