"""Every kind of bad input on the command line: exit code 2, a helpful message, nothing lost."""

from __future__ import annotations

import gzip
import json
import os
import re
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from evonas.runs.lock import RunLock
from tests.cli.commands import OWN, ROOT, evonas, process, search

# Each row: the files that exist, the command, and words of the message: constraint, value, fix.


def nothing() -> None:
    pass


def text(content: str | bytes, name: str = "bad") -> Callable[[], None]:
    def write() -> None:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def rows(*lines: str) -> Callable[[], None]:
    return text("\n".join(lines) + "\n")


def space_file(old: str, new: str) -> Callable[[], None]:
    def write() -> None:
        default = evonas("space").stdout
        assert re.search(old, default)
        Path("space.toml").write_text(re.sub(old, new, default))

    return write


def make_finished_run() -> None:
    assert search("--generations", "1", "--out", "there").exit_code == 0


def newer_run() -> None:
    make_finished_run()
    with Path("there/run.sqlite").open("r+b") as file:
        file.seek(60)
        file.write(struct.pack(">I", 99))


def make_damaged_run() -> None:
    make_finished_run()
    Path("there/run.sqlite").write_bytes(b"not a database" * 100)


def change_data() -> None:
    make_finished_run()
    with Path("there/data.npz").open("ab") as file:
        file.write(b"x")


BAD = ["run", "bad", "--target", "y"]
SPACED = [*OWN, "--space", "space.toml"]

BAD_INPUT: dict[str, tuple[Callable[[], None], list[str], list[str]]] = {
    "missing file": (nothing, ["run", "gone.csv", "--target", "y"], ["gone.csv"]),
    "a folder": (lambda: Path("bad").mkdir(), BAD, ["bad"]),
    "empty file": (text(""), BAD, ["bad", "empty"]),
    "header only": (rows("x,y"), BAD, ["at least one row", "add rows"]),
    "not text": (text(gzip.compress(b"x" * 99)[:-4]), BAD, ["bad"]),
    "a workbook": (text(b"PK\x03\x04" + bytes(99)), BAD, ["Excel"]),
    "a row in Latin-1": (text("x,y\n1,\xe9\n".encode("latin-1")), BAD, ["at least 3 rows"]),
    "target absent": (nothing, ["run", "table.csv", "--target", "prise"], ["'prise'", "did you mean", "'price'"]),
    "constant target": (rows("x,y", *[f"{row},5" for row in range(30)]), BAD, ["'y'", "5"]),
    "a single row": (rows("x,y", "1,2"), BAD, ["at least 3 rows", "1", "add rows"]),
    "nothing but an all-missing column": (
        rows("z,y", *[f",{row % 7}.5" for row in range(30)]),
        BAD,
        ["'z'", "no value in any row", "at least one column"],
    ),
    "NaN target": (rows("x,y", *[f"{row},{row % 7}.5" for row in range(30)], "1,NaN"), BAD, ["'y'"]),
    "infinite target": (
        rows("x,y", *[f"{row},{row % 7}.5" for row in range(30)], "1,inf"),
        BAD,
        ["'y'", "inf", "finite"],
    ),
    "more classes than rows": (rows("x,y", *[f"{row % 5},name{row}" for row in range(30)]), BAD, ["'y'"]),
    "ragged row": (rows("x,y", "1,2", "1,2,3"), BAD, ["3"]),
    "unknown column to drop": (nothing, [*OWN, "--drop", "color"], ["'color'", "'colour'"]),
    "unknown task": (nothing, [*OWN, "--task", "clustering"], ["clustering", "regression"]),
    "unknown key in space": (space_file("(?m)^layers", "leyers"), SPACED, ["leyers", "layers"]),
    "inverted range": (space_file("(?m)^layers = .*", "layers = { low = 5, high = 1 }"), SPACED, ["layers", "5", "1"]),
    "empty range": (space_file("(?m)^layers = .*", "layers = []"), SPACED, ["layers"]),
    "negative learning rate": (space_file("(?m)^learning_rate = .*", "learning_rate = -0.1"), SPACED, ["-0.1"]),
    "type error in space": (space_file("(?m)^units = .*", 'units = "many"'), SPACED, ["units", "many"]),
    "not TOML": (text("a = = 2", "space.toml"), SPACED, ["TOML"]),
    "missing space": (nothing, [*OWN, "--space", "gone.toml"], ["gone.toml"]),
    "population 0": (nothing, [*OWN, "--population", "0"], ["population", "at least 1", "0"]),
    "population of words": (nothing, [*OWN, "--population", "many"], ["population", "number", "'many'", ".json"]),
    "missing population": (nothing, [*OWN, "--population", "gone.json"], ["gone.json"]),
    "no population": (
        text("[1]", "p.json"),
        [*OWN, "--population", "p.json"],
        ["population"],
    ),
    "negative generations": (nothing, [*OWN, "--generations", "-1"], ["generations", "at least 1", "-1"]),
    "half a generation": (nothing, [*OWN, "--generations", "1.5"], ["generations", "whole number", "'1.5'"]),
    "negative seed": (nothing, [*OWN, "--seed", "-1"], ["seed", "at least 0", "-1"]),
    "no time": (nothing, [*OWN, "--time", "soon"], ["time", "'soon'", "10m"]),
    "unknown objective": (nothing, [*OWN, "--objective", "accuracy"], ["objective", "rmse", "'accuracy'"]),
    "unknown strategy": (nothing, [*OWN, "--strategy", "gaa"], ["strategy", "'gaa'", "ga"]),
    "unknown trainer": (nothing, [*OWN, "--trainer", "fast"], ["trainer", "'fast'", "single"]),
    "one fold": (nothing, [*OWN, "--cv", "1"], ["cv", "at least 2", "1"]),
    "timeout of words": (nothing, [*OWN, "--candidate-timeout", "soon"], ["candidate_timeout", "'soon'", "10m"]),
    "no timeout": (nothing, [*OWN, "--candidate-timeout", "0.1s"], ["candidate_timeout", "at least 1", "0.1"]),
    "timeout of a year": (nothing, [*OWN, "--candidate-timeout", "9000h"], ["candidate_timeout", "at most", "30 days"]),
    "no thread": (nothing, [*OWN, "--threads", "0"], ["threads", "1 to 1024", "0"]),
    "memory of words": (nothing, [*OWN, "--worker-memory", "lots"], ["worker_memory", "'lots'", "4GiB"]),
    "no memory": (nothing, [*OWN, "--worker-memory", "100MB"], ["worker_memory", "at least 1 GiB", "'100MB'"]),
    "absurd memory": (nothing, [*OWN, "--worker-memory", "9000TiB"], ["worker_memory", "at most 1024 TiB"]),
    "unknown option": (nothing, [*OWN, "--generation", "5"], ["--generation"]),
    "no target": (nothing, ["run", "table.csv"], ["--target"]),
    "unknown command": (nothing, ["rnu"], ["'rnu'", "run"]),
    "run there": (make_finished_run, [*OWN, "--out", "there"], ["holds a run", "evonas resume there", "--overwrite"]),
    "other files there": (
        text("", "out/letter"),
        [*OWN, "--out", "out"],
        ["letter"],
    ),
    "out is a file": (nothing, [*OWN, "--out", "table.csv"], ["table.csv"]),
    "newer format": (newer_run, ["resume", "there"], ["99", "upgrade"]),
    "newer format, status": (newer_run, ["status", "there"], ["99", "upgrade"]),
    "damaged run": (make_damaged_run, ["resume", "there"], ["run.sqlite"]),
    "changed data": (change_data, ["resume", "there"], ["data.npz", "changed", "restore"]),
    "no run": (nothing, ["resume", "gone"], ["gone"]),
    "no run, export": (nothing, ["export", "gone", "-o", "x.keras"], ["gone"]),
    "no rank": (make_finished_run, ["export", "there", "-o", "x.keras", "--rank", "99"], ["rank", "99", "1 to 4"]),
    "wrong suffix": (make_finished_run, ["export", "there", "-o", "x.h5"], [".keras", "x.h5"]),
    "no folder": (make_finished_run, ["export", "there", "-o", "gone/x.keras"], ["gone"]),
    "bad extension of a run": (make_finished_run, ["resume", "there", "--generations", "more"], ["'more'", "+10"]),
}


def snapshot() -> dict[str, bytes]:
    """Returns the content of every file by name; that of the lock file is left out."""
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file() and path.name != "run.lock"}


@pytest.mark.parametrize("name", BAD_INPUT)
@pytest.mark.sampled(30)
def test_bad_input_gets_a_clear_error_and_nothing_is_lost(name: str) -> None:
    arrange, arguments, wanted = BAD_INPUT[name]
    arrange()
    before = snapshot()
    result = evonas(*arguments)
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert [word for word in wanted if word not in result.stderr] == [], result.stderr
    assert snapshot() == before


def test_bad_input_in_a_real_process() -> None:
    for arguments in (["run", "gone.csv", "--target", "y"], ["run", "table.csv", "--nonsense"]):
        result = process(*arguments)
        assert result.returncode == 2
        assert "Error: " in result.stderr
        assert "Traceback" not in result.stderr


def test_a_run_in_use_by_another_process() -> None:
    make_finished_run()
    script = "import sys, time; from pathlib import Path; from evonas.runs.lock import RunLock\n"
    script += "lock = RunLock(Path('there')); print('held', flush=True); time.sleep(60)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        for arguments in (["resume", "there"], [*OWN, "--out", "there", "--overwrite"]):
            result = evonas(*arguments)
            assert result.exit_code == 2
            assert f"being used by process {holder.pid}" in result.stderr
        assert json.loads(evonas("status", "there", "--json").stdout)["running"] is True
        holder.kill()
    RunLock(Path("there")).release()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o500)
    result = search("--out", "closed/run")
    assert result.exit_code == 2
    assert "choose another directory" in result.stderr


def test_overwriting_replaces_the_run() -> None:
    make_finished_run()
    result = search("--generations", "2", "--out", "there", "--overwrite")
    assert result.exit_code == 0
    with sqlite3.connect("there/run.sqlite") as connection:
        assert connection.execute("SELECT generations FROM state").fetchone() == (2,)


@pytest.mark.parametrize("command", ["run", "inspect", "lr-find"])
def test_a_missing_file_is_reported_before_the_target(command: str) -> None:
    result = evonas(command, "nowhere")
    assert result.exit_code == 2
    assert "data must be an existing file or folder, not 'nowhere'" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("predict", "missing.keras", "x.csv"), "model must be an existing run directory or .keras file"),
        (("run", "pets", "--numbers", "log"), "numbers must be given with dense networks, not with convolutional ones"),
        (("run", "pets", "--neighbours"), "neighbours must be given with dense networks"),
        (("run", "pets", "--text", "review"), "text must be given with a table, not 'review' with a folder of images"),
    ],
)
def test_options_and_files_that_do_not_fit_are_named(arguments: tuple[str, ...], words: str) -> None:
    Path("pets").mkdir(exist_ok=True)
    result = evonas(*arguments)
    assert result.exit_code == 2
    assert words in result.output


@pytest.mark.parametrize("command", ["run", "inspect", "lr-find"])
def test_a_missing_target_names_its_option(command: str) -> None:
    Path("t.csv").write_text("a,b\n1,2\n")
    done = evonas(command, "t.csv")
    assert done.exit_code == 2
    assert "--target must be given" in done.stderr
