"""Settings as typed keyword arguments: the same names and types as the fields of `Settings`."""

from __future__ import annotations

import inspect
import typing

import pytest

import evonas
from evonas import tuner
from evonas.api.options import RunOptions, SearchOptions, TunerOptions
from evonas.config import Settings


def test_options_are_the_settings():
    assert set(typing.get_type_hints(RunOptions)) == set(Settings.model_fields)
    assert set(typing.get_type_hints(RunOptions)) - set(typing.get_type_hints(SearchOptions)) == {"seed"}


@pytest.mark.parametrize("name", ["trainer", "loss", "precision"])
def test_option_texts_are_the_same(name):
    literal = typing.get_type_hints(RunOptions)[name]
    assert set(typing.get_args(literal)) == set(typing.get_args(Settings.model_fields[name].annotation))


@pytest.mark.parametrize(
    ("function", "options"),
    [(evonas.search, SearchOptions), (evonas.resume, RunOptions), (tuner.Evolution.__init__, TunerOptions)],
)
def test_public_functions_take_them(function, options):
    assert inspect.signature(function).parameters["settings"].annotation == f"Unpack[{options.__name__}]"
