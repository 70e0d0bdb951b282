"""Numbers and dates written as text: one parser for features, target and time column, applied to the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from evonas.data.dates import find_format, instants
from evonas.data.notation import find_notation
from evonas.data.prepare import prepare_table
from evonas.data.read_options import Style
from genomes.errors import InputError

EUROPEAN = Style(comma=True)
NUMBERS: dict[str, tuple[list[str], Style, list[float]]] = {
    "decimal commas": (["0,13", "-0,5", "12"], Style(), [0.13, -0.5, 12]),
    "points between thousands": (["1.234,56", "7,1"], Style(), [1234.56, 7.1]),
    "commas between thousands": (["1,000", "12,345,678"], Style(), [1000, 12345678]),
    "one comma, in a table of commas": (["1,000", "1,013"], EUROPEAN, [1, 1.013]),
    "one point, in a table of commas": (["1.000", "999"], EUROPEAN, [1000, 999]),
    "as it is asked for": (["1,000", "1,013"], Style(decimal=","), [1, 1.013]),
    "whole numbers": (["5", "6"], EUROPEAN, [5, 6]),
    "spaces": (["1 234,5", "1\u202f000", "12\u00a0000"], Style(), [1234.5, 1000, 12000]),
    "apostrophes": (["1'234.5", "1\u2019000"], Style(), [1234.5, 1000]),
    "lakhs": (["1,23,456.78", "12,345"], Style(), [123456.78, 12345]),
    "dollars": (["$ 37", "-$1,234.50"], Style(), [37, -1234.5]),
    "euros behind": (["1.234,56 \u20ac", "5,00\u00a0\u20ac"], Style(), [1234.56, 5]),
    "a currency's code": (["EUR 5", "7 EUR"], Style(), [5, 7]),
    "rupees": (["Rs. 1,500/-", "Rs.20/-"], Style(), [1500, 20]),
    "per cent": (["12%", "5.5 %"], Style(), [12, 5.5]),
    "accountants": (["(1,234.5)", "12"], Style(), [-1234.5, 12]),
    "minus behind": (["123-", "45"], Style(), [-123, 45]),
    "a true minus": (["\u22125", "6"], Style(), [-5, 6]),
    "any other dash": (["\u20135", "\uff0d5", "\u20116", "7"], Style(), [-5, -5, -6, 7]),
    "no cents": (["\u20ac 5,-", "\u20ac 1.006,50", "\u20ac 7,--"], Style(), [5, 1006.5, 7]),
    "no centimes": (["CHF 5.-", "CHF 1'006.50", "CHF 8.\u2014", "CHF 1`000.50-"], Style(), [5, 1006.5, 8, -1000.5]),
    "parentheses about the digits": (["$(5.00)", "($6)", "$7"], Style(), [-5, -6, 7]),
    "per cent in front": (["%12", "%5,5"], Style(), [12, 5.5]),
    "Fortran": (["1.5D+03", "-2.0D-01"], Style(), [1500, -0.2]),
    "exponents": (["1,5E+03", "2"], Style(), [1500, 2]),
    "words for nothing": (["1.5", "-", "n.a.", ".", "#DIV/0!"], Style(), [1.5, np.nan, np.nan, np.nan, np.nan]),
}


@pytest.mark.parametrize(("cells", "style", "wanted"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_are_parsed_if_the_whole_column_agrees(cells: list[str], style: Style, wanted: list[float]) -> None:
    notation = find_notation(cells, style)
    assert notation is not None
    np.testing.assert_array_equal([notation.number(cell) for cell in cells], wanted)


@pytest.mark.parametrize(
    "cells",
    [
        ["00123", "00124"],
        ["1234567890123456789", "2234567890123456789"],
        ["1.2.3", "1.2.4"],
        ["$5", "\u20ac6"],
        ["(123)", "(456)"],
        ["12:30"],
        ["5 kg", "6 kg"],
        ["12D-05", "13D-05"],
        ["1,5", "1.5"],
        ["1-2", "3-4"],
        ["-", "."],
        ["+49 89 1234"],
    ],
    ids=str,
)
def test_cells_that_are_not_numbers_stay_text(cells: list[str]) -> None:
    assert find_notation(cells, Style()) is None


DATES: dict[str, tuple[list[str], str, list[str | None]]] = {
    "day first": (["31/12/2020", "1/2/2020"], "d/m/Y", ["2020-12-31", "2020-02-01"]),
    "month first": (["12/31/2020", "01/02/2020"], "m/d/Y", ["2020-12-31", "2020-01-02"]),
    "firsts of months, day first": (["01/01/2020", "01/02/2020"], "d/m/Y", ["2020-01-01", "2020-02-01"]),
    "firsts of months, month first": (["01/01/2020", "02/01/2020"], "m/d/Y", ["2020-01-01", "2020-02-01"]),
    "points and two digits": (["31.12.20", "1.1.69"], "d.m.y", ["2020-12-31", "1969-01-01"]),
    "SAS": (["05JAN2020", "31DEC2020:10:11:12"], "dbY", ["2020-01-05", "2020-12-31"]),
    "Oracle": (["05-JAN-20"], "d-b-y", ["2020-01-05"]),
    "none of the calendar's": (["2021-02-30", "0000-00-00", "2020-02-29"], "", [None, None, "2020-02-29"]),
    "halves of the day": (["1/31/2020 12:05:00 AM", "1/2/2020 1:00 PM"], "m/d/Y", ["2020-01-31", "2020-01-02"]),
    "zones": (["2020-01-01T00:00:00+05:30", "2020-01-01 23:59:59.9Z"], "", ["2019-12-31", "2020-01-01"]),
}


@pytest.mark.parametrize(("cells", "format", "days"), DATES.values(), ids=DATES)
def test_the_order_of_dates_is_inferred_from_the_cells(cells: list[str], format: str, days: list[str | None]) -> None:
    assert find_format(cells) == format
    stamps = instants(cells, format)
    found = [None if np.isnan(stamp) else str(np.datetime64(int(stamp // 86400), "D")) for stamp in stamps]
    assert found == days


def test_the_order_of_dates_may_be_given() -> None:
    assert find_format(["01/02/2020"], "mdy") == "m/d/Y"
    assert find_format(["20200131"]) is None
    assert find_format(["20200131"], asked=True) == "Ymd"
    assert find_format(["31/12/2020", "12/31/2020"]) is None


def table(**columns: Any) -> pd.DataFrame:
    count = 40
    made = {name: [cell(row) for row in range(count)] if callable(cell) else cell for name, cell in columns.items()}
    return pd.DataFrame(made | {"y": np.arange(count) % 7 + 0.5})


def test_features_target_and_time_column_are_read_alike() -> None:
    def comma(row: int) -> str:
        return f"{row * 37 / 10:.2f}".replace(".", ",")

    frame = table(price=comma, day=lambda row: f"{row % 28 + 1:02d}.{row % 12 + 1:02d}.2020")
    data = prepare_table(frame, "y", seed=0, time_column="day")
    assert data.preparation is not None
    assert data.problem.feature_names[:2] == ("price", "day:days")
    assert any("'price' is read as numbers with a decimal comma, such as '0,00'" in note for note in data.notes)
    assert any("'day' is read as dates, day first" in note for note in data.notes)
    rows = pd.DataFrame({"price": ["3,70", 3.7, None], "day": ["02.02.2020", "2020-02-02", ""]})
    encoded = data.preparation.apply(rows)
    np.testing.assert_array_equal(encoded[0], encoded[1])
    assert data.preparation.inputs(rows)["day"].tolist() == ["2020-02-02 00:00:00", "2020-02-02 00:00:00", ""]
    with pytest.raises(InputError, match=r"'price' must hold numbers with a decimal comma, .* not '3\.7'"):
        data.preparation.apply(pd.DataFrame({"price": ["3.7"], "day": [""]}))
    target = prepare_table(table(a=range(40)).assign(y=[comma(row) for row in range(40)]), "y", seed=0)
    assert target.problem.task == "regression"
    again = type(data.preparation).from_json(data.preparation.to_json())
    assert again == data.preparation


def test_numbers_stored_as_text_are_numbers_unless_a_role_is_given() -> None:
    frame = table(a=lambda row: str(1000 + 7 * row), b=lambda row: row % 3)
    data = prepare_table(frame, "y", seed=0)
    assert data.problem.feature_names == ("a", "b")
    assert any("'a' is read as numbers as text, such as '1000'" in note for note in data.notes)
    frame["a"] = [str(row % 4) for row in range(40)]
    assert "a=0" in prepare_table(frame, "y", seed=0, roles={"a": "categorical"}).problem.feature_names


def test_test_rows_do_not_affect_column_roles() -> None:
    frame = table(a=lambda row: row % 9, b=lambda row: f"{row % 5}.5", c=lambda row: "xyz"[row % 3])
    odd = pd.DataFrame({"a": ["unknown", 3], "b": ["many", "2.5"], "c": ["w", None], "y": [1.5, 2.5]})
    plain = pd.DataFrame({"a": [1, 3], "b": ["1.5", "2.5"], "c": ["x", "y"], "y": [1.5, 2.5]})
    with_odd, without = (prepare_table(frame, "y", seed=0, test=rows) for rows in (odd, plain))
    assert with_odd.problem == without.problem
    np.testing.assert_array_equal(with_odd.splits[0].x_train, without.splits[0].x_train)
    assert any("'unknown'" in note and "read as missing" in note for note in with_odd.notes)


def test_missing_values_of_pandas_are_missing() -> None:
    from pandas._libs.parsers import STR_NA_VALUES  # type: ignore[import-untyped]

    from evonas.data.read_options import MISSING

    assert STR_NA_VALUES | {"?", "\\N"} == MISSING
