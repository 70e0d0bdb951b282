"""Roles of columns: one test for each rule, and the real tables."""

import datetime
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evonas.data.columns import Role, infer_columns
from evonas.data.readers.csv import read_table
from genomes.errors import InputError

ROWS = 24
OTHER = pd.Series(np.linspace(0.5, 3, ROWS))
LETTERS = [chr(ord("a") + index) for index in range(ROWS)]

ROLES: dict[str, tuple[Role, str, list[Any]]] = {
    "floats": (Role.NUMERIC, "c", [0.5 * n for n in range(ROWS)]),
    "few whole numbers": (Role.NUMERIC, "c", [n % 3 for n in range(ROWS)]),
    "whole numbers that do not count": (Role.NUMERIC, "c", [n * n for n in range(ROWS)]),
    "decimals": (Role.NUMERIC, "c", [Decimal(n) / 4 for n in range(ROWS)]),
    "with missing": (Role.NUMERIC, "c", [None, np.nan, *range(2, ROWS)]),
    "0 and 1": (Role.BOOLEAN, "c", [n % 2 for n in range(ROWS)]),
    "booleans": (Role.BOOLEAN, "c", [n % 2 == 0 for n in range(ROWS)]),
    "booleans and missing": (Role.BOOLEAN, "c", [None] + [n % 2 == 0 for n in range(ROWS - 1)]),
    "yes and no": (Role.BOOLEAN, "c", ["Yes", "no"] * (ROWS // 2)),
    "words": (Role.CATEGORICAL, "c", ["x", "y", "z"] * (ROWS // 3)),
    "mixed": (Role.CATEGORICAL, "c", ["x", 1, 2.5] * (ROWS // 3)),
    "count from 1": (Role.IDENTIFIER, "c", list(range(1, ROWS + 1))),
    "count from 0, in any order": (Role.IDENTIFIER, "c", list(reversed(range(ROWS)))),
    "named like an id": (Role.IDENTIFIER, "customer_id", [7 * n + 1000 for n in range(ROWS)]),
    "named like another id": (Role.IDENTIFIER, "orderId", [7 * n + 1000 for n in range(ROWS)]),
    "not named like an id": (Role.NUMERIC, "humid", [7 * n + 1000 for n in range(ROWS)]),
    "names": (Role.IDENTIFIER, "c", [f"name {letter}" for letter in LETTERS]),
    "tickets": (Role.IDENTIFIER, "c", [f"T{n // 4 if n < 8 else n}" for n in range(ROWS)]),
    "cabins": (Role.PRESENCE, "c", [None] * 6 + LETTERS[6:]),
    "one word or none": (Role.PRESENCE, "c", [None] * 6 + ["x"] * (ROWS - 6)),
    "constant": (Role.CONSTANT, "c", [3] * ROWS),
    "empty": (Role.CONSTANT, "c", [None] * ROWS),
    "empty numbers": (Role.CONSTANT, "c", [math.nan] * ROWS),
    "dates as text": (Role.DATE, "c", [f"2024-01-{n + 1:02d}" for n in range(ROWS)]),
    "times as text": (Role.DATE, "c", [f"2024/01/{n + 1:02d} 10:0{n % 10}" for n in range(ROWS)]),
    "dates": (Role.DATE, "c", [datetime.date(2024, 1, n + 1) for n in range(ROWS)]),
    "times": (Role.DATE, "c", [pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(hours=n) for n in range(ROWS)]),
    "category numbers": (Role.CATEGORICAL, "c", list(pd.Categorical([n % 3 for n in range(ROWS)]).astype(str))),
}


@pytest.mark.parametrize(("role", "name", "cells"), ROLES.values(), ids=ROLES)
def test_role(role: Role, name: str, cells: list[Any]) -> None:
    plan = infer_columns(pd.DataFrame({name: pd.Series(cells), "other": OTHER}))
    assert plan.columns[0].role is role
    assert plan.columns[0].missing == sum(pd.isna(cell) for cell in cells)
    assert plan.columns[1].role is Role.NUMERIC


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "float32", "uint8", "object", "string", "category"])
def test_role_does_not_depend_on_how_pandas_stores_the_column(dtype: str) -> None:
    frame = pd.DataFrame({"c": pd.Series([n % 3 for n in range(ROWS)]).astype(dtype), "other": OTHER})
    expected = Role.CATEGORICAL if dtype in ("string", "category") else Role.NUMERIC
    assert infer_columns(frame).columns[0].role is expected


def test_a_single_count_and_an_unnamed_array_are_not_ids() -> None:
    count = pd.DataFrame({"year": range(ROWS)})
    assert infer_columns(count).columns[0].role is Role.NUMERIC
    count["other"] = OTHER
    assert infer_columns(count, find_identifiers=False).columns[0].role is Role.NUMERIC


def test_numbers_of_rows_drawn_for_training_identify_them_but_a_time_with_gaps_does_not() -> None:
    drawn = np.random.default_rng(0).permutation(100)[:80]
    few = np.random.default_rng(0).permutation(1000)[:80]  # distinct whole numbers, but not most of a numbering
    cells = {"number": drawn, "day": np.sort(drawn), "income": few, "rownames": np.sort(few), "other": drawn % 7}
    roles = [column.role for column in infer_columns(pd.DataFrame(cells)).columns]
    assert roles == [Role.IDENTIFIER, Role.NUMERIC, Role.NUMERIC, Role.IDENTIFIER, Role.NUMERIC]


def test_drop_and_notes() -> None:
    frame = pd.DataFrame({"a": OTHER, "b": [1] * ROWS, "c": [None] * ROWS, "d": LETTERS})
    plan = infer_columns(frame, drop=["c"])
    assert "column 'c' is not used: no value in any row" in infer_columns(frame).notes()
    assert [column.name for column in plan.used()] == ["a"]
    notes = plan.notes()
    assert len(notes) == 3
    assert "'b' is not used: the same value in every row, 1" in notes[0]
    assert "'c' is not used: excluded by the user" in notes[1]
    assert "'d' is not used: text with 24 different values in 24 rows" in notes[2]


def test_plan_as_table_and_json() -> None:
    plan = infer_columns(pd.DataFrame({"a": OTHER, "name": LETTERS}))
    lines = str(plan).splitlines()
    assert len(lines) == 3
    assert lines[2].split()[:4] == ["name", "identifier", "0", "24"]
    assert json.loads(json.dumps(plan.to_json()))[0]["role"] == "numeric"


BAD: dict[str, tuple[pd.DataFrame, list[str]]] = {
    "infinite": (pd.DataFrame({"a": [0.5, 1, -np.inf]}), ["'a'", "finite", "-inf", "data row 3", "correct"]),
    "too large": (pd.DataFrame({"a": [0.5, 1e31, 1]}), ["'a'", "1e+30", "1e+31", "data row 2"]),
    "lists": (pd.DataFrame({"a": [[1], [2], [3]]}), ["'a'", "text, numbers", "[1]", "data row 1"]),
    "complex": (pd.DataFrame({"a": [1 + 2j, 2j, 1j]}), ["'a'", "(1+2j)"]),
    "nothing at all": (pd.DataFrame({"a": [None] * 3}), ["at least one column", "no value in any row", "add one"]),
    "nothing to learn from": (pd.DataFrame({"a": [1, 1, 1]}), ["at least one column", "the same value", "add one"]),
    "no column": (pd.DataFrame(index=range(3)), ["at least one column", "no other column"]),
}


@pytest.mark.parametrize(("frame", "said"), BAD.values(), ids=BAD)
def test_a_column_that_cannot_be_used_is_refused(frame: pd.DataFrame, said: list[str]) -> None:
    with pytest.raises(InputError) as refusal:
        infer_columns(frame)
    for words in said:
        assert words in str(refusal.value)


@pytest.mark.parametrize("cells", [["1,5", "2,25", "7"], ["1,234", "12,345.5", "999"], ["1 234", "5", "1\u00a0000,5"]])
def test_numbers_in_foreign_notation_are_reported(cells: list[str]) -> None:
    frame = pd.DataFrame({"price": cells * 8, "other": OTHER})
    plan = infer_columns(frame)
    assert plan.columns[0].role is Role.CATEGORICAL
    (note,) = plan.notes()
    assert (
        f"'price' is treated as text, though its values look like numbers with commas or spaces in them, "
        f"such as {cells[0]!r}" in note
    )
    assert "(data row 1): write 1234.5" in note
    with pytest.raises(InputError, match=r"'price' must hold numbers, not '.*' \(data row 1\)"):
        infer_columns(frame, roles={"price": "numeric"})


def test_titanic_and_california(real_files: list[Path]) -> None:
    tables = {path.stem: read_table(path) for path in real_files}
    roles = {c.name: c.role for c in infer_columns(tables["titanic"].drop(columns="Survived")).columns}
    assert {name for name, role in roles.items() if role is Role.IDENTIFIER} == {"PassengerId", "Name", "Ticket"}
    assert roles["Cabin"] is Role.PRESENCE
    assert roles["Sex"] is roles["Embarked"] is Role.CATEGORICAL
    roles = {c.name: c.role for c in infer_columns(tables["california_housing"]).columns}
    assert {name for name, role in roles.items() if role is not Role.NUMERIC} == {"ocean_proximity"}
    for name in ("kin8nm", "power_plant", "concrete"):
        assert {column.role for column in infer_columns(tables[name]).columns} == {Role.NUMERIC}


def test_surprising_choices_are_reported() -> None:
    frame = pd.DataFrame(
        {
            "stamp": np.arange(100) * 7 % 101 * 3 + 1_700_000_000,
            "price": [*map(str, range(40)), "unknown", *map(str, range(59))],
            "width": np.linspace(0, 1, 100),
        }
    )
    unused, first, second = infer_columns(frame).notes()
    assert "'price' is not used" in unused
    assert "'stamp' holds 100 numbers of which float32 distinguishes 3" in first
    assert (
        "'price' is treated as text, though 59 of its 60 values are numbers, because of 'unknown' (data row 41)"
        in second
    )
