"""Imports in source files, shared by several tests: each file is parsed once per process."""

from __future__ import annotations

import ast
import functools
from pathlib import Path


@functools.cache
def imports_in(path: Path) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """All imports in a Python file, at any depth."""
    return tuple(
        node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
    )


@functools.cache
def imports_for_types_in(path: Path) -> frozenset[ast.AST]:
    """The nodes of `imports_in` that are used for annotations only."""
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
