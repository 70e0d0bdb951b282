"""Column roles: how each column of a table is interpreted, and why. Imports pandas inside functions only."""

from __future__ import annotations

import enum
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evonas.data.cells import FLAGS, flags, kind_of, numbers, row_number, seconds, texts
from evonas.data.encoding.bag_of_words import words_of
from evonas.data.notation import number_of
from evonas.io.printable import printable
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Column", "ColumnPlan", "Role", "describe_mixed_column", "infer_columns"]

_ID_NAME = re.compile(r"(.*[^a-z])?(id|ids|uuid|guid|index|key|row|rownum|rownames?)|unnamed: \d+|", re.IGNORECASE)
#: Numbers with a decimal comma or thousands separators.
_COMMAS = re.compile(r"[+-]?(\d+,\d+|\d{1,3}([,.'\u2019\s]\d{3})+([.,]\d+)?)")
_ENDS_IN_ID = re.compile(r".*[a-z](Id|ID)")


class Role(enum.StrEnum):
    """The role of a column. Columns with the last three roles are not used by the network."""

    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    CATEGORICAL = "categorical"
    DATE = "date"
    TEXT = "text"
    PRESENCE = "presence"
    IDENTIFIER = "identifier"
    CONSTANT = "constant"
    DROPPED = "dropped"


#: Numbers drawn from a numbered table: minimum count, maximum first number, and minimum share of numbers in descending
#: order, of which a random order has half, and a time with gaps, which is worth learning from, none.
_FEWEST_DRAWN, _FIRST_DRAWN, _LEAST_DESCENTS = 50, 20, 0.25
#: Maximum number of constant columns that are named one by one.
MANY = 10
UNUSED = (Role.IDENTIFIER, Role.CONSTANT, Role.DROPPED)


@dataclass(frozen=True)
class Column:
    """One column's role.

    Attributes:
        name: name of the column.
        role: how it is interpreted.
        missing: number of missing values.
        distinct: number of distinct values.
        reason: reason for the role, one line for the user.
        warning: anything that the user may not expect; empty if there is nothing.
    """

    name: str
    role: Role
    missing: int
    distinct: int
    reason: str
    warning: str = ""


@dataclass(frozen=True)
class ColumnPlan:
    """The roles of a table's columns except the target, in the table's order."""

    columns: tuple[Column, ...]

    def used(self) -> tuple[Column, ...]:
        """The columns that are used as features."""
        return tuple(column for column in self.columns if column.role not in UNUSED)

    def notes(self) -> tuple[str, ...]:
        """One line for each column that is not used, or not used as the user may expect."""
        constant = [column for column in self.columns if column.role is Role.CONSTANT]
        many = constant if len(constant) > MANY else []  # for example the edges of images
        lines = [
            f"column {column.name!r} is {'not used' if column.role in UNUSED else 'used as present or missing only'}: "
            f"{column.reason}"
            for column in self.columns
            if column.role in (*UNUSED, Role.PRESENCE) and column not in many
        ]
        if many:
            shown = ", ".join(repr(column.name) for column in many[:5])
            lines.append(f"{len(many)} columns are not used: the same value, or none, in every row ({shown}, ...)")
        return (*lines, *(f"column {c.name!r} {c.warning}" for c in self.columns if c.warning))

    def to_json(self) -> list[dict[str, Any]]:
        """As JSON values."""
        return [asdict(column) for column in self.columns]

    def __str__(self) -> str:
        """A readable table with one line per column."""
        rows = [("column", "role", "missing", "distinct", "why")]
        rows += [
            (printable(c.name), c.role.value, str(c.missing), str(c.distinct), printable(c.reason))
            for c in self.columns
        ]
        widths = [max(len(row[index]) for row in rows) for index in range(4)]
        return "\n".join(
            f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}  {row[4]}"
            for row in rows
        )


#: Roles that users can specify.
ASKED = (Role.NUMERIC, Role.BOOLEAN, Role.CATEGORICAL, Role.DATE, Role.TEXT)


def infer_columns(
    frame: pd.DataFrame,
    *,
    drop: Sequence[str] = (),
    find_identifiers: bool = True,
    roles: Mapping[str, str] | None = None,
    count: int | None = None,
) -> ColumnPlan:
    """Assigns a role to every column of `frame`, which does not contain the target.

    Args:
        frame: the feature columns, shape `(num_samples, num_columns)`.
        drop: names of columns that the user excludes.
        find_identifiers: whether to recognise integers that merely number the rows; not wanted for arrays without
            column names, whose columns were chosen deliberately.
        roles: column -> role given by the user: "numeric", "boolean", "categorical", "date" or "text".
        count: number of rows of the whole table, if `frame` holds only some of them; None if it holds all.

    Raises:
        InputError: a column with a given role has no value at all, a column holds an infinite or too large number or a
            value that is not a cell, or no column is left to learn from.
    """
    alone = frame.shape[1] - len(set(drop) & set(frame.columns)) == 1
    columns = []
    for name in frame.columns:
        if name in drop:
            columns.append(Column(name, Role.DROPPED, 0, 0, "excluded by the user"))
        elif roles is not None and name in roles:
            columns.append(_column_with_role(frame[name], roles[name]))
        else:
            columns.append(_infer_column(frame[name], find_identifiers and not alone, count or len(frame)))
    plan = ColumnPlan(tuple(columns))
    if not plan.used():
        reasons = (
            "; ".join(f"{column.name!r}: {column.reason}" for column in columns[:5]) or "the table has no other column"
        )
        raise InputError(f"a table must have at least one column to learn from ({reasons}): add one")
    return plan


def _column_with_role(series: pd.Series[Any], asked: str) -> Column:
    name = str(series.name)
    if asked not in ASKED:
        raise InputError(f"the role of column {name!r} must be one of {', '.join(ASKED)}, not {asked!r}: choose one")
    role = Role(asked)
    # Reading reports a cell that does not have the given role.
    readers: dict[Role, Callable[..., Any]] = {Role.NUMERIC: numbers, Role.BOOLEAN: flags, Role.DATE: _all_dates}
    values: np.ndarray[Any, Any] = readers[role](series) if role in readers else texts(series)
    absent = np.isnan(values) if role in readers else np.array([cell is None for cell in values])
    if absent.all():
        raise InputError(f"column {name!r} must have at least one value, not {len(absent)} missing ones: leave it out")
    distinct = len(set(values[~absent].tolist()))
    return Column(name, role, int(absent.sum()), distinct, "chosen by the user")


def _all_dates(series: pd.Series[Any]) -> np.ndarray[Any, Any]:
    stamps = seconds(series)
    wrong = np.isnan(stamps) & ~series.isna().to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"column {str(series.name)!r} must hold dates of one form, such as 2020-12-31, 31.12.2020 or 12/31/2020, "
            f"not {series.iloc[row]!r:.40} (data row {row_number(series, row)}): correct it or leave it empty"
        )
    return stamps


def _infer_column(series: pd.Series[Any], find_identifiers: bool, count: int) -> Column:
    name, kind = str(series.name), kind_of(series)
    cells = texts(series) if kind == "text" else series.dropna().to_numpy()
    present = cells[cells != np.array(None)] if kind == "text" else cells
    missing = len(series) - len(present)
    if not len(present):
        return Column(name, Role.CONSTANT, missing, 0, "no value in any row")
    distinct = len(set(present.tolist()))

    values = numbers(series) if kind == "number" else np.empty(0)
    warning = (
        _float32_warning(values)
        if kind == "number"
        else describe_mixed_column(cells, series=series)
        if kind == "text"
        else ""
    )

    def column(role: Role, reason: str) -> Column:
        return Column(name, role, missing, distinct, reason, warning)

    if distinct == 1:
        if missing:
            return column(Role.PRESENCE, "one value or none")
        return column(Role.CONSTANT, f"the same value in every row, {present.tolist()[0]!r:.40}")
    if kind == "boolean":
        return column(Role.BOOLEAN, "true or false")
    if kind == "date":
        return column(Role.DATE, "dates")
    if kind == "number":
        if find_identifiers and not missing and _identifies_rows(name, values, distinct, count):
            return column(Role.IDENTIFIER, "a different whole number in every row")
        if set(np.unique(values[~np.isnan(values)])) == {0.0, 1.0}:
            return column(Role.BOOLEAN, "0 or 1")
        return column(Role.NUMERIC, "numbers")
    return column(*_role_of_text(name, present, distinct, missing))


def _float32_warning(values: np.ndarray[Any, Any]) -> str:
    """The warning for numbers that are equal in float32, in which networks compute; empty if there are none."""
    distinct = np.unique(values[~np.isnan(values)])
    seen = len(np.unique(distinct.astype(np.float32)))
    if 2 * seen >= len(distinct):
        return ""
    return (
        f"holds {len(distinct)} numbers of which float32 distinguishes {seen}, from {distinct[0]:.15g} to "
        f"{distinct[-1]:.15g}: subtract the first from it if the others matter"
    )


def describe_mixed_column(
    cells: np.ndarray[Any, Any],
    fix: str = "leave such cells empty if it is to be numbers",
    series: pd.Series[Any] | None = None,
) -> str:
    """The warning for a text column with mostly numeric values; empty for others."""
    rows: dict[str, int] = {}
    for row, cell in enumerate(cells):
        if cell is not None and cell not in rows:
            rows[cell] = row + 1 if series is None else row_number(series, row)
    commas = [cell for cell in rows if _COMMAS.fullmatch(cell)]
    if commas and all(_COMMAS.fullmatch(cell) or _is_number(cell) for cell in rows):
        return (
            f"is treated as text, though its values look like numbers with commas or spaces in them, such as "
            f"{commas[0]!r:.40} (data row {rows[commas[0]]}): write 1234.5, with a point before the decimals and "
            "nothing else"
        )
    words = [cell for cell in rows if not _is_number(cell)]
    if not words or 2 * len(words) > len(rows) or all(cell.lower() in FLAGS for cell in rows):
        return ""
    return (
        f"is treated as text, though {len(rows) - len(words)} of its {len(rows)} values are numbers, because of "
        f"{words[0]!r:.40} (data row {rows[words[0]]}): {fix}"
    )


def _is_number(text: str) -> bool:
    return number_of(text) is not None


def _identifies_rows(name: str, values: np.ndarray[Any, Any], distinct: int, count: int) -> bool:
    """Whether the numbers merely identify rows.

    They do if they are distinct integers, and either number the rows (0..n-1 or 1..n in any order, possibly with gaps)
    or those of a table from which at least half of the rows were drawn at random, such as for training, or the column
    is named like an id.
    """
    if distinct != len(values) or not (values == np.floor(values)).all():
        return False
    omitted = count - len(values)
    counted = 0 <= values.min() <= 1 + omitted and values.max() - values.min() <= len(values) - 1 + omitted
    drawn = len(values) >= _FEWEST_DRAWN and 0 <= values.min() <= _FIRST_DRAWN and values.max() < 2 * len(values)
    drawn = drawn and (np.diff(values) < 0).mean() >= _LEAST_DESCENTS
    return bool(counted or drawn or _ID_NAME.fullmatch(name) or _ENDS_IN_ID.fullmatch(name))


def _role_of_text(name: str, present: np.ndarray[Any, Any], distinct: int, missing: int) -> tuple[Role, str]:
    if all(cell.lower() in FLAGS for cell in set(present)):
        return Role.BOOLEAN, "yes or no"
    if distinct == len(present) or (distinct > 10 and distinct > len(present) / 2):
        reason = f"text with {distinct} different values in {len(present)} rows identifies rows, not kinds of rows"
        if _has_words(present):
            reason += f"; if it is free text, --text {shlex.quote(name)} takes its words"
        return (Role.PRESENCE, reason) if missing else (Role.IDENTIFIER, reason)
    return Role.CATEGORICAL, f"text with {distinct} different values"


def _has_words(present: np.ndarray[Any, Any]) -> bool:
    """Whether most texts have several words."""
    some = present[:: max(1, len(present) // 1000)]
    return 2 * sum(len(words_of(cell)) > 2 for cell in some) > len(some)
