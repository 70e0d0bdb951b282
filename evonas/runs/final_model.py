"""The final model of a run if it is the mean of several networks, and its test scores.

The members of a mean follow from the settings and from the networks that were trained. The members of an ensemble
(`Settings.ensemble`, or `Settings.average` if there are enough validation rows for a choice) are chosen on the
validation rows and stored in the row "ensemble" of `about`; the test scores are in the row "final_test". Only this
module reads and writes both.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import Field, TypeAdapter

from evonas.runs.checksums import put_about
from evonas.runs.ensemble_networks import (
    fold_members,
    members_on_all_rows,
    networks_to_choose_from,
    with_networks_of_search,
)
from evonas.runs.finalists import is_near, near_the_best
from evonas.runs.records import Record, from_text
from genomes.codec import canonical_json

if TYPE_CHECKING:
    from evonas.runs.reader import RunReader

__all__ = ["FEWEST_ON_ALL_ROWS", "FinalModel", "FinalTest", "FinalTestWriter", "final_model", "is_single_network"]

_KEY, _ENSEMBLE = "final_test", "ensemble"
#: Minimum number of members of a mean; with fewer, the final model is the best network itself.
_FEWEST = 2
#: The same for networks trained on all rows; with fewer, the retrained finalists are used.
FEWEST_ON_ALL_ROWS = 3
#: Maximum number of members from the search itself, which vary in quality: more would make the mean worse.
_MOST_OF_SEARCH = 5


@dataclass(frozen=True)
class FinalModel:
    """Networks whose mean prediction is the final model of a run.

    Attributes:
        members: a record with weights for each member.
        all_rows: whether they were trained on training and validation rows together, all but the last `of_search`.
        of_search: number of members that were trained by the search itself.
        chosen: share of each member in the mean; empty if all members have equal shares.
        folds: the fold on which each member was trained, for an ensemble under cross-validation.
    """

    members: tuple[Record, ...]
    all_rows: bool = False
    of_search: int = 0
    chosen: tuple[float, ...] = ()
    folds: tuple[int, ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the weights, in the order of the members."""
        return [record.weights or "" for record in self.members]

    @property
    def shares(self) -> tuple[float, ...]:
        """Shares of the members, which sum to 1."""
        return self.chosen or (1.0 / len(self.members),) * len(self.members)

    @property
    def sees_validation(self) -> bool:
        """Whether members were trained on validation rows, whose scores are then meaningless."""
        return self.all_rows or bool(self.folds)

    @property
    def note(self) -> str:
        """One-line description."""
        if self.chosen and self.all_rows:
            others = len(self.members) - self.of_search
            what = f"{others} trained on training and validation rows, {self.of_search} of the search's best"
            return f"mean of {len(self.members)} networks: {what}"
        if self.chosen:
            return f"ensemble of {len(self.members)} networks, chosen on the validation rows"
        what = "training runs of the finalists"
        if self.folds:
            what = "training runs of the best network, each on one fold"
        elif self.all_rows:
            what = "networks trained on training and validation rows"
        elif self.of_search == len(self.members):
            what = "of the search's best networks"
        elif self.of_search:
            what = "training runs of the finalists and of the search's best networks"
        return f"mean of {len(self.members)} {what}"


def final_model(run: RunReader) -> FinalModel | None:
    """Returns the networks of the final model; None if it is the best network itself."""
    count, progress = run.settings.average or 0, run.retrainings_progress
    if progress is None or progress[0] < progress[1]:
        return None
    if run.settings.ensemble:
        return _ensemble(run, run.settings.ensemble)
    if not count:
        return None
    finalists = run.finalists
    if run.settings.all_rows:
        members = members_on_all_rows(run, finalists)
        if len(members) >= min(count, FEWEST_ON_ALL_ROWS):
            return _with_search(run, members) or FinalModel(members, all_rows=True)
    if (chosen := _ensemble(run, count)) is not None:
        return chosen
    turns = chain.from_iterable(zip_longest(*(finalist.members for finalist in near_the_best(finalists))))
    retrained = tuple(record for record in turns if record is not None)[:count]
    best = run.best(max(0, min(count, _MOST_OF_SEARCH) - len(retrained)))
    near = [record for record in best if record.weights and is_near(record.loss, best[0].loss)]
    members = (*retrained, *near)
    return FinalModel(members, of_search=len(members) - len(retrained)) if len(members) >= _FEWEST else None


def _with_search(run: RunReader, members: Sequence[Record]) -> FinalModel | None:
    """Members trained on all rows and the search's best networks; None if the latter have no share."""
    known = with_networks_of_search(run, members)
    shares = run.final_test.ensemble_of(list(known))
    if not shares:
        return None
    of_search = len(known) - len(members)
    return FinalModel(tuple(known.values()), all_rows=True, of_search=of_search, chosen=tuple(shares.values()))


def _ensemble(run: RunReader, size: int) -> FinalModel | None:
    """The ensemble of a run; None before its networks are chosen, or if it is a single network."""
    if members := fold_members(run, size):
        return FinalModel(tuple(record for _, record, _ in members), folds=tuple(fold for _, _, fold in members))
    known = networks_to_choose_from(run)
    shares = run.final_test.ensemble_of(list(known))
    if len(shares) < _FEWEST:
        return None
    return FinalModel(tuple(known[name] for name in shares), chosen=tuple(shares.values()))


def is_single_network(run: RunReader) -> bool:
    """Whether an ensemble was to be chosen, and no mean of several networks was better than one of them."""
    return len(run.final_test.ensemble_of(list(networks_to_choose_from(run)))) == 1


@dataclass(frozen=True)
class _Scored:
    """Names of the members' weights and the scores of their mean, as stored."""

    names: tuple[str, ...]
    scores: Mapping[str, Annotated[float, Field(allow_inf_nan=False)]]


@dataclass(frozen=True)
class _Chosen:
    """Names of the weights from which an ensemble was chosen, and the share of each."""

    names: tuple[str, ...]
    shares: tuple[Annotated[float, Field(ge=0, le=1)], ...]


_SCORED, _CHOSEN = TypeAdapter(_Scored), TypeAdapter(_Chosen)


_Row = TypeVar("_Row")


class FinalTest:
    """Reads the test scores and the ensemble from the database of a run."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def scores_of(self, model: FinalModel) -> dict[str, float]:
        """Returns the test scores of the model; empty if they were not computed."""
        found = self._row(_SCORED, _KEY)
        return dict(found.scores) if found is not None and list(found.names) == model.names else {}

    def ensemble_of(self, names: Sequence[str]) -> dict[str, float]:
        """Name of weights -> share in the ensemble that was chosen from these; empty if none was."""
        found = self._row(_CHOSEN, _ENSEMBLE)
        if found is None or list(found.names) != list(names) or len(found.shares) != len(found.names):
            return {}
        return {name: share for name, share in zip(found.names, found.shares, strict=True) if share > 0}

    def _row(self, content: TypeAdapter[_Row], key: str) -> _Row | None:
        row = self._connection.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        return None if row is None else from_text(content, row[0])


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

    def choose(self, names: Sequence[str], shares: Sequence[float]) -> None:
        """Commits the share of each network in the ensemble, replacing earlier ones."""
        value = canonical_json({"names": list(names), "shares": list(shares)})
        self._commit(lambda: put_about(self._connection, _ENSEMBLE, value))
