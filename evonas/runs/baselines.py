"""Scores of baselines on the rows of a run, stored in the row "baselines" of the table `about`.

They are not part of the digest of a run, since the progress of boosting depends on time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import Field, TypeAdapter

from evonas.runs.checksums import put_about
from evonas.runs.records import from_text
from genomes.codec import canonical_json
from genomes.errors import InputError

__all__ = ["BaselineModel", "Baselines", "BaselinesReader", "BaselinesWriter"]

_KEY = "baselines"
Scores = Mapping[str, Annotated[float, Field(allow_inf_nan=False)]]


@dataclass(frozen=True)
class BaselineModel:
    """A model and its scores, in the units of the run's metrics.

    Attributes:
        name: display name, such as "gradient boosting".
        about: description, such as "HistGradientBoostingRegressor, 120 trees".
        complete: whether training was completed.
        rows: number of training rows used.
        seconds: processor time so far.
        validation, test: metric -> score; under cross-validation, the mean over folds, and on the test rows the score
            of the first fold, as for networks.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    name: str
    about: str
    complete: bool
    rows: int
    seconds: float
    validation: Scores = field(default_factory=dict)
    test: Scores = field(default_factory=dict)


@dataclass(frozen=True)
class Baselines:
    """Results of the baselines.

    Attributes:
        models: models with scores, gradient boosting first.
        missing: one line with the reason why a model is missing or incomplete; empty if all are complete.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    models: tuple[BaselineModel, ...] = ()
    missing: str = ""

    @property
    def complete(self) -> bool:
        """Whether all models are completely trained."""
        return bool(self.models) and not self.missing and all(model.complete for model in self.models)


_BASELINES = TypeAdapter(Baselines)


class BaselinesReader:
    """Reads the baselines from the database of a run."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def found(self) -> Baselines | None:
        """The results so far; None if no baselines were requested, as in older runs."""
        row = self._connection.execute("SELECT value FROM about WHERE key = ?", (_KEY,)).fetchone()
        try:
            return from_text(_BASELINES, row[0]) if row else None
        except ValueError as error:
            raise InputError(
                f"baselines of the run must be as evonas wrote them ({error}): restore it from a copy"
            ) from None


class BaselinesWriter(BaselinesReader):
    """Also writes them; for the run's single writer."""

    def __init__(self, connection: sqlite3.Connection, commit: Callable[[Callable[[], None]], None]) -> None:
        """`commit(rows)` must call `rows` in a transaction."""
        super().__init__(connection)
        self._commit = commit

    def note(self, baselines: Baselines) -> None:
        """Commits the results, replacing earlier ones."""
        value = canonical_json(asdict(baselines))
        self._commit(lambda: put_about(self._connection, _KEY, value))
