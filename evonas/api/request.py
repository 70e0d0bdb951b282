"""`SearchRequest`: the arguments of a search apart from its data, shared by `search` and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evonas.config import Budget, Settings
from evonas.execution_options import Execution

__all__ = ["SearchRequest"]


@dataclass(frozen=True)
class SearchRequest:
    """The arguments of a search apart from its data; see `evonas.search`.

    Attributes:
        settings, budget: of the run.
        build: function that builds user-defined models, in any form.
        space: as given; None for the default one of the data.
        mutations: additional mutations: functions, or names of installed ones.
        numbers, neighbours: numeric encoding and neighbour features of all networks; None to leave them to the space.
        out, overwrite: the run directory, and whether a run in it may be deleted.
        initial, warm_start, transfer: population file and run directories to start from.
        threads, execution: where networks are trained.
    """

    settings: Settings
    budget: Budget
    build: Any = None
    space: Any = None
    mutations: Sequence[Any] = ()
    numbers: str | None = None
    neighbours: bool | None = None
    out: str | Path | None = None
    overwrite: bool = False
    initial: str | Path | None = None
    warm_start: str | Path | None = None
    transfer: str | Path | None = None
    threads: int | None = None
    execution: Execution = field(default_factory=Execution)
