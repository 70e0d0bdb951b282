"""The examples in docstrings run, and every public class of `genomes` has one."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import genomes

ROOT = Path(__file__).parents[1]
#: Modules below `evonas.training` import Keras, which is too slow for an example.
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in ("genomes", "evonas")
    for path in (ROOT / package).rglob("*.py")
    if ">>> " in path.read_text() and path.relative_to(ROOT).parts[:2] != ("evonas", "training")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0


@pytest.mark.parametrize("name", sorted(set(genomes.__all__) - {"Neighbours", "SearchSpace"}))
def test_public_names_of_genomes_have_an_example(name: str) -> None:
    assert ">>> " in (getattr(genomes, name).__doc__ or "")
