"""The notebooks of the documentation run unchanged, and their stored outputs have the kinds that the cells produce."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

nbformat: Any = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
ROOT = Path(__file__).parents[1]
SCRIPT: Any = runpy.run_path(str(ROOT / "docs" / "execute_notebooks.py"))


def kinds(notebook: Any) -> list[set[str]]:
    """The kinds of output of each cell: text, table, figure."""
    figures = {"image/png": "figure", "application/vnd.plotly.v1+json": "figure"}
    return [
        {figures.get(kind, kind) for output in cell.outputs for kind in output.get("data", {output.output_type: 0})}
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


every_notebook = pytest.mark.parametrize("path", SCRIPT["NOTEBOOKS"], ids=lambda path: path.stem)


@pytest.mark.soak
@every_notebook
def test_a_notebook_runs_as_it_stands(path: Path, tmp_path: Path) -> None:
    kept = nbformat.read(path, 4)
    assert kinds(SCRIPT["executed"](path, str(tmp_path), "plotly_mimetype")) == kinds(kept)


@every_notebook
def test_each_cell_has_an_output_that_names_no_folder_of_its_author(path: Path) -> None:
    kept = nbformat.read(path, 4)
    nbformat.validate(kept)
    assert all(kinds(kept))
    assert not re.search(rf"{re.escape(str(ROOT))}|/home/|/tmp/", path.read_text("utf-8"))
