"""Checks that a run is continued with its own space, data and settings. Imports no pandas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evonas.config import Settings
from evonas.io.printable import printable
from evonas.runs.versions import distribution_provenance
from genomes.encodings import ENCODINGS, ENCODINGS_FROM_OUTSIDE, space_from_json
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.data.prepared import PreparedData
    from evonas.runs.reader import RunReader

__all__ = ["check_same", "must_be_given", "same_space", "space_class"]


_OPEN = ("trainer", "auto")


def space_class(space: Any) -> dict[str, Any]:
    """The record of a user-defined space class in a run: "space_class" and, if installed by a distribution,
    "space_package"; empty for built-in spaces.
    """
    kind = type(space)
    if kind in ENCODINGS.values():
        return {}
    package = distribution_provenance(kind.__module__)
    return {
        "space_class": f"{kind.__module__}.{kind.__qualname__}",
        **({"space_package": package} if package else {}),
    }


def must_be_given(run: RunReader) -> bool:
    """Whether a run can only be continued with its space as an object: of a class that is not installed by name."""
    return run.source.get("space_class") is not None and not _is_installed(run)


def _is_installed(run: RunReader) -> bool:
    encoding = str(run.space_json.get("encoding", ""))
    return ENCODINGS_FROM_OUTSIDE.distribution_of(encoding, ENCODINGS) is not None


def same_space(run: RunReader, given: Any = None) -> Any:
    """The space of a run, to continue with it.

    Args:
        run: the run.
        given: a user-defined space, if the run has one.

    Raises:
        InputError: the run has a user-defined space, and it is missing or a different one is given.
    """
    wanted = run.source.get("space_class")
    if given is None and wanted is None:
        return space_from_json(run.space_json)
    if given is None and _is_installed(run):
        given = space_from_json(run.space_json)
    name = space_class(given).get("space_class") if given is not None else None
    if given is None or name != wanted:
        raise InputError(
            f"space must be given again: the run {run.directory} searches one of the class {printable(wanted)}, which "
            "is not stored: continue in Python, with evonas.resume(run_dir, space=...), or start a new run"
            if wanted
            else f"space must be that of the run {run.directory}, which is stored: leave it out"
        )
    package = space_class(given).get("space_package")
    if package != run.source.get("space_package"):
        raise InputError(
            f"space must be that of the run {run.directory}, whose class was installed by "
            f"{_owner(run.source.get('space_package'))}, not by {_owner(package)}: install the recorded one, or "
            "start a new run"
        )
    if given.to_json() != run.space_json:
        raise InputError(f"space must be that of the run {run.directory}, but it has other settings: restore them")
    return given


def _owner(package: Mapping[str, str] | None) -> str:
    """Describes the result of `distribution_provenance`."""
    return printable(" ".join(map(str, package.values()))) if package else "no distribution"


def check_same(store: RunReader, data: PreparedData | None, settings: Mapping[str, Any]) -> None:
    """Raises InputError, with the difference, if given data or settings differ from those of the run."""
    if data is not None and data.fingerprint != store.fingerprint:
        raise InputError(
            f"data must be those of the run {store.directory}, but their fingerprint is {data.fingerprint[:16]}, not "
            f"{store.fingerprint[:16]}: resume with the same rows, target and split, or start a new run"
        )
    # Unset settings agree with any resolved value.
    given = {name: value for name, value in settings.items() if value is not None and (name, value) != _OPEN}
    wanted = Settings(**{**store.settings.model_dump(), **given})
    if difference := store.settings.difference(wanted):
        raise InputError(
            f"settings must be those of the run {store.directory}, but these differ: {'; '.join(difference)}. "
            "Leave them out to continue, or start a new run"
        )
