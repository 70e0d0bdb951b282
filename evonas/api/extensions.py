"""Registration of mutations, layer kinds, metrics and spaces that are passed to a search as objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from evonas.metrics.metric import metric_name
from evonas.networks.layers import LAYERS as NETWORK_ROWS
from genomes.architecture.layer_kind import LAYER_KINDS_FROM_OUTSIDE, LayerKind
from genomes.encodings import ENCODINGS, ENCODINGS_FROM_OUTSIDE
from genomes.errors import InputError
from genomes.mutations import MUTATIONS_FROM_OUTSIDE, mutation_name

__all__ = ["given_extensions", "named_objectives", "with_mutations"]


def given_extensions(
    mutations: Sequence[Any] = (), layer_kinds: Sequence[Any] = (), objective: Any = None, space: Any = None
) -> dict[str, frozenset[str]]:
    """Registers objects in this process and returns their names.

    Args:
        mutations: functions, or names of installed ones.
        layer_kinds: `genomes.architecture.LayerKind`s.
        objective: an `evonas.Metric`; anything else is ignored.
        space: a space whose class is registered under its encoding, unless built in.

    Returns:
        Kind of extension, as in `evonas.api.provenance.TABLES` -> names of the objects.

    Raises:
        InputError: an object has the wrong type, or the name of a built-in one.
    """
    kinds = []
    for kind in layer_kinds:
        if not isinstance(kind, LayerKind):
            raise InputError(
                f"layer_kinds must be genomes.architecture.LayerKind objects, not {type(kind).__name__}: those that "
                "are installed are known by their names"
            )
        if kind.name in (*NETWORK_ROWS, "input"):
            raise InputError(f"layer kind {kind.name!r} must not have the name of a built-in kind: rename it")
        kinds.append(LAYER_KINDS_FROM_OUTSIDE.give(kind.name, kind))
    if isinstance(mutations, str):
        raise InputError(f"mutations must be a list of functions or names, not {mutations!r:.80}: put it in a list")
    given = [mutation_name(each) for each in mutations if not isinstance(each, str)]
    _know_encoding(space)
    metrics = [] if objective is None or isinstance(objective, str) else [metric_name(objective)]
    for metric in metrics:
        if not isinstance(metric, str):
            raise InputError(f"objective must be a name or an evonas.Metric, not {type(metric).__name__}: give either")
    return {"mutation": frozenset(given), "layer kind": frozenset(kinds), "metric": frozenset(metrics)}


def _know_encoding(space: Any) -> None:
    """Registers the class of a user-defined space under its encoding, by which files of a run refer to it."""
    if hasattr(type(space), "from_json") and hasattr(space, "to_json"):
        encoding = space.to_json().get("encoding")
        if isinstance(encoding, str) and encoding not in ENCODINGS:
            ENCODINGS_FROM_OUTSIDE.give(encoding, type(space))


def with_mutations(space: Any, mutations: Sequence[Any]) -> Any:
    """The space with additional mutations.

    Args:
        space: a built-in one, or one with a field `extra_mutations`.
        mutations: functions, or names of installed ones.

    Raises:
        InputError: a mutation is not installed, or the space does not support any.
    """
    if not mutations:
        return space
    if not is_dataclass(space) or "extra_mutations" not in {field.name for field in fields(space)}:
        raise InputError(
            f"mutations must be left out with a {type(space).__name__}, which does not support user-defined ones: "
            "define them in the class"
        )
    names = tuple(mutation_name(each) for each in mutations)
    for name in names:
        MUTATIONS_FROM_OUTSIDE.get(name)
    whole: Any = space
    return replace(whole, extra_mutations=(*whole.extra_mutations, *names))


def named_objectives(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with metric objects replaced by their names."""
    named = dict(settings)
    if named.get("objective") is not None:
        named["objective"] = metric_name(named["objective"])
    if isinstance(named.get("objectives"), (list, tuple)):
        named["objectives"] = tuple(map(metric_name, named["objectives"]))
    return named
