"""A disk without room for an export is a sentence, not a traceback of the worker."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from evonas.export_tasks import ExportTask
from evonas.training.registry import export_network
from genomes.errors import InputError


@pytest.mark.keras
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EROFS])
def test_an_export_without_room_names_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int) -> None:
    def full(*given: Any) -> None:
        raise OSError(number, "no room")

    monkeypatch.setattr("evonas.training.export.export.export", full)
    task: Any = ExportTask({}, tmp_path / "best.keras", {}, {})
    with pytest.raises(InputError, match=r"must be writable, but .*best\.keras is not \(no room\)"):
        export_network(task, *[None] * 3)  # type: ignore[arg-type]
