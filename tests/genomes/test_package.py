"""The package as a whole: the examples in its docstring run, and its imports are restricted."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import genomes

SOURCES = sorted(Path(genomes.__file__).parent.rglob("*.py"))


def test_the_manual_page_runs():
    blocks = re.findall(r"::\n\n((?: {4}.*\n|\n)+)", genomes.__doc__)
    assert len(blocks) == 3
    names: dict[str, object] = {}
    exec("\n".join(textwrap.dedent(block) for block in blocks), names)
    assert names["space"].contains(names["child"])


def test_all_names_exist():
    assert all(hasattr(genomes, name) for name in genomes.__all__)
    assert genomes.__all__ == sorted(genomes.__all__)


def test_imports_are_the_standard_library_numpy_and_networkx():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in {name.partition(".")[0] for name in names}:
                assert name in {"genomes", "numpy", "networkx"} | sys.stdlib_module_names, f"{path.name} imports {name}"


def test_importing_it_does_not_import_networkx():
    code = "import sys, genomes; sys.exit('networkx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_file_is_long():
    assert all(len(path.read_text(encoding="utf-8").splitlines()) <= 400 for path in SOURCES)
