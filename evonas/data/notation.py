"""`Notation`: the notation of numbers in a text column, detected from the whole column and used to parse it.

It covers decimal commas, thousands separators, a currency or percent sign, a trailing minus, and parentheses for a
minus. All cells of a column must agree; if two notations fit, the rest of the table decides. Does not import pandas.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, ClassVar, Literal

from evonas.data.read_options import MISSING, SPACES, Style

__all__ = ["ABSENT", "PLAIN", "Notation", "find_notation", "is_number_like", "number_of", "uses_decimal_commas"]

#: Words that mean "no value" among numbers, in addition to those that mean it everywhere.
# fmt: off
ABSENT = frozenset([
    "-", "--", "---", "\u2013", "\u2014", ".", "..", "...", "n.a.", "N.A.", "n. a.", "k.A.", "k. A.", "NV", "#NV",
    "#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?", "#NULL!", "#WERT!", "#BEZUG!", "#ZAHL!", "(null)", "NAN", "Nan",
    "NONE", "Null", "none", "na", "Na", "N/D", "n/d", "ND", "n.d.", "s/d",
])
_CODES = frozenset([
    "AED", "ARS", "AUD", "BGN", "BRL", "CAD", "CHF", "CLP", "CNY", "COP", "CZK", "DKK", "EGP", "EUR", "GBP", "HKD",
    "HUF", "IDR", "ILS", "INR", "ISK", "JPY", "KES", "KRW", "MAD", "MXN", "MYR", "NGN", "NOK", "NZD", "PEN", "PHP",
    "PKR", "PLN", "RON", "RSD", "RUB", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "UAH", "USD", "UYU", "VND", "ZAR",
])
# fmt: on
_SIGNS = "$\u00a2\u00a3\u00a4\u00a5\u058f\u060b\u09f2\u09f3\u0e3f\u20a0-\u20bf\ufdfc\uffe0\uffe1\uffe5"
#: Currency codes in letters; those with a point may precede a number.
_ABBREVIATIONS = frozenset(
    [
        *("Rs", "Rs.", "RS", "RS.", "Fr", "Fr.", "sFr.", "SFr.", "kr", "kr.", "Kr", "Kr.", "z\u0142", "K\u010d", "Ft"),
        *("lei", "Lei", "TL", "Euro", "EURO", "euro", "Eur", "eur", "\u0440\u0443\u0431", "\u0440\u0443\u0431."),
    ]
)
_CURRENCY = re.compile(rf"[A-Z]{{0,3}}[{_SIGNS}]")
_CELL = re.compile(r"([^0-9]*)([0-9](?:[0-9.,' ]*[0-9])?[.,]?)([eE][+-]?[0-9]+|[dD][+-][0-9]+)?([^0-9]*)")
_PLAINER = str.maketrans(
    dict.fromkeys(SPACES, " ")
    | dict.fromkeys("\u2019\u02bc\u00b4`", "'")
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d", "-")
    | {"\uff05": "%"}
)
#: A dash instead of cents: 5,- and 1'000.--
_NO_CENTS = re.compile(r"--?(?!-)")
#: Number formats, the likelier first: decimal mark and thousands separator.
_FORMS = ((".", ""), (",", ""), (".", ","), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"))
#: Maximum number of digits of an integer; longer ones are codes.
_LONGEST = 18

Decimal = Literal[".", ","]
Thousands = Literal["", ",", ".", " ", "'"]


@dataclass(frozen=True)
class Notation:
    """The notation of a column's numbers.

    Attributes:
        decimal: the decimal mark.
        thousands: the thousands separator; "" for none.
        unit: a currency or "%" before or after some of the numbers; percentages are not divided by 100: 12% is 12.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    decimal: Decimal = "."
    thousands: Thousands = ""
    unit: str = ""

    def number(self, cell: str) -> float:
        """Parses a cell; NaN for a word that means "no value".

        Raises:
            ValueError: the cell is not a number in this notation.
        """
        if cell in MISSING or cell in ABSENT:
            return math.nan
        found = _parse_cell(cell)
        if found is None or found.unit not in ("", self.unit) or not _matches_notation(found.core, self):
            plain = number_of(cell) if self.decimal == "." or not re.search("[.,]", cell) else None
            if plain is None:
                raise ValueError(cell)
            return plain
        return _value(found, self)

    def words(self, example: str) -> str:
        """A description of a column in this notation, with one of its cells as an example."""
        parts = []
        if self.decimal == ",":
            parts.append("a decimal comma")
        if self.thousands:
            names = {" ": "spaces", ".": "points", ",": "commas", "'": "apostrophes"}
            parts.append(f"{names[self.thousands]} between thousands")
        if self.unit == "%":
            parts.append("a percent sign (12% is read as 12)")
        elif self.unit:
            parts.append(f"a currency ({self.unit})")
        how = " and ".join(parts)
        return f"numbers with {how}, such as {example!r:.40}" if how else f"numbers as text, such as {example!r:.40}"


PLAIN = Notation()


@dataclass(frozen=True)
class _Cell:
    negative: bool
    core: str
    exponent: str
    unit: str
    enclosed: bool


def number_of(cell: str) -> float | None:
    """Parses a plain number with a decimal point, which may be infinite; None for any other text."""
    if "_" in cell or not cell.isascii():
        return None
    try:
        value = float(cell)
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _parse_cell(cell: str) -> _Cell | None:
    found = _CELL.fullmatch(cell.translate(_PLAINER))
    if found is None:
        return None
    before, core, exponent, behind = found.groups("")
    if before.endswith((".", ",")) and before.strip() not in _ABBREVIATIONS:
        before, core = before[:-1], before[-1] + core  # .5
    if core.endswith((".", ",")):
        behind = _NO_CENTS.sub("", behind, count=1) if behind.startswith("-") else behind
    if exponent[:1] in ("d", "D"):
        if core.isdecimal():
            return None  # 12D-05 is probably a name; Fortran writes a point
        exponent = "e" + exponent[1:]
    around = _affixes(before, behind)
    return None if around is None else _Cell(around[0], core, exponent, around[1], around[2])


@lru_cache(1024)
def _affixes(before: str, behind: str) -> tuple[bool, str, bool] | None:
    """Whether the characters around digits make them negative, the unit, and whether there are parentheses."""
    before, behind = before.strip(), behind.strip().removesuffix("/-").strip()
    enclosed = before.count("(") == 1 == behind.count(")")
    if enclosed:  # ($5), $(5) and (5)%
        before, behind = (part.replace(mark, "").strip() for part, mark in ((before, "("), (behind, ")")))
    signs = ""
    for _ in range(2):  # -$5 and $-5
        if before[:1] in ("+", "-"):
            signs, before = signs + before[0], before[1:].strip()
        elif before[-1:] in ("+", "-"):
            signs, before = signs + before[-1], before[:-1].strip()
    if behind.endswith("-"):
        signs, behind = signs + "-", behind[:-1].strip()
    units = [unit for unit in (before, behind) if unit]
    if len(units) > 1 or len(signs) > (0 if enclosed else 1):
        return None
    unit = units[0] if units else ""
    known = unit in ("", "%") or unit in _ABBREVIATIONS or unit in _CODES or _CURRENCY.fullmatch(unit)
    return (enclosed or signs == "-", unit, enclosed) if known else None


@cache
def _pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    mark, between = re.escape(decimal), re.escape(thousands)
    fraction = rf"(?:{mark}[0-9]*)?"
    if not thousands:
        return re.compile(rf"(?:(?:0|[1-9][0-9]*){fraction}|{mark}[0-9]+)")
    groups = rf"[1-9][0-9]{{0,2}}(?:{between}[0-9]{{3}})+"
    if thousands == ",":
        groups += rf"|[1-9][0-9]?(?:{between}[0-9]{{2}})+{between}[0-9]{{3}}"  # lakhs and crores
    return re.compile(rf"(?:(?:{groups}|0|[1-9][0-9]{{0,2}}){fraction}|{mark}[0-9]+)")


def _matches_notation(core: str, notation: Notation) -> bool:
    if _pattern(notation.decimal, notation.thousands).fullmatch(core):
        return True
    # A cell below a thousand, or one without separators.
    return bool(notation.thousands) and bool(_pattern(notation.decimal, "").fullmatch(core))


def _value(cell: _Cell, notation: Notation) -> float:
    digits = cell.core.replace(notation.thousands, "") if notation.thousands else cell.core
    value = float(digits.replace(notation.decimal, ".") + cell.exponent)
    return -value if cell.negative else value


def find_notation(cells: Iterable[str | None], style: Style, asked: bool = False) -> Notation | None:
    """The notation in which all cells of a column are numbers; None if there is none.

    Args:
        cells: cells of the column, None if missing.
        style: further knowledge about the notation.
        asked: whether the user declares the column numeric, so that leading zeros are ignored.
    """
    texts = {cell for cell in cells if cell is not None} - ABSENT - MISSING
    found = _parse_cells(texts)
    if not found:
        return None
    units = {cell.unit for cell in found} - {""}
    if len(units) > 1 or all(cell.enclosed for cell in found):
        return None
    cores = {cell.core for cell in found}
    if not asked and any(_is_code(core) for core in cores):
        return None
    forms = [form for form in _FORMS if _fits(form, cores, style)]
    if not forms:
        return None
    wanted = "," if style.comma else "."
    decimal, thousands = next((form for form in forms if form[0] == wanted), forms[0])
    if forms[0] == (".", "") and not any(re.search("[.,]", core) for core in cores):
        decimal, thousands = ".", ""  # integers have neither
    return Notation(decimal, thousands, next(iter(units), ""))  # type: ignore[arg-type]


def is_number_like(cell: str) -> bool:
    """Whether a cell may be a number in some notation, or means "no value"."""
    return cell in ABSENT or cell in MISSING or _parse_cell(cell) is not None


def _parse_cells(texts: Collection[str]) -> list[_Cell]:
    found = []
    for text in texts:
        cell = _parse_cell(text)
        if cell is None:
            return []
        found.append(cell)
    return found


def _is_code(core: str) -> bool:
    """Whether the digits are an identifier: 00123, or more digits than a numeric type holds."""
    return bool(re.match("0[0-9]", core)) or (core.isdecimal() and len(core) > _LONGEST)


def _fits(form: tuple[str, str], cores: Collection[str], style: Style) -> bool:
    decimal, thousands = form
    given = {" " if style.thousands in SPACES else style.thousands.replace("\u2019", "'")} - {""}
    if style.decimal not in ("", decimal) or (given and thousands not in ("", *given)) or decimal in given:
        return False
    if thousands and not any(thousands in core for core in cores):
        return False
    pattern = _pattern(decimal, thousands)
    return all(pattern.fullmatch(core) for core in cores)


def uses_decimal_commas(cells: Iterable[str | None]) -> bool:
    """Whether the cells are numbers whose commas can only be decimal commas."""
    texts = {cell for cell in cells if cell is not None} - ABSENT - MISSING
    cores = {cell.core for cell in _parse_cells(texts)}
    if not cores or any(_is_code(core) for core in cores):
        return False
    forms = [form for form in _FORMS if _fits(form, cores, Style())]
    return bool(forms) and all(decimal == "," for decimal, _ in forms)
