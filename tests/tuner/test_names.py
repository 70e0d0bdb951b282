"""The fate of KerasTuner's names: the table is complete and correct, and the page is generated from it."""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path

import pytest

from evonas import tuner
from evonas.tuner.names import ARGUMENTS, NAMES, PRIVATE, TUNERS, is_called, page
from evonas.tuner.trial import Oracle
from genomes import InputError

PAGE = Path(__file__).parents[2] / "docs" / "kerastuner.md"
OURS = {"Tuner": tuner.Evolution, "Oracle": Oracle, "HyperParameters": tuner.HyperParameters}


def test_the_page_is_the_table():
    if os.environ.get("EVONAS_WRITE_PAGES"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "run this test with EVONAS_WRITE_PAGES=1"


@pytest.mark.parametrize("kind", NAMES)
def test_names_listed_as_available_exist(kind):
    source = inspect.getsource(OURS[kind])
    for name, text in NAMES[kind].items():
        there = not text.startswith("not supported: ")
        assert there == (hasattr(OURS[kind], name) or bool(re.search(rf"self\.{name}\b", source))), name


def test_available_arguments_are_accepted():
    taken = inspect.signature(tuner.Evolution).parameters
    for name, text in ARGUMENTS.items():
        assert (name in taken or name == "kwargs") != text.startswith("not supported: "), name


@pytest.mark.keras
def test_it_is_complete():
    kt = pytest.importorskip("keras_tuner")
    made = kt.RandomSearch.__new__(kt.RandomSearch)
    oracle = kt.oracles.RandomSearchOracle(objective="val_loss", max_trials=1)
    for kind, cls, instance in (
        ("Tuner", kt.Tuner, made),
        ("Oracle", kt.Oracle, oracle),
        ("HyperParameters", kt.HyperParameters, kt.HyperParameters()),
    ):
        public = {name for name in {*dir(cls), *vars(instance)} if not name.startswith("_")}
        assert public <= NAMES[kind].keys()
    private = {name for name in vars(kt.Tuner) | vars(kt.engine.base_tuner.BaseTuner) if name[:1] == "_" != name[1:2]}
    assert {name for name in private if callable(getattr(kt.Tuner, name, None))} <= PRIVATE
    tuners = [getattr(kt, name) for name in TUNERS if name != "SklearnTuner"]
    for cls in (kt.Tuner, kt.engine.base_tuner.BaseTuner, kt.Oracle, *tuners):
        assert inspect.signature(cls.__init__).parameters.keys() - {"self"} <= ARGUMENTS.keys()


@pytest.mark.parametrize("name", ["get_state", "_build_and_fit_model", "reload"])
def test_a_method_that_would_never_be_called_is_refused_with_its_class(name):
    assert not is_called(name)
    with pytest.raises(InputError, match=f"Mine must not define '{name}'"):
        type("Mine", (tuner.Evolution,), {name: lambda self: None})
    mixin = type("Mixin", (), {name: lambda self: None})
    with pytest.raises(InputError, match=name):
        type("Mine", (mixin, tuner.Evolution), {})


def test_a_misspelt_hook_is_refused_and_a_custom_method_is_not():
    with pytest.raises(InputError, match="did you mean 'on_trial_end'"):
        type("Mine", (tuner.Evolution,), {"on_trail_end": lambda self, trial: None})
    type("Mine", (tuner.Evolution,), {"on_request": lambda self: None, "run": lambda self: None})


def test_missing_names_point_to_alternatives():
    with pytest.raises(AttributeError, match="'create_trial': strategies of evonas decide"):
        Oracle(None).create_trial("tuner0")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="max_epochs must be left out, since it is not supported: pass `epochs`"):
        tuner.Evolution(lambda hp: hp.Int("units", 1, 2), objective="val_loss", max_epochs=3)  # type: ignore[call-arg]
