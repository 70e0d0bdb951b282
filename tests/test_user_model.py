"""A user's build function in the driver: how it is identified and sent, and when it is refused. No Keras."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import evonas
from evonas.config import Settings
from evonas.user_model import Build, check_build, check_first
from genomes import DenseSpace, InputError, Range

SPACE = {"units": Range(1, 9)}

FILE = '''"""A module."""
import no_such_library


def build_model(genes):
    # A comment.
    return [genes,
            1]


other = functools.partial(build_model)
'''


def build_model(genes):
    return [genes, 1]


class Callable:
    def __call__(self, genes):
        return genes


@pytest.fixture
def file(tmp_path):
    (tmp_path / "net.py").write_text(FILE)
    return f"{tmp_path / 'net.py'}:build_model"


def test_a_function_is_identified_by_its_code_and_not_by_its_formatting(file, tmp_path):
    by_file, by_function = Build.from_function(file), Build.from_function(build_model)
    assert by_file.digest == by_function.digest
    assert (by_file.name, by_function.name) == ("build_model", "build_model")
    assert "no_such_library" not in sys.modules
    (tmp_path / "net.py").write_text(FILE.replace("1]", "2]"))
    assert Build.from_function(file).digest != by_file.digest
    assert Build.from_function(file.replace("build_model", "other")).source == FILE.replace("1]", "2]")
    for function in (Callable(), functools.partial(build_model), lambda genes: genes, eval("lambda genes: 1")):
        assert len(Build.from_function(function).digest) == 64
    assert Build.from_function(eval("lambda genes: 1")).digest != Build.from_function(eval("lambda genes: 2")).digest
    assert Build.from_function(by_file) is by_file


def test_a_digest_does_not_depend_on_the_process():
    function = 'eval(\'lambda g: g.x in {"a", "b", "c"}\')'
    script = f"from evonas.user_model import Build; print(Build.from_function({function}).digest)"
    runs = [
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[1])},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in "12"
    ]  # fmt: skip
    assert runs[0] == runs[1]


BAD = {
    "neither": (3, "build must be a function that takes genes and returns a keras.Model, not int"),
    "no colon": ("net.py", "build must have the form FILE.py:FUNCTION, not 'net.py'"),
    "no name": ("net.py:", "build must have the form FILE.py:FUNCTION"),
    "no file": ("gone.py:build_model", "build file must be a readable file, not gone.py"),
    "no function": ("net.py:build_modle", "but 'build_modle' is not: did you mean 'build_model'?"),
    "no Python": ("bad.py:build_model", "build file must be Python, but bad.py is not (invalid syntax"),
}


@pytest.mark.parametrize(("build", "words"), BAD.values(), ids=BAD.keys())
def test_anything_but_a_function_is_refused(build, words, file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("bad.py").write_text("def build_model(:")
    with pytest.raises(InputError) as caught:
        Build.from_function(build)
    assert words in str(caught.value)


def test_functions_can_be_sent(tmp_path):
    factor = 3

    def build(genes):
        return factor * genes

    function, objects = Build.from_function(build).pack().load()
    assert (function(2), objects) == (6, {})
    (tmp_path / "net.py").write_text("from beside import two\n\ndef build(genes):\n    return two * genes\n")
    (tmp_path / "beside.py").write_text("two = 2\n")
    packed = Build.from_function(f"{tmp_path / 'net.py'}:build").pack()
    (tmp_path / "net.py").write_text("a later version")
    assert packed.load()[0](5) == 10


def test_functions_that_cannot_be_sent_are_refused(file):
    lock = threading.Lock()
    with pytest.raises(InputError, match=r"cannot pickle '_thread.lock' object.*without models, locks"):
        Build.from_function(lambda genes: lock).pack()
    with pytest.raises(InputError, match=r"net.py raised ModuleNotFoundError: No module named 'no_such_library'"):
        Build.from_function(file).pack().load()


def test_another_function_is_refused(file, tmp_path):
    recorded = Build.from_function(file).to_json()
    check_build(Build.from_function(file), recorded, Path("run"))
    check_build(None, None, Path("run"))
    with pytest.raises(
        InputError,
        match=r"build must be given again: the run run .* function 'build_model', .* --build FILE.py:build_model",
    ):
        check_build(None, recorded, Path("run"))
    with pytest.raises(InputError, match="build must not be given"):
        check_build(Build.from_function(file), None, Path("run"))
    (tmp_path / "net.py").write_text(FILE.replace("1]", "2]"))
    now = Build.from_function(file)
    words = f"{recorded['digest'][:12]}, not 'build_model' with {now.digest[:12]}.*first difference: .*return .genes, 1"
    with pytest.raises(InputError, match=words):
        check_build(now, recorded, Path("run"))


X, Y = np.zeros((40, 3, 2)), np.arange(40) % 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "space must be given with build"),
        ({"space": DenseSpace()}, "space must be a HyperparameterSpace with build, not DenseSpace"),
        (
            {"space": SPACE, "trainer": "population"},
            "trainer must be auto, native or single with build, not 'population'",
        ),
        ({"space": {"units": [1, "a"]}}, "genes.units must be"),
        ({"space": SPACE, "build": None}, "space.units is not a setting"),
    ],
)
def test_mismatched_arguments_are_refused_before_anything_is_written(options, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        evonas.search(X, Y, **{"build": build_model} | options)
    assert words in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_space_of_hyperparameters_needs_a_function(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="build must be given with a space of hyperparameters"):
        evonas.search(X[:, :, 0] + np.random.default_rng(0).normal(size=(40, 3)), Y, space={"genes": SPACE})
    assert Settings(seed=0).resolve("rmse", own_models=True).trainer == "native"


def test_first_models_that_all_fail_alike_stop_the_search():
    with pytest.raises(InputError, match=r"all 2 of the first generation failed: build raised KeyError: 'a'\..*r.log"):
        check_first(["build raised KeyError: 'a'", "build raised KeyError: 'b'"], Path("run/worker.log"))
    for reasons in (["build raised A: b", ""], ["build raised A: b", "training raised A: b"], ["diverged: 1"] * 2):
        check_first(reasons, Path("run/worker.log"))
