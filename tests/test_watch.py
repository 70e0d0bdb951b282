"""Watching a run while another process searches."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from evonas.config import Budget
from evonas.display.in_training import retraining_words
from evonas.display.snapshots import snapshot_lines, sparkline, take_snapshot
from evonas.display.text import Plain
from evonas.display.watching import live_view
from evonas.runs.in_training import NetworkInTraining
from evonas.runs.store import RunStore
from tests.cli.commands import evonas
from tests.reporting.synthetic import synthetic_run


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return synthetic_run(tmp_path / "run", hostile=True, classes=2)


def test_a_snapshot_of_a_run_is_consistent(run_dir: Path):
    snapshot = take_snapshot(run_dir, top=3)
    assert (snapshot.state, snapshot.is_over) == ("evaluations", True)
    assert (snapshot.trained, snapshot.generation, len(snapshot.best)) == (60, 3, 3)
    assert list(snapshot.bests) == sorted(snapshot.bests, reverse=True)
    assert 0 < snapshot.failed < 10
    assert snapshot_lines(snapshot)[0].startswith(f"{run_dir}: all evaluations done, generation 3, ")
    assert snapshot_lines(snapshot)[1].startswith(f"networks: 60 trained, {snapshot.failed} failed")
    assert sparkline((1.0, 3.0, 2.0)) == "▁█▅"
    assert sparkline(()) == ""


def test_the_command_shows_a_run_once_or_until_the_end(run_dir: Path):
    text = evonas("watch", str(run_dir), "--once").output
    assert "best log_loss" in text
    assert len(text.splitlines()) <= 10
    values = json.loads(evonas("watch", str(run_dir), "--json").output)
    assert (values["state"], values["trained"]) == ("evaluations", 60)
    assert evonas("watch", str(run_dir), "--every", "0").exit_code == 2


def test_the_view_is_redrawn(run_dir: Path):
    stream = io.StringIO()
    snapshot = take_snapshot(run_dir)
    with live_view(snapshot, Console(file=stream, force_terminal=True, width=400)) as show:
        show(snapshot)
    assert "log_loss" in stream.getvalue()
    assert "60 trained" in stream.getvalue()
    assert f"{run_dir}: all evaluations done" in stream.getvalue()


def test_the_writer_is_not_kept_waiting(run_dir: Path):
    with RunStore.open(run_dir) as store:
        assert take_snapshot(run_dir).trained == 60
        store.begin_session(Budget(evaluations=70))
        store.end_session("interrupted", 7.0)
        assert take_snapshot(run_dir).state == "interrupted"


def test_current_trainings_and_their_progress(run_dir: Path, monkeypatch: pytest.MonkeyPatch):
    network = NetworkInTraining(
        generation=3, index=1, kind="search", name="48-48", parameters=3361, epoch=22, epochs=50, seconds=12.0
    )
    words = "network 2 of generation 4: 48-48, 3,361 parameters, epoch 23 of 50, 12 s"
    stream = io.StringIO()
    with RunStore.open(run_dir) as store:
        store.training_notes.note([network])
        with monkeypatch.context() as patched:
            patched.setattr(os, "getpid", lambda: 1)  # as another process sees it
            snapshot = take_snapshot(run_dir)
            status = evonas("status", str(run_dir)).output
            values = json.loads(evonas("watch", str(run_dir), "--once", "--json").output)
    assert (snapshot.training, snapshot.waiting) == ((network,), ())
    assert f"  {words}" in snapshot_lines(snapshot)
    assert f"  {words}" in status.splitlines()
    assert values["in_training"] == [network]
    with live_view(snapshot, Console(file=stream, force_terminal=True, width=120)) as show:
        show(snapshot)
    assert words in stream.getvalue()
    assert take_snapshot(run_dir).training == ()


def test_finalists_that_the_time_is_too_short_for_are_not_said_to_be_trained():
    stream = io.StringIO()
    Plain(stream).finalists(0, 0)
    assert stream.getvalue() == ""
    Plain(stream).finalists(0, 4)
    assert stream.getvalue() == "Finalists: training the best networks again, 4 times in all\n"
    assert retraining_words(9, 9, stopped=5) == "4 of 9 re-trainings done, the time was too short for 5"
