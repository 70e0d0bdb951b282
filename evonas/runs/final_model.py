"""The final model of a run, where that is the mean of several trainings, and what it scores on the test rows.

Which networks it is of follows from the settings and from what was trained; its test scores are the row "final_test" of
`about`, which is read and written here only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, TypeAdapter

from evonas.runs.checksums import put_about
from evonas.runs.finalists import Finalist, all_rows_members, near_the_best, record_of_retraining
from evonas.runs.records import Record, from_text
from genomes.codec import canonical_json

if TYPE_CHECKING:
    from evonas.runs.reader import RunReader

__all__ = ["FinalModel", "FinalTest", "FinalTestWriter", "final_model", "members_on_all_rows"]

_KEY = "final_test"
#: A mean is of so many at least; else the final model is the best network itself.
_FEWEST = 2
#: The same of networks trained on all rows, before which the finalists' trainings are more.
_FEWEST_ON_ALL_ROWS = 3
#: Networks of the search itself, which are of all kinds: with more of them come worse ones.
_MOST_OF_SEARCH = 5


@dataclass(frozen=True)
class FinalModel:
    """Networks whose mean prediction is the final model of a run.

    Attributes:
        members: a record for each, with its weights; all count the same.
        all_rows: whether they were trained on training and validation rows together.
        of_search: whether trainings of the search itself are among them, for want of time for others.
    """

    members: tuple[Record, ...]
    all_rows: bool = False
    of_search: bool = False

    @property
    def names(self) -> list[str]:
        """Of the weights, in the order of the members."""
        return [record.weights or "" for record in self.members]

    @property
    def note(self) -> str:
        """One line for a person."""
        what = "trainings of the finalists"
        if self.all_rows:
            what = "networks trained on training and validation rows"
        elif self.of_search:
            what = "trainings of the finalists and of the search's best"
        return f"mean of {len(self.members)} {what}"


def final_model(run: RunReader) -> FinalModel | None:
    """The networks of the final model; None where it is the best network itself."""
    count, progress = run.settings.average or 0, run.retrainings_progress
    if not count or progress is None or progress[0] < progress[1]:
        return None
    finalists = run.finalists
    if run.settings.all_rows:
        members = members_on_all_rows(run, finalists)
        if len(members) >= min(count, _FEWEST_ON_ALL_ROWS):
            return FinalModel(members, all_rows=True)
    turns = chain.from_iterable(zip_longest(*(finalist.members for finalist in near_the_best(finalists))))
    retrained = tuple(record for record in turns if record is not None)[:count]
    best = run.best(_MOST_OF_SEARCH)[: max(0, min(count, _MOST_OF_SEARCH) - len(retrained))]
    members = (*retrained, *(record for record in best if record.weights))
    return FinalModel(members, of_search=bool(best)) if len(members) >= _FEWEST else None


def members_on_all_rows(run: RunReader, finalists: Sequence[Finalist]) -> tuple[Record, ...]:
    """A record for each network that was trained on training and validation rows together, in their order."""
    settings, asked = run.settings, run.retrainings.asked
    if not settings.all_rows or not settings.average or asked is None:
        return ()
    found = []
    for finalist, seed in all_rows_members(finalists, settings.seed or 0, asked[2], settings.average):
        each = run.retrainings.retraining(finalist.record.digest, seed, finalist.best_epoch)
        if each is not None and each.weights:
            found.append(record_of_retraining(finalist.record, each))
    return tuple(found)


@dataclass(frozen=True)
class _Scored:
    """Names of the members' weights, and the scores of their mean."""

    names: tuple[str, ...]
    scores: Mapping[str, Annotated[float, Field(allow_inf_nan=False)]]


_SCORED = TypeAdapter(_Scored)


class FinalTest:
    """The test scores in the database of a run, to be read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def scores_of(self, model: FinalModel) -> dict[str, float]:
        """The test scores of the model; empty where they were not computed."""
        row = self._connection.execute("SELECT value FROM about WHERE key = ?", (_KEY,)).fetchone()
        found = None if row is None else from_text(_SCORED, row[0])
        return dict(found.scores) if found is not None and list(found.names) == model.names else {}


class FinalTestWriter(FinalTest):
    """The same for the run's one writer."""

    def __init__(self, connection: sqlite3.Connection, commit: Callable[[Callable[[], None]], None]) -> None:
        """`commit(rows)` calls it in a transaction."""
        super().__init__(connection)
        self._commit = commit

    def note(self, model: FinalModel, scores: Mapping[str, float]) -> None:
        """Commits the test scores of the model, in place of those before."""
        value = canonical_json({"names": model.names, "scores": dict(scores)})
        self._commit(lambda: put_about(self._connection, _KEY, value))
