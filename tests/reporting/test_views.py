"""How results are displayed in Python, and runs and candidates as rows on the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from evonas import SearchResult
from evonas.runs import RunStore
from evonas.runs.baselines import BaselineModel, Baselines
from genomes.errors import InputError
from tests.cli.commands import evonas
from tests.reporting.synthetic import synthetic_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    synthetic_run(folder / "first")
    synthetic_run(folder / "second", 20, classes=2, hostile=True, finish=False)
    return folder


def test_a_result_shows_tables_and_figures(folder: Path):
    result = SearchResult(folder / "first")
    board = result.leaderboard(5)
    assert board["rank"].tolist() == [1, 2, 3, 4, 5]
    assert board["rmse"].is_monotonic_increasing
    test = result.test
    assert len(test) == 60
    assert list(test.columns) == ["area", "rooms", "odd", "true", "predicted"]
    assert ((test["true"] - test["predicted"]) ** 2).mean() ** 0.5 == pytest.approx(
        result.test_scores["rmse"], rel=1e-4
    )
    names = ("history", "pareto", "importance", "columns", "lineage", "architecture", "calibration", "learning_curves")
    for name in names:
        figure = getattr(result, f"plot_{name}")()
        assert figure.layout.title.text
        assert len(figure.data)
    with pytest.raises(InputError, match="by must be one of evaluations, epochs, seconds, not 'hours'"):
        result.plot_history(by="hours")
    with pytest.raises(InputError, match="use predict"):
        result.predict_proba(test)


def test_a_result_in_a_notebook_runs_nothing(folder: Path):
    text = SearchResult(folder / "second")._repr_html_()
    assert "&lt;img" in text
    assert "<img" not in text
    assert "log_loss" in text


def test_a_result_shows_the_baselines_of_its_run(tmp_path: Path):
    run_dir = synthetic_run(tmp_path / "run", 20)
    scores = {"rmse": 0.125, "mae": 0.5}
    with RunStore.open(run_dir) as store:
        store.baselines.note(Baselines((BaselineModel("gradient boosting", "9 trees", True, 9, 1.0, scores, scores),)))
    result = SearchResult(run_dir)
    assert "gradient boosting (scikit-learn)</th><td>0.12500" in result._repr_html_()
    assert "gradient boosting" in [trace.name for trace in result.plot_history().data]


def test_runs_are_listed(folder: Path):
    (folder / "other").mkdir(exist_ok=True)
    rows = [json.loads(line) for line in evonas("ls", str(folder), "--json").output.splitlines()]
    assert [row["run"] for row in rows] == ["first", "second"]
    assert [row["state"] for row in rows] == ["evaluations", "killed"]
    table = evonas("ls", str(folder)).output.splitlines()
    assert len(table) == 3
    assert table[0].startswith("run ")
    assert "all evaluations done" in table[1]
    (folder / "broken").mkdir(exist_ok=True)
    (folder / "broken" / "run.sqlite").write_bytes((folder / "first" / "run.sqlite").read_bytes()[:5000])
    assert "not readable" in evonas("ls", str(folder)).output
    assert evonas("ls", str(folder / "nowhere")).exit_code == 2


def test_candidates_are_listed_and_shown(folder: Path):
    first = str(folder / "first")
    rows = list(csv.DictReader(io.StringIO(evonas("show", first, "--top", "0", "--csv").output)))
    assert len(rows) == 60
    assert rows[0]["rank"] == "1"
    assert rows[-1]["status"] == "failed"
    one = json.loads(evonas("show", first, rows[0]["digest"], "--json").output)
    assert one["network"] == int(rows[0]["network"])
    assert one["genome"]["encoding"] == "dense"
    assert f"Network {one['network']} of generation" in evonas("show", first, rows[0]["network"]).output
    wrong = evonas("show", first, "99")
    assert (wrong.exit_code, "from 1 to 60" in wrong.output) == (2, True)
    assert evonas("show", first, "--json", "--csv").exit_code == 2


def test_ls_without_a_folder_lists_the_usual_one_or_this_one(folder: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert evonas("ls").output.startswith("no runs here: evonas run")
    monkeypatch.chdir(folder)
    assert "first" in evonas("ls").output
    (tmp_path / "evonas-runs").mkdir()
    monkeypatch.chdir(tmp_path)
    assert evonas("ls").output.strip() == "no runs in evonas-runs"
