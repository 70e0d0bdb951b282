"""`ReadOptions`: the user's description of a table's file, and `Table`, the result of reading it. Does not import
pandas.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MISSING", "ReadOptions", "Style", "Table"]

#: Texts that mean "no value": those of pandas, "?" (UCI data sets) and "\\N" (MySQL and PostgreSQL dumps).
# fmt: off
MISSING = frozenset([
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null", "?", "\\N",
])
# fmt: on
#: All space characters that may serve as thousands separators.
SPACES = (" ", "\u00a0", "\u202f", "\u2009", "\u2007")
_THOUSANDS = (",", ".", "'", "\u2019", *SPACES)
_NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|"}
ORDERS = ("dmy", "mdy", "ymd")


@dataclass(frozen=True)
class ReadOptions:
    """Format of a file, to override detection. Fields left empty are detected.

    Attributes:
        separator: separator of cells: one character, or "tab", "comma", "semicolon", "space" or "pipe".
        encoding: Python name of the text encoding.
        decimal: decimal mark, "." or ",".
        thousands: the thousands separator: ",", ".", "'" or a space.
        skip_rows: number of lines before the header.
        comment: prefix of comment lines, such as "#".
        missing: texts that mean "no value", replacing the usual ones; an empty cell always does.
        date_order: "dmy" or "mdy", for dates such as 01/02/2020.
    """

    separator: str = ""
    encoding: str = ""
    decimal: str = ""
    thousands: str = ""
    skip_rows: int = 0
    comment: str = ""
    missing: tuple[str, ...] | None = None
    date_order: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "separator", _NAMED.get(self.separator, self.separator))
        thousands = {"space": " "}.get(self.thousands, self.thousands)
        object.__setattr__(self, "thousands", thousands)
        if len(self.separator) > 1 or self.separator in ('"', "\n", "\r"):
            raise InputError(
                f"separator must be one character, or tab, comma, semicolon, space or pipe, not {self.separator!r}: "
                "name the character between two cells"
            )
        if self.decimal not in ("", ".", ","):
            raise InputError(f"decimal must be '.' or ',', not {self.decimal!r}: name the decimal mark")
        if thousands and thousands not in _THOUSANDS:
            raise InputError(f"thousands must be ',', '.', \"'\" or a space, not {thousands!r}: choose one")
        if thousands and thousands == self.decimal:
            raise InputError(f"thousands must not be the decimal mark, {thousands!r}: leave one of them out")
        if isinstance(self.skip_rows, bool) or not isinstance(self.skip_rows, int) or self.skip_rows < 0:
            raise InputError(f"skip_rows must be a whole number, at least 0, not {self.skip_rows!r}: count the lines")
        if self.date_order not in ("", *ORDERS):
            raise InputError(f"date_order must be one of {', '.join(ORDERS)}, not {self.date_order!r}: choose one")
        if self.encoding:
            try:
                codecs.lookup(self.encoding).incrementaldecoder  # noqa: B018
                if not codecs.lookup(self.encoding)._is_text_encoding:
                    raise LookupError
            except (LookupError, ValueError):
                raise InputError(
                    f"encoding must be one that Python knows, such as cp1252 or utf-16, not {self.encoding!r}: "
                    "correct it"
                ) from None
        if self.missing is not None:
            object.__setattr__(self, "missing", tuple(map(str, self.missing)))

    @classmethod
    def from_arguments(
        cls,
        separator: str,
        encoding: str,
        decimal: str,
        thousands: str,
        skip_rows: int,
        comment: str,
        missing: Sequence[str] | None,
        date_order: str,
    ) -> ReadOptions:
        """Like the constructor, with `missing` as a string or a list."""
        words = [missing] if isinstance(missing, str) else missing
        known = None if words is None else tuple(words)
        return cls(separator, encoding, decimal, thousands, skip_rows, comment, known, date_order)

    @property
    def words(self) -> frozenset[str]:
        """Texts that mean "no value"."""
        return MISSING if self.missing is None else frozenset(["", *self.missing])


@dataclass(frozen=True)
class Style:
    """Notation of numbers and dates as known before a column is examined.

    Attributes:
        decimal, thousands, date_order: as given by the user, see `ReadOptions`.
        comma: whether the table uses decimal commas elsewhere, so that 1.234 means 1234.
        in_file: whether the table was read from text, in which labels have no type.
    """

    decimal: str = ""
    thousands: str = ""
    date_order: str = ""
    comma: bool = False
    in_file: bool = False


@dataclass(frozen=True, eq=False)
class Table:
    """A table read from a file.

    Attributes:
        frame: cells of the table.
        notes: messages about anything the user may not expect, one line each.
        style: notation of numbers and dates in the file.
        absent: column -> a text in it that was read as "no value", and its data row.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    style: Style = Style()
    absent: dict[str, tuple[str, int]] = field(default_factory=dict)
