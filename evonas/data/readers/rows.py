"""The rows of a text file in batches of text columns, parsed by pyarrow or by the standard library.

The latter is slower, but accepts what pyarrow cannot parse (spaces before quotes) and locates errors.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evonas.data.readers.dialect import ALIGNED, Dialect, parse_rows
from evonas.data.readers.text import LONGEST_LINE, Scan, decode, utf8_stream
from evonas.io.opened import Opened
from genomes.errors import InputError

__all__ = ["Unfit", "arrow_rows", "plain_rows"]

BATCH_CHARACTERS = 1 << 22
BATCH_CELLS = 1 << 14
#: Every block takes several times its size: of 4 MiB, which is no faster, reading took 60 to 90 MB more.
BLOCK_BYTES = 1 << 20
#: An empty line, the footer that databases write below a table, or DOS's end-of-file character.
_NO_ROW = re.compile(r"|\([0-9,]+ rows?( affected)?\)|\+[-+=]+\+|\x1a")


class Unfit(Exception):
    """pyarrow cannot parse the file correctly."""


def arrow_rows(source: Opened, text: Scan, dialect: Dialect) -> Iterator[list[Any]]:
    """Yields batches of rows as columns of stripped text.

    Raises:
        Unfit: a row is not as wide as the header, or does not fit in one block.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv

    if len(dialect.separator.encode()) > 1:
        raise Unfit
    wanted = {f"f{index}": pa.string() for index in range(dialect.width)}
    try:
        with (
            utf8_stream(source, text.encoding, dialect.skipped, dialect.comment) as file,
            pyarrow.csv.open_csv(
                file,
                pyarrow.csv.ReadOptions(autogenerate_column_names=True, block_size=BLOCK_BYTES, use_threads=False),
                pyarrow.csv.ParseOptions(
                    delimiter=dialect.separator,
                    quote_char=dialect.quote or False,
                    escape_char=dialect.escape or False,
                    newlines_in_values=True,
                ),
                pyarrow.csv.ConvertOptions(column_types=wanted, strings_can_be_null=False),
            ) as reader,
        ):
            if len(reader.schema) != dialect.width:
                raise Unfit
            for batch in reader:
                if batch.num_rows:
                    yield [pc.utf8_trim_whitespace(column) for column in batch.columns]
    except pa.ArrowInvalid as error:
        if "Empty CSV file" not in str(error):
            raise Unfit from None


def plain_rows(source: Opened, text: Scan, dialect: Dialect) -> Iterator[list[Any]]:
    """Like `arrow_rows`, with the standard library.

    Raises:
        InputError: a row is malformed; the message names line, row and column.
    """
    import pyarrow as pa

    begun = _Begun(dialect.lines)
    try:
        with decode(source, text.encoding) as file:
            lines = _lines(file, source.path, dialect)
            for batch in _batches(parse_rows(lines, dialect), dialect, source.path, begun):
                yield [pa.array(cells, pa.string()) for cells in zip(*batch, strict=True)]
    except csv.Error as error:
        raise InputError(_not_csv(source, text, dialect, str(error), begun)) from None


@dataclass
class _Begun:
    """Number of lines and data rows that were read completely."""

    line: int
    rows: int = 0


def _not_csv(source: Opened, text: Scan, dialect: Dialect, error: str, begun: _Begun) -> str:
    """Message for a row that cannot be parsed; its fault often lies lines before the point where parsing failed."""
    column, fix = "", "close the quotes there"
    with decode(source, text.encoding) as file:
        line = next(itertools.islice(file, begun.line, None), "")
    with suppress(csv.Error, StopIteration):
        cells = next(parse_rows([line], dialect, strict=False))
        column = f", column {len(cells)}"
    # Unclosed quotes swallow all following lines.
    if "field limit" in error:
        error = f"a cell has more than {csv.field_size_limit():,} characters"
        fix = "shorten it, leave out the column, or close the quotes there"
    return f"{source.path} must be CSV, but: {error} (line {begun.line + 1}, data row {begun.rows + 1}{column}); {fix}"


def _lines(file: Any, path: Path, dialect: Dialect) -> Iterator[str]:
    for number in itertools.count(1):
        line = file.readline(LONGEST_LINE)
        if not line:
            return
        if len(line) == LONGEST_LINE:
            raise InputError(
                f"{path} must have lines of fewer than {LONGEST_LINE:,} characters, not line {number}: is it a table?"
            )
        if number > dialect.lines:
            comment = dialect.comment and line.lstrip().startswith(dialect.comment)
            yield "\n" if comment else line


def _fix(row: list[str], dialect: Dialect, lines: int) -> str:
    """Suggests a fix for a row that is not as wide as the header."""
    if sign := re.match(r"[#%!;]|//|--", row[0].strip()):
        return f"leave it out, or give the prefix of comment lines (--comment {sign[0]!r})"
    if len(row) == 1 and dialect.separator in row[0]:
        return "the whole row is quoted, which makes it one cell: save the table again without these quotes"
    if len(row) == 1:
        return f"correct it, or leave it out if it is not a row but text, such as {row[0].strip()!r:.40}"
    if dialect.width == 1 and lines <= 1:
        return "if the first line is a title, give the number of lines above the header (--skip-rows)"
    what = "runs of spaces" if dialect.separator == ALIGNED else repr(dialect.separator)
    return (
        f"correct it, or quote cells that hold the separator, which was detected as {what} (--separator overrides it)"
    )


def _batches(reader: Any, dialect: Dialect, path: Path, begun: _Begun) -> Iterator[list[list[str]]]:
    width, first = dialect.width, begun.line
    size = max(1, BATCH_CELLS // width)
    count, characters, batch = 0, 0, []
    for row in reader:
        if not row or (len(row) == 1 < width and _NO_ROW.fullmatch(row[0].strip())):
            continue
        count += 1
        if len(row) != width:
            raise InputError(
                f"every row of {path} must have {width} cells like the header, but data row {count} (line "
                f"{first + reader.line_num}) has {len(row)}: {_fix(row, dialect, first)}"
            )
        begun.line, begun.rows = first + reader.line_num, count
        batch.append([cell.strip() for cell in row])
        characters += sum(map(len, row))
        if len(batch) == size or characters > BATCH_CHARACTERS:
            yield batch
            characters, batch = 0, []
    if batch:
        yield batch
