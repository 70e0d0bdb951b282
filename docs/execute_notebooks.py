"""Runs the notebooks of docs/ and stores their output and figures.

python docs/execute_notebooks.py    needs `evonas[test,report]`, and a Chromium or Chrome

Figures are kept as pictures, since pages that show notebooks run no scripts. Runs go to a temporary folder.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def executed(path: Path, folder: str, renderer: str) -> Any:
    """The notebook with its outputs after running in a folder, with figures from the given renderer of plotly."""
    notebook = nbformat.read(path, 4)
    environment = {**os.environ, "PLOTLY_RENDERER": renderer, "PYTHONPATH": str(ROOT)}
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}})
    client.execute(env=environment)
    return notebook


def main() -> None:
    """Rewrites the notebooks without metadata about time and machine."""
    for path in NOTEBOOKS:
        with tempfile.TemporaryDirectory() as folder:
            notebook = executed(path, folder, "png")
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        notebook.metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
        for cell in notebook.cells:
            cell.metadata = {}
        nbformat.write(notebook, path)
        print(f"written: {path.name}")


if __name__ == "__main__":
    main()
