"""Metadata of a run and the origin of its data, type-checked on reading and never trusted.

References to files (`absolute`) and functions (`build`) are informational; callers must check them before use.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

from evonas.data.prepared import Problem

__all__ = ["PROBLEM", "SOURCE", "known_problem"]

_Text = Annotated[str, Field(max_length=100_000, strict=True)]
_Name = Annotated[str, Field(max_length=10_000, strict=True)]
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", strict=True)]
#: Upper bound on the number of columns, to limit the size of lists.
_WIDEST = 1 << 24


class _Build(TypedDict, total=False):
    """See `evonas.user_model.Build.to_json`; for searches of the tuner, only its name."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    given: _Name
    digest: _Digest
    source: Annotated[str, Field(max_length=10_000_000, strict=True)]
    trial: Annotated[bool, Field(strict=True)]


class _NamedBuild(_Build):
    name: _Name


class _Strategy(TypedDict, total=False):
    """See `evonas.api.provenance.strategy_provenance`."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    entry_point: Annotated[bool, Field(strict=True)]
    trains: Annotated[bool, Field(strict=True)]
    distribution: _Name
    version: _Name


class _Extension(TypedDict, total=False):
    """See `evonas.api.provenance.extension_provenance`."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    entry_point: Annotated[bool, Field(strict=True)]
    distribution: _Name
    version: _Name


class _Source(TypedDict, total=False):
    """See `evonas.data.source.origin_of`; a newer evonas may add fields."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    path: _Name
    absolute: _Name
    bytes: Annotated[int, Field(ge=0, lt=1 << 63, strict=True)]
    sha256: _Digest
    target: _Name
    direction: _Name
    drop: Annotated[list[_Name], Field(max_length=1_000_000)]
    build: _NamedBuild
    trial: dict[str, Any]
    space_class: _Name
    space_package: dict[str, _Name]
    strategy: _Strategy
    extensions: dict[_Name, dict[_Name, _Extension]]
    initial: _Name
    warm_start: _Name
    transfer: _Name
    baseline: Annotated[bool, Field(strict=True)]


SOURCE: TypeAdapter[Any] = TypeAdapter(_Source)
PROBLEM = TypeAdapter(Problem)


def known_problem(value: dict[str, Any]) -> dict[str, Any]:
    """The values of a problem after type checks; empty if a run has none.

    Raises:
        ValueError: the values have the wrong types.
    """
    if value:
        problem = PROBLEM.validate_python(value)
        if not (0 < problem.num_features <= _WIDEST and 0 < problem.num_outputs <= _WIDEST):
            raise ValueError(f"a problem of {problem.num_features} features and {problem.num_outputs} outputs")
        if len(problem.views) not in (0, problem.num_features):
            raise ValueError(f"{len(problem.views)} views of {problem.num_features} features")
    return value
