"""`--tensorboard`, `--mlflow` and `--wandb` on the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.commands import evonas, search


def test_a_run_and_its_resumption_log_every_network_once() -> None:
    pytest.importorskip("tensorboard")
    options = ("--tensorboard", "logs", "--no-report", "--quiet")
    assert search("--out", "run", "--generations", "1", "--finalists", "0", *options).exit_code == 0
    assert evonas("resume", "run", "--generations", "2", *options).exit_code == 0
    networks = [path.parent.name for path in Path("logs").glob("run-*/*/*tfevents*")]
    assert len(networks) == len(set(networks)) == 8


def test_a_missing_package_is_reported_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    result = search("--out", "run", "--mlflow", "default")
    assert result.exit_code == 2
    assert "pip install 'evonas[mlflow]'" in " ".join(result.output.split())
    assert not Path("run").exists()
