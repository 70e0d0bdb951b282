"""The final model of a run that is the mean of several trained networks, and its test scores.

Its members follow from the settings and the trained networks; its test scores are the row "final_test" of `about`,
which only this module reads and writes.
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
#: Minimum number of members of a mean; with fewer, the final model is the best network itself.
_FEWEST = 2
#: The same for networks trained on all rows; with fewer, the finalists' trainings are used.
_FEWEST_ON_ALL_ROWS = 3
#: Maximum number of members from the search itself, which vary in quality: further ones would be worse.
_MOST_OF_SEARCH = 5


@dataclass(frozen=True)
class FinalModel:
    """Networks whose mean prediction is the final model of a run.

    Attributes:
        members: their records, with weights; all have equal shares.
        all_rows: whether they were trained on training and validation rows together.
        of_search: whether networks from the search itself are among them, because there was no time for others.
    """

    members: tuple[Record, ...]
    all_rows: bool = False
    of_search: bool = False

    @property
    def names(self) -> list[str]:
        """Names of the weights, in the order of the members."""
        return [record.weights or "" for record in self.members]

    @property
    def note(self) -> str:
        """Description in one line."""
        what = "trainings of the finalists"
        if self.all_rows:
            what = "networks trained on training and validation rows"
        elif self.of_search:
            what = "trainings of the finalists and of the search's best"
        return f"mean of {len(self.members)} {what}"


def final_model(run: RunReader) -> FinalModel | None:
    """Returns the networks of the final model; None if it is the best network itself."""
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
    """Records of the networks that were trained on training and validation rows together, in order."""
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
    """Names of the members' weights and the scores of their mean, as stored."""

    names: tuple[str, ...]
    scores: Mapping[str, Annotated[float, Field(allow_inf_nan=False)]]


_SCORED = TypeAdapter(_Scored)


class FinalTest:
    """Reads the test scores from the database of a run."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def scores_of(self, model: FinalModel) -> dict[str, float]:
        """Returns the test scores of the model; empty if they were not computed."""
        row = self._connection.execute("SELECT value FROM about WHERE key = ?", (_KEY,)).fetchone()
        found = None if row is None else from_text(_SCORED, row[0])
        return dict(found.scores) if found is not None and list(found.names) == model.names else {}


class FinalTestWriter(FinalTest):
    """Also writes the test scores; for the run's single writer."""

    def __init__(self, connection: sqlite3.Connection, commit: Callable[[Callable[[], None]], None]) -> None:
        """`commit(rows)` must call `rows` in a transaction."""
        super().__init__(connection)
        self._commit = commit

    def note(self, model: FinalModel, scores: Mapping[str, float]) -> None:
        """Commits the test scores of the model, replacing earlier ones."""
        value = canonical_json({"names": model.names, "scores": dict(scores)})
        self._commit(lambda: put_about(self._connection, _KEY, value))
