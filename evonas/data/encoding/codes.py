"""Numeric codes of raw rows for model formats without text, and their JSON description.

Numeric columns are unchanged. A text becomes its index in a list, a date eight numbers, free text a 0 or 1 for each
known word; everything else (imputation, scaling, one-hot features, the calendar) is part of the model. Does not import
pandas.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.cells import FLAGS
from evonas.data.encoding.bag_of_words import PUNCTUATION, BagOfWords
from evonas.data.encoding.bag_of_words import words_of as cut
from evonas.data.encoding.preprocessor import ARRAY, DATE_PARTS, Categories, Number, Preparation, Step
from evonas.data.encoding.samples import SamplePreparation
from evonas.data.encoding.tokens import FIRST_WORD, TextPreparation, text_ids
from evonas.data.notation import PLAIN
from evonas.data.read_options import MISSING

__all__ = [
    "DATE_FIELDS",
    "DATE_PATTERN",
    "code_rows",
    "code_width",
    "coding_of",
    "has_text",
    "is_date",
    "missing_texts",
    "words_of",
]

#: Fields that encode a date; zeros if it is missing or invalid.
DATE_FIELDS = ("year", "month", "day", "hour", "minute", "second", "zone_hours", "zone_minutes")
_TIME = (
    r"(?:[ Tt:]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]{1,9})?)?"
    r"(?:[Zz]|([+-][0-9]{2})(?::?([0-9]{2}))?)?)?$"
)
#: Pattern of dates with the year first, with one group per field, to be matched at the beginning of a cell.
DATE_PATTERN = r"(?=[0-9]{4}(?:-[0-9]+-|/[0-9]+/))([0-9]{4}).([0-9]{1,2}).([0-9]{1,2})" + _TIME


def date_pattern(format: str) -> str:
    """Like `DATE_PATTERN`, for a column with an additional date format; not for formats with a month's name."""
    if not format or "b" in format or format == "Ymd":
        return DATE_PATTERN
    mark, parts = re.escape(format[1]), {"d": "[0-9]{1,2}", "m": "[0-9]{1,2}", "Y": "[0-9]{4}", "y": "[0-9]{2}"}
    year = format.strip("dm./-")
    own = [parts[letter] for letter in format[::2]]
    first = [parts["Y"], parts["m"], parts["d"]]
    groups = ""
    for letter in (year, "m", "d"):
        before = mark.join((*own[: format[::2].index(letter)], ""))
        iso = "".join(f"{part}[-/]" for part in first[: "Ymd".index(letter.upper() if letter == "y" else letter)])
        both = f"{parts['Y']}|{parts['y']}" if letter == "y" else parts[letter]
        groups += f"(?=(?:(?={parts['Y']}[-/]){iso}|{before})({both}))"
    dates = [mark.join(own), "-".join(first), "/".join(first)]
    return f"{groups}(?:{'|'.join(dates)}){_TIME}"


def has_text(preparation: Preparation | None) -> bool:
    """Whether a model on the raw columns takes text."""
    return preparation is not None and preparation.takes_text()


def is_date(step: Step) -> bool:
    """Whether the step extracts a part of a date."""
    return isinstance(step, Number) and step.part in DATE_PARTS


def code_width(step: Step) -> int:
    """Number of columns that encode a text column."""
    return len(step.words) if isinstance(step, BagOfWords) else len(DATE_FIELDS) if is_date(step) else 1


def words_of(step: Step) -> list[str]:
    """The texts of a column that a model knows, in the order of their codes from 1 on; all others have code 0."""
    if isinstance(step, Categories):
        return list(step.categories)
    if isinstance(step, Number) and step.part == "present":
        return ["", *sorted(MISSING - {""})]
    return [word for yes in (1.0, 0.0) for text, flag in FLAGS.items() if flag == yes for word in cases(text)]


def cases(word: str) -> list[str]:
    """All spellings of a word for yes or no, with each letter in upper or lower case."""
    ways = itertools.product(*(dict.fromkeys((letter, letter.upper())) for letter in word))
    return ["".join(letters) for letters in ways]


def coding_of(preparation: Preparation, coded: bool = True) -> list[dict[str, Any]]:
    """The computation of each input of a model from raw columns, as JSON values; see `docs/coding.md`.

    Each entry has a "name", that of the model's input, a "dtype" and a "kind": "number", "text" (with its "values"),
    "date" (with its "pattern" and "fields"), "words" (with its "values" and the "punctuation" that is removed) or
    "tokens" (also with the "length" of a text and the id of the "first" word), each with a "column"; or "array" (with
    its "columns", or the "shape" of a row such as an image). A text that is not `coded` has neither values nor fields.
    """
    if isinstance(preparation, TextPreparation):
        return _coding_of_tokens(preparation, coded)
    if isinstance(preparation, SamplePreparation):
        return [{"name": ARRAY, "kind": "array", "columns": [], "dtype": "float32", "shape": list(preparation.shape)}]
    if preparation.array:
        columns = [] if preparation.shape else list(preparation.array)
        array: dict[str, Any] = {"name": ARRAY, "kind": "array", "columns": columns, "dtype": "float32"}
        return [array | {"shape": list(preparation.shape)} if preparation.shape else array]
    names, steps = preparation.input_names(), {step.column: step for step in reversed(preparation.steps)}
    coding: list[dict[str, Any]] = []
    for column in preparation.columns():
        step, place = steps[column], {"name": names[column], "column": column}
        if step.form == "number":
            coding.append({**place, "kind": "number", "dtype": "float32", **_notation(preparation, column)})
        elif not coded:
            coding.append({**place, "kind": "text", "dtype": "string"})
        elif is_date(step):
            pattern = date_pattern(preparation.dates_of(column))
            date = {"kind": "date", "dtype": "int32", "pattern": pattern, "fields": list(DATE_FIELDS)}
            coding.append(place | date)
        elif isinstance(step, BagOfWords):
            words = {"values": list(step.words), "punctuation": PUNCTUATION.decode()}
            coding.append({**place, "kind": "words", "dtype": "int32", **words})
        else:
            coding.append({**place, "kind": "text", "dtype": "int32", "values": words_of(step)})
    return coding


def _coding_of_tokens(preparation: TextPreparation, coded: bool) -> list[dict[str, Any]]:
    place = {"name": preparation.input_names()[preparation.column], "column": preparation.column}
    if not coded:
        return [{**place, "kind": "text", "dtype": "string"}]
    words = {"values": list(preparation.words), "punctuation": PUNCTUATION.decode()}
    return [{**place, "kind": "tokens", "dtype": "int32", "length": preparation.length, "first": FIRST_WORD, **words}]


def _notation(preparation: Preparation, column: str) -> dict[str, Any]:
    """The notation of a column's numbers in the file, if it differs from 1234.5."""
    notation = next((each.notation for each in preparation.written if each.column == column), None)
    return {} if notation is None or notation == PLAIN else {"written": asdict(notation)}


def missing_texts(coding: Sequence[Mapping[str, Any]]) -> list[str]:
    """Cells of a CSV file that mean "no value" to evonas, except those that are a value of some column.

    A column used for its presence only lists all of them, which does not make them values.
    """
    lists = [set(each.get("values", ())) for each in coding if each["kind"] == "text"]
    values = {value for each in lists if not each >= MISSING for value in each}
    return sorted(MISSING - values | {""})


def code_rows(rows: Any, coding: Sequence[Mapping[str, Any]]) -> Any:
    """Encodes raw rows, as returned by `Preparation.inputs`, as numbers.

    Returns:
        Name of the input -> array `(num_samples, 1)`, `(num_samples, 8)` for a date, one column per word for free text,
        or `(num_samples, length)` of word ids; a single array is returned unchanged.
    """
    if not isinstance(rows, Mapping):
        return rows
    return {each["name"]: _encode(rows[each["name"]], each) for each in coding}


def _encode(cells: NDArray[Any], how: Mapping[str, Any]) -> NDArray[Any]:
    if how["kind"] == "number":
        return cells.astype(np.float32)[:, None]
    if how["kind"] == "text":
        codes = {value: code for code, value in enumerate(how["values"], start=1)}
        return np.array([[codes.get(cell, 0)] for cell in cells], np.int32).reshape(-1, 1)
    if how["kind"] == "tokens":
        return text_ids(cells, how["values"], how["length"])
    if how["kind"] == "words":
        texts = [set(cut(cell)) for cell in cells]
        return np.array([[word in text for word in how["values"]] for text in texts], np.int32)
    found = [re.match(how["pattern"], cell) for cell in cells]
    nothing = [0] * len(how["fields"])
    fields = [[int(part) for part in match.groups("0")] if match else nothing for match in found]
    return np.array(fields, np.int32).reshape(-1, len(nothing))
