"""The report that a search writes when it ends."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from evonas.cli.reporting import report_at_end
from evonas.reporting import page
from evonas.runs.store import RunStore
from tests.cli.commands import search
from tests.reporting.synthetic import synthetic_run


def test_a_run_writes_a_report_unless_turned_off(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("EVONAS_NO_REPORT")
    done = search("--generations", "1", "--out", "one")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == "Report:   one/report.html"
    assert "price from table.csv" in (folder / "one" / "report.html").read_text()
    search("--generations", "1", "--out", "two", "--no-report")
    assert not (folder / "two" / "report.html").exists()
    again = search("--generations", "1", "--out", "one", "--overwrite", "--quiet")
    assert "Report" not in again.output


def test_a_report_that_cannot_be_written_fails_no_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run = synthetic_run(tmp_path / "run", 20)
    (run / "report.html").write_text("mine")
    report_at_end(run, time.monotonic(), False, False)
    assert "not written (report must be new" in capsys.readouterr().out
    assert (run / "report.html").read_text() == "mine"
    (run / "report.html").unlink()
    monkeypatch.setattr(page, "_script_path", lambda: None)
    report_at_end(run, time.monotonic(), False, True)
    assert "pip install 'evonas[report]'" in capsys.readouterr().err


def test_the_report_never_delays_a_run_with_a_time_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from evonas.config import Budget

    run = synthetic_run(tmp_path / "run", 20)
    with RunStore.open(run) as store:
        store.begin_session(Budget(seconds=10.0))
        store.end_session("time", 7.9)  # 9.9 s including the first session
    report_at_end(run, time.monotonic(), False, False)
    assert "no time was left for it; evonas report" in capsys.readouterr().out
    assert not (run / "report.html").exists()
