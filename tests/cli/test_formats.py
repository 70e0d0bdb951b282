"""Machine-readable output of the commands: JSON lines and CSV."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.commands import evonas
from tests.reporting.synthetic import synthetic_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    synthetic_run(folder / "one", 20, hostile=True)
    synthetic_run(folder / "two", 20)
    (folder / "new.csv").write_text("area,rooms,odd,price\n" + "1,2,3,4\n2,3,4,5\n" * 5)
    return folder


def lines_of(*arguments: str) -> list[dict[str, str]]:
    done = evonas(*arguments, "--csv")
    assert done.exit_code == 0, done.output
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_tables_are_csv_and_json(runs: Path) -> None:
    compared = lines_of("compare", str(runs / "one"), str(runs / "two"))
    assert [row["trained"] for row in compared] == ["20", "20"]
    data = str(runs / "two"), str(runs / "new.csv")
    scores = {row["metric"]: float(row["score"]) for row in lines_of("evaluate", *data)}
    assert scores["rmse"] > 0.0
    predicted = lines_of("predict", *data)
    listed = evonas("predict", *data, "--json").stdout.splitlines()
    assert [json.loads(line)["price"] for line in listed] == [float(row["price"]) for row in predicted]
    columns = lines_of("inspect", data[1], "--target", "price", "--task", "regression")
    assert [row["name"] for row in columns] == ["area", "rooms", "odd"]
    assert json.loads(evonas("report", data[0], "--json", "--format", "md").stdout)["report"].endswith("report.md")


def test_one_format_at_a_time(runs: Path) -> None:
    data = str(runs / "two"), str(runs / "new.csv")
    assert "choose one" in evonas("predict", *data, "--json", "--csv").stderr
    assert "whose ending sets the format" in evonas("predict", *data, "--json", "-o", "out.csv").stderr
