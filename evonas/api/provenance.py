"""Records of extensions in a run, and checks that a resumed run uses the same ones.

A run contains only their names. `resume` takes a strategy from its caller, or from an installed entry point with the
recorded name; import paths in a run are never used.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from evonas.io.printable import printable
from evonas.metrics.metric import METRICS_FROM_OUTSIDE
from evonas.metrics.named import metric_from_outside
from evonas.runs.versions import distribution_provenance
from evonas.strategies import STRATEGIES, find_row, strategy_name, strategy_row
from evonas.strategies.outside import distribution_of
from genomes.architecture.layer_kind import LAYER_KINDS_FROM_OUTSIDE
from genomes.architecture.layers import LAYERS
from genomes.errors import InputError
from genomes.extensions import Extensions, path_of
from genomes.mutations import MUTATIONS_FROM_OUTSIDE

if TYPE_CHECKING:
    from evonas.runs.reader import RunReader

__all__ = ["TABLES", "extension_provenance", "same_extensions", "same_strategy"]
__all__ += ["strategy_provenance", "trains_networks"]

#: Kind of extension -> those known in this process.
TABLES: Mapping[str, Extensions[Any]] = MappingProxyType(
    {table.what: table for table in (MUTATIONS_FROM_OUTSIDE, LAYER_KINDS_FROM_OUTSIDE, METRICS_FROM_OUTSIDE)}
)
#: The callable of an extension, which has a module and a name.
_CALLED = {"mutation": lambda each: each, "layer kind": lambda each: each.keras, "metric": lambda each: each.score}


def strategy_provenance(name: str) -> dict[str, Any]:
    """The entry "strategy" of a run's record; empty for built-in strategies.

    Args:
        name: of a strategy that this process knows.

    Raises:
        InputError: there is no such strategy.
    """
    if name in STRATEGIES:
        return {}
    row = strategy_row(name)
    owner = distribution_of(name, STRATEGIES)
    installed = {"distribution": owner[0], "version": owner[1]} if owner else distribution_provenance(row.where)
    return {"strategy": {"class": row.where, "entry_point": owner is not None, "trains": row.trains, **installed}}


def trains_networks(run: RunReader) -> bool:
    """Whether the strategy of a run trains networks, even if the strategy itself is not available."""
    recorded = run.source.get("strategy")
    if recorded is not None:
        return bool(recorded.get("trains", True))
    return strategy_row(run.settings.strategy).trains


def same_strategy(run: RunReader, given: Any = None) -> None:
    """Checks that the strategy of a run is available to continue it.

    Args:
        run: the run.
        given: the strategy passed by the caller: a name, a class or a `StrategyRow`; None if not given.

    Raises:
        InputError: the run has a user-defined strategy that is not given, not installed, or different.
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
    _check_same("strategy", shown, recorded, strategy_provenance(name).get("strategy", {}), run)


def _check_same(what: str, shown: str, recorded: Mapping[str, Any], now: Mapping[str, Any], run: RunReader) -> None:
    """Raises InputError if an extension has another class, distribution or version than recorded."""
    if differing := [key for key in ("class", "distribution", "version") if now.get(key) != recorded.get(key)]:
        changes = "; ".join(f"{key}: {printable(str(recorded.get(key)))} -> {now.get(key)}" for key in differing)
        raise InputError(
            f"{what} must be unchanged since the run {run.directory} began, but {shown} differs ({changes}): install "
            f"the recorded one, or start a new run"
        )


def extension_provenance(space: Any, objective: str | None) -> dict[str, Any]:
    """The entry "extensions" of a run's record: user-defined mutations, layer kinds and metric.

    Args:
        space: of the run.
        objective: name of its objective.

    Raises:
        InputError: an extension is neither given nor installed.
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
        {"distribution": owner[0], "version": owner[1]} if owner else distribution_provenance(where.partition(":")[0])
    )
    return {"class": where, "entry_point": owner is not None, **installed}


def same_extensions(run: RunReader, given: Mapping[str, frozenset[str]]) -> None:
    """Checks that the mutations, layer kinds and metric of a run are available to continue it.

    Args:
        run: the run.
        given: kind of extension -> names of those passed as objects.

    Raises:
        InputError: an extension is not given, not installed or has changed; or the run does not use it.
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
