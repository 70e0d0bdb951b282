"""A folder with a table, and a stub that replaces training in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from evonas.api import prepared_search as api
from tests.cli.commands import write_table
from tests.stub import StubEvaluator, no_standby


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder holds one table and nothing else; a stub replaces training."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "_worker", StubEvaluator)
    monkeypatch.setattr("evonas.execution.launch.standby_for", no_standby)
    # Scoring on the test split would need Keras.
    monkeypatch.setattr("evonas.api.result.SearchResult.exported", None)
    write_table(tmp_path / "table.csv")
    return tmp_path
