"""`Notifier`: calls the callbacks of a search, which is not affected by their failures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evonas.config import Budget
from evonas.io.console import say_lines
from evonas.runs.progress import Generation, Progress
from evonas.runs.reader import RunReader
from evonas.trackers.callback import Callback, EvaluatedCandidate, genes_of, space_of
from genomes.errors import InputError
from genomes.space import SearchSpace

if TYPE_CHECKING:
    from evonas.export_tasks import Exported

__all__ = ["Notifier", "check_callbacks"]

_METHODS = ("on_start", "on_evaluation", "on_generation", "on_end")


def check_callbacks(callbacks: Sequence[Any]) -> tuple[Callback, ...]:
    """Returns the callbacks. Raises InputError for anything else, such as a class instead of an instance."""
    if isinstance(callbacks, Callback) or not isinstance(callbacks, Sequence):
        raise InputError(f"callbacks must be a list, not {type(callbacks).__name__}: write callbacks=[callback]")
    for each in callbacks:
        if isinstance(each, type) or not all(callable(getattr(each, name, None)) for name in _METHODS):
            shown = f"the class {each.__name__}" if isinstance(each, type) else type(each).__name__
            raise InputError(f"callbacks must be objects of a subclass of evonas.Callback, not {shown}")
    return tuple(callbacks)


class Notifier:
    """Calls callbacks in the given order. A callback that fails is not called again.

    Args:
        callbacks: the callbacks.
        space: the run's space.
    """

    def __init__(self, callbacks: Sequence[Callback], space: SearchSpace) -> None:
        self._callbacks, self._space = list(callbacks), space
        self._known: Any = None

    def start(self, run: RunReader, budget: Budget) -> None:
        """Called before training starts. Passes on an InputError raised by a callback."""
        self._known = space_of(run)
        for each in list(self._callbacks):
            try:
                each.on_start(run, budget)
            except InputError:
                raise
            except Exception as error:
                self._drop(each, error)

    def part(self, progress: Progress) -> None:
        """Called after a commit."""
        if not self._callbacks:
            return
        for candidate, evaluation in zip(progress.candidates, progress.part, strict=True):
            evaluated = EvaluatedCandidate(
                candidate.generation,
                candidate.index,
                candidate.digest,
                genes_of(self._known, self._space.genome_to_json(candidate.genome)),
                candidate.parents,
                candidate.operator,
                evaluation,
            )
            self._call("on_evaluation", evaluated)

    def generation(self, generation: Generation) -> None:
        """Called after a generation."""
        self._call("on_generation", generation)

    def end(self, run: RunReader, exported: Exported | None) -> None:
        """Called at the end of the session."""
        self._call("on_end", run, exported)

    def _call(self, method: str, *values: Any) -> None:
        for each in list(self._callbacks):
            try:
                getattr(each, method)(*values)
            except Exception as error:
                self._drop(each, error)

    def _drop(self, callback: Callback, error: Exception) -> None:
        self._callbacks.remove(callback)
        first = next(iter(str(error).splitlines()), "")
        text = f"{type(error).__name__}: {first:.300}" if first else type(error).__name__
        say_lines(f"Note: {type(callback).__name__} failed and is not called again ({text})", stream=sys.stderr)
