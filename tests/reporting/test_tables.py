"""Prediction tables in every format that can be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from evonas.reporting import tables
from evonas.reporting.tables import check_table_place, write_table
from genomes.errors import InputError

READERS: dict[str, Any] = {
    ".csv": pd.read_csv,
    ".tsv": lambda path: pd.read_csv(path, sep="\t"),
    ".json": pd.read_json,
    ".jsonl": lambda path: pd.read_json(path, lines=True),
    ".parquet": pd.read_parquet,
    ".feather": pd.read_feather,
    ".xlsx": lambda path: pd.read_excel(path, engine="calamine"),
}


def test_every_format_has_a_reader_here():
    assert set(READERS) == set(tables._FORMATS)


@pytest.mark.parametrize("ending", READERS)
def test_a_table_is_read_back_as_it_was_written(tmp_path: Path, ending: str):
    labels = ["=1+1", "https://example.org", 'a "b", c']
    table = pd.DataFrame({"label": labels, "probability": [0.1, 1 / 3, 1e-12]})
    path = tmp_path / f"out{ending}"
    write_table(table, path)
    found = READERS[ending](path)
    assert list(found["label"]) == labels
    assert found["probability"].to_numpy() == pytest.approx(table["probability"].to_numpy(), rel=1e-12, abs=1e-15)
    with pytest.raises(InputError, match="must be a new file"):
        write_table(table, path)


def test_a_missing_library_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"xlsxwriter must be installed .*evonas\[excel\]"):
        check_table_place(tmp_path / "out.xlsx")
    check_table_place(tmp_path / "out.csv")


def test_a_sheet_has_a_limited_number_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tables, "_SHEET_ROWS", 3)
    with pytest.raises(InputError, match=r"fewer than 3 rows, not 3: write a \.csv"):
        write_table(pd.DataFrame({"y": [1, 2, 3]}), tmp_path / "out.xlsx")
