"""What source files import, which several tests go through: each file is parsed once a process."""

from __future__ import annotations

import ast
import functools
from pathlib import Path


@functools.cache
def imports_in(path: Path) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """All imports of a Python file, wherever they are."""
    return tuple(
        node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
    )


@functools.cache
def imports_for_types_in(path: Path) -> frozenset[ast.AST]:
    """Those of them that are for annotations alone; nodes of `imports_in`."""
    if "TYPE_CHECKING" not in (text := path.read_text()):
        return frozenset()
    lines = {
        (inner.lineno, inner.end_lineno)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    }
    return frozenset(node for node in imports_in(path) if (node.lineno, node.end_lineno) in lines)
