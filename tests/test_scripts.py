"""The scripts: short, documented, and equivalent to three commands, but through the Python API."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = ("evolve", "resume", "export_best", "own_model")


def script(name: str, *arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


class Here(NamedTuple):
    """How a script that was run in this process ended."""

    code: object
    stdout: str
    stderr: str


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Here]:
    """Runs a script like `script`, but without a new Python process, which would have to import evonas again."""

    def run(name: str, *arguments: str) -> Here:
        path = ROOT / "scripts" / f"{name}.py"
        monkeypatch.setattr(sys, "argv", [str(path), *arguments])
        monkeypatch.setenv("COLUMNS", "80")
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(path), run_name="__main__")
        return Here(ended.value.code or 0, *capsys.readouterr())

    return run


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_short_and_documented(name: str, in_this_process: Callable[..., Here]) -> None:
    assert len((ROOT / "scripts" / f"{name}.py").read_text().splitlines()) < 80
    result = in_this_process(name, "--help")
    assert result.code == 0
    assert result.stdout.startswith(f"usage: {name}.py")
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("evolve", ["gone.csv", "y"], "gone.csv"),
        ("evolve", ["gone.csv", "y", "--population", "0"], "population must be at least 1, not 0"),
        ("resume", ["gone"], "must hold a run"),
        ("export_best", ["gone", "best.keras"], "must hold a run"),
    ],
)
def test_bad_input_gets_a_clear_error(
    name: str,
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_this_process: Callable[..., Here],
) -> None:
    monkeypatch.chdir(tmp_path)
    result = in_this_process(name, *arguments)
    assert result.code == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_bad_input_in_a_real_process(tmp_path: Path) -> None:
    result = script("resume", "gone", folder=tmp_path)
    assert result.returncode == 2
    assert "must hold a run" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.keras
@pytest.mark.soak
def test_evolve_resume_and_export(tmp_path: Path) -> None:
    lines = ["rooms,colour,price", *(f"{row * 7 % 11},{'ab'[row % 2]},{row * 7 % 11}.5" for row in range(120))]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "space.toml").write_text('[network]\nlayers = 1\nunits = 8\nactivation = "relu"\n')
    options = ["--space", "space.toml", "--generations", "1", "--population", "2", "--out", "run"]
    result = script("evolve", "table.csv", "price", *options, "--export", "best.keras", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "generation 1: 2 networks trained" in result.stdout
    assert "Test scores: " in result.stdout
    assert (tmp_path / "best.keras").exists()
    result = script("resume", "run", "--generations", "+1", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "generation 2: " in result.stdout
    result = script("export_best", "run", "second.keras", "--rank", "2", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Model: " in result.stdout
    assert (tmp_path / "second.keras").exists()


@pytest.mark.keras
@pytest.mark.soak
def test_a_custom_model(tmp_path: Path) -> None:
    result = script("own_model", "--generations", "1", "--out", "run", "--export", "digits.keras", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "accuracy 0.9" in result.stdout
    assert (tmp_path / "digits.keras").exists()


@pytest.mark.parametrize("target", ["demo", "test"])
def test_make_refuses_an_old_python_with_a_message(target: str, tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\ncase "$1" in -V) echo "Python 3.9.1";; *) exit 1;; esac\n')
    old.chmod(0o755)
    for python, words in ((old, "evonas needs Python 3.11 or newer"), ("python-gone", "python-gone is not installed")):
        options = [f"VENV={tmp_path / 'venv'}", f"PYTHON={python}"]
        result = subprocess.run(["make", target, *options], cwd=ROOT, capture_output=True, text=True, check=False)
        assert result.returncode != 0
        assert words in result.stderr
        assert not (tmp_path / "venv").exists()
