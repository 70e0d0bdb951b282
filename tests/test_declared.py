"""All imported packages are declared, and no package's private names are imported."""

from __future__ import annotations

import ast
import configparser
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.syntax import imports_in

ROOT = Path(__file__).parents[1]
#: Module -> distribution, where the names differ.
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "typing_extensions": "typing-extensions", "yaml": "pyyaml"}
OURS = {"evonas", "genomes", "tests"}


def find_imports(package: str) -> Iterator[tuple[Path, str]]:
    """Returns the files with the modules and names that they import absolutely."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in imports_in(path):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif node.module and not node.level:
                yield from ((path, f"{node.module}.{alias.name}") for alias in node.names)


def read_declared(*sections: str) -> set[str]:
    """The distributions in setup.cfg."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    texts = [parser["options"]["install_requires"]]
    texts += [text for name, text in parser["options.extras_require"].items() if not sections or name in sections]
    lines = "\n".join(texts).split("\n")
    return {re.split(r"[\[<>=;! ]", line.strip())[0].replace("_", "-").lower() for line in lines if line.strip()}


def foreign(package: str) -> list[tuple[Path, str]]:
    """Imports of third-party packages."""
    found = [
        (path, name) for path, name in find_imports(package) if name.partition(".")[0] not in sys.stdlib_module_names
    ]
    return [(path, name) for path, name in found if name.partition(".")[0] not in OURS]


def test_everything_that_is_imported_is_declared():
    known = read_declared()
    for package in ("genomes", "evonas"):
        for path, name in foreign(package):
            module = name.partition(".")[0]
            assert DISTRIBUTIONS.get(module, module).lower().replace("_", "-") in known, f"{path}: {module}"


def test_nothing_private_of_other_packages_is_imported():
    for package in ("genomes", "evonas"):
        private = [
            (path, name) for path, name in foreign(package) if any(part.startswith("_") for part in name.split(".")[1:])
        ]
        assert not private
