"""Packages of genomes and evonas, their imports, and the longest modules: `python benchmarks/import_graph.py`.

A package is a folder of modules; the modules at the root of evonas count as one. An arrow is a pair of packages of
which the first imports the second, even inside a function or only for types.
"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
PATHS = [path for top in ("genomes", "evonas") for path in sorted((ROOT / top).rglob("*.py"))]


def name_of(path: Path) -> str:
    """The module of a file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


PACKAGES = {name_of(path) for path in PATHS if path.name == "__init__.py"}
MODULES = {name_of(path) for path in PATHS}


def package_of(module: str) -> str:
    """The package of a module, or of a name within one; "" for other libraries."""
    while module and module not in PACKAGES:
        module = module.rpartition(".")[0]
    return module


def imported_by(tree: ast.Module) -> set[str]:
    """Packages that a module imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in MODULES else node.module for name in names}
    return {package_of(name) for name in found} - {""}


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    first, total = function.body[0], (function.end_lineno or 0) - function.lineno + 1
    return total - ((first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(function) else 0)


def main() -> None:
    """Prints the figures."""
    trees = {path: ast.parse(path.read_text()) for path in PATHS}
    arrows = {(package_of(name_of(path)), to) for path, tree in trees.items() for to in imported_by(tree)}
    arrows = {(a, b) for a, b in arrows if a != b}
    lines = {path: path.read_text().count("\n") for path in PATHS}
    print(f"{len(PACKAGES)} packages, {len(arrows)} arrows, median module {median(lines.values()):.0f} lines")
    size = Counter(package_of(name_of(path)) for path in PATHS)
    out, taken = Counter(a for a, _ in arrows), Counter(b for _, b in arrows)
    for name in sorted(PACKAGES):
        print(f"  {name:36} {size[name] - 1:3} modules, imports {out[name]:2} packages, imported by {taken[name]:2}")
    print("Modules of more than 400 lines:")
    for path, count in lines.items():
        if count > 400:
            print(f"  {count} {path.relative_to(ROOT)}")
    print("Functions of more than 60 lines without their docstrings:")
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and code_lines(node) > 60:
                print(f"  {code_lines(node)} {node.name} in {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
