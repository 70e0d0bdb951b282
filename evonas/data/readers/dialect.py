"""`Dialect`: the separator of a text file, the line at which its table begins, and the names of its columns.

Detected from the first megabyte: the separator is the one that splits most lines into the same number of cells. Lines
above the header ("sep=;", comments, a title) are skipped and reported.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from evonas.data.read_options import ReadOptions
from evonas.data.readers.text import Scan, decode
from evonas.io.opened import Opened
from genomes.errors import InputError

__all__ = ["ALIGNED", "Dialect", "find_dialect", "parse_rows"]

MOST_COLUMNS = 100_000
_HEAD = 1 << 20
#: Maximum length of a header, since a dozen separators are tried: 100,000 names of 160 characters.
_LONGEST_HEADER = 1 << 24
_ROWS = 200
_SEPARATORS = ",;\t|"
#: Stands for the separator where columns are aligned by any number of spaces and tabs.
ALIGNED = "  "
#: Used only if the header contains none of the usual separators; Hive writes control characters.
_RARE_SEPARATORS = (" ", ALIGNED, ":", "^", "~", "\x01", "\x1f", "\u00a6", "\u00a7")
_SEPARATOR_LINE = re.compile(r"\s*\"?sep=(.)\"?\s*", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_RULE = re.compile(r"[-=+: ]*(--|:-|-:)[-=+: ]*")


@dataclass(frozen=True)
class Dialect:
    """How to split the lines of a text file into cells.

    Attributes:
        separator: one character, or `ALIGNED`.
        names: names of the columns, including those that precede the header's.
        width: cells per row; cells beyond the names are empty in every row.
        skipped: number of characters before the first row.
        lines: number of lines before the first row.
        quote: the quote character; "" if quotes are ordinary characters.
        escape: the character that escapes a quote within quotes, "" if quotes are doubled.
        spaced: whether spaces precede quotes, which one of the two parsers treats as part of the cell.
        comment: prefix of comment lines; "" for none.
        notes: messages for the user about what was detected.
    """

    separator: str
    names: tuple[str, ...]
    width: int
    skipped: int
    lines: int
    quote: str = '"'
    escape: str = ""
    spaced: bool = False
    comment: str = ""
    notes: tuple[str, ...] = ()


#: A row, and the number of lines of the file up to its end.
_Row = tuple[list[str], int]
#: A line, and its number in the file.
_Line = tuple[int, str]


def find_dialect(source: Opened, text: Scan, options: ReadOptions) -> Dialect:
    """Detects the dialect of a text file.

    Raises:
        InputError: the file does not begin with column names, or two of them are equal.
    """
    every = _head(source, text.encoding)
    if options.skip_rows and options.skip_rows >= len(every):
        raise InputError(
            f"skip_rows must be fewer than the lines of {source.path}, not {options.skip_rows}: count them again"
        )
    lines = _fill(every[options.skip_rows :])
    separator = options.separator
    if lines and (declared := _SEPARATOR_LINE.fullmatch(lines[0][1].rstrip("\r\n"))):
        separator = separator or declared[1]
        lines = lines[1:]
    notes: list[str] = []
    lines = _without_comments(lines, options.comment, separator, notes)
    if not lines:
        raise InputError(
            f"{source.path} must begin with a line of column names, not a blank one: remove blank lines, add a header"
        )
    sample = [line for _, line in lines[:_ROWS]]
    quote = "'" if re.fullmatch(r"\s*'[^']*'(\s*[^\w\s']\s*'[^']*')*\s*", sample[0]) else '"'
    separator = separator or _separator(sample, quote)
    if separator == " " and len({len(row) for row, _ in _rows(lines[:_ROWS], " ", quote, "")}) > 1:
        separator = ALIGNED
    if _never_closes(sample, separator, quote):
        quote = ""
        notes.append(f"quotes in {source.path.name} are read literally: they are not closed within their rows")
    spaced = rf"{re.escape(separator)} +{quote}" if separator not in (" ", ALIGNED) and quote else r"\Z."
    escape = "\\" if text.escaped and _needs_escape(sample, separator) else ""
    rows = _rows(lines, separator, quote, escape)
    if not options.skip_rows and (titles := _titles([row for row, _ in rows])):
        rows = rows[titles:]
        notes.append(f"{titles} line{'s' * (titles > 1)} above the header of {source.path.name} skipped")
    (header, end), *body = rows or [([], 0)]
    if body and header and _is_rule(body[0][0]):
        end = body.pop(0)[1]  # a line of dashes below the header, as database clients draw it
    names, width = _shape([name.strip("\ufeff \t") for name in header], [row for row, _ in body], notes)
    return Dialect(
        separator,
        tuple(_check(names, source)),
        width,
        sum(len(line) for _, line in every[:end]),
        end,
        quote,
        escape,
        any(re.search(spaced, line) for line in sample),
        options.comment,
        tuple(notes),
    )


def _head(source: Opened, encoding: str) -> list[_Line]:
    with decode(source, encoding) as file:
        text = file.read(_HEAD)
        if len(text) == _HEAD:
            rest = file.readline(_LONGEST_HEADER)  # the header is read completely
            if len(rest) == _LONGEST_HEADER:
                raise InputError(
                    f"{source.path} must have lines of fewer than {_LONGEST_HEADER:,} characters at its beginning: is "
                    "it a table?"
                )
            text += rest
    return list(enumerate(re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)))


def _fill(lines: list[_Line]) -> list[_Line]:
    """Drops leading blank lines."""
    start = next((index for index, (_, line) in enumerate(lines) if line.strip("\ufeff\r\n \t\v\f")), len(lines))
    return lines[start:]


def _without_comments(lines: list[_Line], comment: str, separator: str, notes: list[str]) -> list[_Line]:
    """Drops comment lines; if no prefix is given, drops leading lines that begin with "#"."""
    if comment:
        return _fill([line for line in lines if not line[1].lstrip().startswith(comment)])
    skipped = 0
    while lines and lines[0][1].lstrip().startswith("#"):
        rest = _fill(lines[1:])
        if rest and not rest[0][1].lstrip().startswith("#"):
            marks = separator or _separator([line for _, line in rest[:_ROWS]])
            count = lines[0][1].count(marks)
            if count and count == rest[0][1].count(marks) and _has_number(rest[0][1], marks):
                break  # "#id,name" above "1,x"
        skipped += 1
        lines = rest
    if skipped:
        what = "1 line that begins" if skipped == 1 else f"{skipped} lines that begin"
        notes.append(f"{what} with '#' above the header skipped as a comment")
    return lines


def _is_rule(cells: list[str]) -> bool:
    """Whether these cells form a rule, as databases and Markdown draw below the header."""
    drawn = [cell for cell in map(str.strip, cells) if cell]
    return bool(drawn) and all(map(_RULE.fullmatch, drawn))


def _titles(rows: list[list[str]]) -> int:
    """Counts title rows above the header: a title has one non-empty cell where the table has many."""
    counts = Counter(map(len, rows))
    width = max(counts, key=lambda count: (counts[count], count)) if counts else 0
    for titles, row in enumerate(rows[:-1]):
        names = [cell.strip() for cell in row]
        if (sum(map(bool, names)) <= 1 and (len(row) < width or width > 2)) or (titles and len(row) != width):
            continue
        named = len(row) == width > 1 and all(names[1:-1]) and not any(map(_NUMBER.fullmatch, names))
        return titles if named and sum(map(bool, names)) > 1 else 0
    return 0


def _never_closes(lines: Sequence[str], separator: str, quote: str) -> bool:
    """Whether quotes join lines that would otherwise be whole rows, and are not closed at the end of a cell."""
    if all(line.count(quote) % 2 == 0 for line in lines):
        return False
    widths = {len(row) for row in parse_rows(lines, (separator, "", ""), strict=False)}
    if len(widths) > 1 or widths <= {1}:
        return False
    try:
        for _ in parse_rows(lines, (separator, quote, "")):
            pass
    except csv.Error as error:
        return "unexpected end" not in str(error)
    return False


def _has_number(line: str, separator: str) -> bool:
    return any(_NUMBER.fullmatch(cell.strip().strip('"')) for cell in line.split(separator))


def _separator(lines: Sequence[str], quote: str = '"') -> str:
    """Returns the separator that splits most lines into the same number of cells.

    Ties are broken in favour of separators that split the header into as many cells, or one fewer (row names, or a
    separator at the end of rows); among these, the one that gives the most cells.
    """
    sample = list(enumerate(line for line in lines[:_ROWS] if line.strip()))
    best, chosen = (-1.0, False, 0), ""
    for candidate in _SEPARATORS:
        counts = [len(row) for row, _ in _rows(sample, candidate, quote, "")]
        wide = [count for count in counts if count > 1]
        if not wide or counts[0] == 1 == len(counts):
            continue
        (width, times), *_ = Counter(wide).most_common(1)
        share = round(times / len(counts), 2)
        if counts[0] == 1 and times < len(counts) - 1:
            share /= 2  # absent from the header
        score = (share, counts[0] > 1 and width - counts[0] in (0, 1), width)
        if score > best:
            best, chosen = score, candidate
    found = [row for row, _ in _rows(sample, chosen or ",", quote, "")]
    if (found and len(found[0]) > 1) or _titles(found):
        return chosen
    for candidate in _RARE_SEPARATORS:
        counts = [len(row) for row, _ in _rows(sample, candidate, quote, "")]
        if len(counts) > 1 and counts[0] > 1 and set(counts[1:]) <= {counts[0], counts[0] + 1}:
            return candidate
    return chosen or ","


def _needs_escape(lines: Sequence[str], separator: str) -> bool:
    """Whether the lengths of rows agree better if a backslash escapes a quote."""
    alike = []
    for escape in ("", "\\"):
        counts = Counter(len(row) for row, _ in _rows(list(enumerate(lines)), separator, '"', escape))
        alike.append(max(counts.values(), default=0))
    return alike[1] >= alike[0]


def parse_rows(lines: Any, dialect: Dialect | tuple[str, str, str], strict: bool = True) -> Any:
    """Returns the standard library's CSV reader of these lines."""
    if isinstance(dialect, Dialect):
        dialect = (dialect.separator, dialect.quote, dialect.escape)
    separator, quote, escape = dialect
    aligned = separator == ALIGNED
    if aligned:
        lines = (line.replace("\t", " ").rstrip() + "\n" for line in lines)
    return csv.reader(
        lines,
        delimiter=" " if aligned else separator,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        escapechar=escape or None,
        skipinitialspace=aligned or separator != " ",
        strict=strict,
    )


def _rows(lines: Sequence[_Line], separator: str, quote: str, escape: str) -> list[_Row]:
    """Returns the first rows that are not blank."""
    found: list[_Row] = []
    reader = parse_rows((line for _, line in lines), (separator, quote, escape), strict=False)
    with suppress(csv.Error):  # errors are reported when all rows are read
        for row in reader:
            if len(row) > 1 or any(map(str.strip, row)):
                found.append((row, lines[reader.line_num - 1][0] + 1))
            if len(found) == _ROWS:
                break
    return found


def _shape(names: list[str], body: Sequence[Sequence[str]], notes: list[str]) -> tuple[list[str], int]:
    """Returns the names of all columns and the number of cells per row."""
    widths = {len(row) for row in body}
    if len(widths) != 1 or not names or widths == {len(names)}:
        return names, len(names)
    (width,) = widths
    if width < len(names) and not any(names[width:]):
        return names[:width], width  # a separator at the end of the header only
    if width > len(names) and not any(cell.strip() for row in body for cell in row[len(names) :]):
        return names, width  # or at the end of all rows only
    first = [row[0].strip() for row in body]
    counting = [cell.isdecimal() for cell in first]
    named = all(counting) and [int(cell) - int(first[0]) for cell in first] == list(range(len(first)))
    named = named or not any(_NUMBER.fullmatch(cell) for cell in first)
    if width == len(names) + 1 and len(body) > 1 and len(set(first)) == len(first) and named:
        notes.append("rows have one cell more than the header: the first is treated as their names")
        return ["", *names], width
    return names, len(names)


def _check(names: list[str], source: Opened) -> Iterator[str]:
    path = source.path
    if not names:
        raise InputError(f"{path} must begin with a line of column names, not a blank one: remove blank lines")
    if len(names) > MOST_COLUMNS:
        raise InputError(
            f"{path} must have at most {MOST_COLUMNS:,} columns, not {len(names):,}: a column is what lies between two "
            "separators of one line; transpose the table or choose columns"
        )
    if len(names) == 1 and (marks := [mark for mark in _SEPARATORS if names[0].count(mark) > 1]):
        raise InputError(
            f"{path} must have cells that are quoted individually, but its first line is one cell, {names[0]!r:.60}, "
            f"with {marks[0]!r} in it: save the table again without quotes around rows (or name another --separator)"
        )
    numbers = [name for name in names if _NUMBER.fullmatch(name)]
    if len(numbers) == len(names) and (len(set(names)) < len(names) or any(not name.isdecimal() for name in names)):
        raise InputError(
            f"{path} must begin with a line of column names, not of numbers ({', '.join(names[:4])}): add a header line"
        )
    called = [name or f"Unnamed: {index}" for index, name in enumerate(names)]
    if len(set(called)) < len(called):
        first: dict[str, int] = {}
        for index, name in enumerate(called, start=1):
            if first.setdefault(name, index) != index:
                if _NUMBER.fullmatch(name):
                    raise InputError(
                        f"{path} must begin with a line of column names, but its first line looks like a row "
                        f"({', '.join(called[:4])}): add a header line"
                    )
                raise InputError(
                    f"column names must differ, but columns {first[name]} and {index} of {path} are both {name!r}: "
                    "rename one"
                )
    yield from called
