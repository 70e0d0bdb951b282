"""The command line: help, every kind of bad input, events, signals, and one real run from start to end."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from evonas import __version__, api
from evonas.cli import app
from evonas.runs import RunReader
from evonas.runs.lock import RunLock
from tests.stub import StubEvaluator

ROOT = Path(__file__).parents[1]
COMMANDS = ("run", "resume", "status", "export", "space")


def write_table(path: Path, rows: int = 60, name: str = "price") -> Path:
    lines = [f"rooms,colour,{name}"]
    lines += [f"{row * 7 % 11},{('red', 'blue')[row % 2]},{row * 7 % 11 + row % 2 + 0.5}" for row in range(rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table and nothing else; what trains is a stub."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "_worker", StubEvaluator)
    # No network is scored on the test split, which takes Keras.
    monkeypatch.setattr("evonas.result.SearchResult.exported", None)
    write_table(tmp_path / "table.csv")
    return tmp_path


def evonas(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, prog_name="evonas", env={"COLUMNS": "80"})


def search(*arguments: str) -> Result:
    return evonas("run", "table.csv", "--target", "price", "--population", "4", *arguments)


def process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """A real process; `table.csv` and run directories are those of the current folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    command = [sys.executable, "-m", "evonas", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, **options)


# Help.


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_a_terminal_of_80_columns(command: str) -> None:
    result = evonas(*filter(None, [command]), "--help")
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80
    assert "..." not in result.output.replace("[ARGS]...", "")


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['evonas', '--help']\n"
        "import time; started = time.perf_counter()\n"
        "import evonas.cli\n"
        "try: evonas.cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'keras', 'tensorflow', 'pandas', 'sklearn', 'rich', 'deap'} & set(sys.modules)\n"
        "print(heavy or 'nothing', time.perf_counter() - started)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    seconds = []
    for _ in range(3):
        output = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
        heavy, spent = output.stdout.splitlines()[-1].rsplit(maxsplit=1)
        assert heavy == "nothing"
        seconds.append(float(spent))
    assert min(seconds) < 1


def test_version_and_module() -> None:
    result = process("--version")
    assert (result.stdout, result.returncode) == (f"evonas {__version__}\n", 0)


# A run.


def test_a_run_from_start_to_end() -> None:
    result = search("--generations", "2", "--out", "run")
    assert result.exit_code == 0, result.output
    assert "table.csv: 2 columns to learn from (1 numeric, 1 categorical)" in result.output
    assert "generation 2/2: " in result.output
    assert "Stopped: all 2 generations are done" in result.output
    result = evonas("resume", "run", "--generations", "+1", "--quiet")
    assert result.exit_code == 0
    assert "3 generations, " in result.output
    assert json.loads(evonas("status", "run", "--json").stdout)["generations"] == 3
    assert "evonas resume run --generations +10" in evonas("status", "run").stdout


def test_seed_0_is_a_seed() -> None:
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        assert search("--generations", "1", "--seed", seed, "--out", name).exit_code == 0
    digests = []
    for name in "abc":
        with RunReader(name) as run:
            digests.append(run.digest())
    assert digests[0] == digests[1] != digests[2]


def test_a_population_comes_from_a_file_and_a_number() -> None:
    assert search("--generations", "1", "--out", "first").exit_code == 0
    options = ("--population", "first/population.json", "--generations", "1", "--out", "second")
    assert search(*options).exit_code == 0
    with RunReader("second") as run:
        assert run.settings.population == 4
        assert [record.operator for record in run.records()] == ["seed"] * 4


def test_spaces_are_printed_as_they_are_read() -> None:
    default = evonas("space").stdout
    Path("space.toml").write_text(default)
    assert evonas("space", "space.toml").stdout == default
    assert search("--space", "space.toml", "--generations", "1").exit_code == 0


def test_columns_are_dropped_as_asked() -> None:
    result = search("--drop", "colour", "--generations", "1")
    assert "column 'colour' is not used: dropped as asked" in result.output


def test_events_are_json_on_standard_output() -> None:
    result = search("--generations", "2", "--out", "run", "--json")
    assert result.exit_code == 0
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert events[0]["event"] == "start"
    assert events[-1]["event"] == "finish"
    assert events[-1]["stop"] == "generations"
    assert "Stopped: all 2 generations are done" in result.stderr
    quiet = evonas("resume", "run", "--json", "--quiet")
    assert quiet.stderr == ""
    assert json.loads(quiet.stdout.splitlines()[0])["evaluated"] == events[-1]["evaluated"]


def test_a_search_without_a_score_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    from evonas.evaluation import Evaluation, Status

    monkeypatch.setattr(StubEvaluator, "evaluation", Evaluation(Status.FAILED, reason="diverged"))
    result = search("--generations", "1")
    assert result.exit_code == 1
    assert "No network has a score yet" in result.output


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_stop_in_good_order(number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(StubEvaluator):
        def evaluate(self, *arguments: Any) -> Iterator[Any]:
            for count, part in enumerate(super().evaluate(*arguments)):
                if count == 2:
                    signal.raise_signal(number)
                yield part

    monkeypatch.setattr(api, "_worker", Stopped)
    result = search("--out", "my run", "--generations", "9")
    assert result.exit_code == code
    assert "Stopped: it was interrupted" in result.stdout
    assert "evonas resume 'my run'\n" in result.stdout
    assert "Traceback" not in result.output
    assert json.loads(evonas("status", "my run", "--json").stdout)["evaluated"] == 3


# Bad input. Each row: what is there, what is typed, and words of the message: constraint, value, mend.


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


def finished_run() -> None:
    assert search("--generations", "1", "--out", "there").exit_code == 0


def newer_run() -> None:
    finished_run()
    with Path("there/run.sqlite").open("r+b") as file:
        file.seek(60)
        file.write(struct.pack(">I", 99))


def damaged_run() -> None:
    finished_run()
    Path("there/run.sqlite").write_bytes(b"not a database" * 100)


def changed_data() -> None:
    finished_run()
    with Path("there/data.npz").open("ab") as file:
        file.write(b"x")


OWN = ["run", "table.csv", "--target", "price"]
BAD = ["run", "bad", "--target", "y"]
SPACED = [*OWN, "--space", "space.toml"]

BAD_INPUT: dict[str, tuple[Callable[[], None], list[str], list[str]]] = {
    "missing file": (nothing, ["run", "gone.csv", "--target", "y"], ["gone.csv"]),
    "a folder": (lambda: Path("bad").mkdir(), BAD, ["bad"]),
    "empty file": (text(""), BAD, ["bad", "empty"]),
    "header only": (rows("x,y"), BAD, ["at least one row", "add rows"]),
    "not text": (text(gzip.compress(b"x" * 99)[:-4]), BAD, ["bad"]),
    "a workbook": (text(b"PK\x03\x04" + bytes(99)), BAD, ["Excel"]),
    "not UTF-8": (text("x,y\n1,\xe9\n".encode("latin-1")), BAD, ["UTF-8"]),
    "target absent": (nothing, ["run", "table.csv", "--target", "prise"], ["'prise'", "did you mean", "'price'"]),
    "constant target": (rows("x,y", *[f"{row},5" for row in range(30)]), BAD, ["'y'", "5"]),
    "a single row": (rows("x,y", "1,2"), BAD, ["at least 3 rows", "1", "add rows"]),
    "all-missing column": (
        rows("x,z,y", *[f"{row},,{row % 7}.5" for row in range(30)]),
        BAD,
        ["'z'", "at least one value", "--drop z"],
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
    "unknown option": (nothing, [*OWN, "--generation", "5"], ["--generation"]),
    "no target": (nothing, ["run", "table.csv"], ["--target"]),
    "unknown command": (nothing, ["rnu"], ["'rnu'", "run"]),
    "run there": (finished_run, [*OWN, "--out", "there"], ["holds a run", "evonas resume there", "--overwrite"]),
    "other files there": (
        text("", "out/letter"),
        [*OWN, "--out", "out"],
        ["letter"],
    ),
    "out is a file": (nothing, [*OWN, "--out", "table.csv"], ["table.csv"]),
    "newer format": (newer_run, ["resume", "there"], ["99", "upgrade"]),
    "newer format, status": (newer_run, ["status", "there"], ["99", "upgrade"]),
    "damaged run": (damaged_run, ["resume", "there"], ["run.sqlite"]),
    "changed data": (changed_data, ["resume", "there"], ["data.npz", "changed", "restore"]),
    "no run": (nothing, ["resume", "gone"], ["gone"]),
    "no run, export": (nothing, ["export", "gone", "-o", "x.keras"], ["gone"]),
    "no rank": (finished_run, ["export", "there", "-o", "x.keras", "--rank", "99"], ["rank", "99", "1 to 4"]),
    "wrong suffix": (finished_run, ["export", "there", "-o", "x.h5"], [".keras", "x.h5"]),
    "no folder": (finished_run, ["export", "there", "-o", "gone/x.keras"], ["gone"]),
    "bad extension of a run": (finished_run, ["resume", "there", "--generations", "more"], ["'more'", "+10"]),
}


def snapshot() -> dict[str, bytes]:
    """Every file, by name; the lock file holds nothing."""
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file() and path.name != "run.lock"}


@pytest.mark.parametrize("name", BAD_INPUT)
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


def test_a_run_that_another_process_uses() -> None:
    finished_run()
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
    assert "choose another place" in result.stderr


def test_overwriting_replaces_the_run() -> None:
    finished_run()
    result = search("--generations", "2", "--out", "there", "--overwrite")
    assert result.exit_code == 0
    with sqlite3.connect("there/run.sqlite") as connection:
        assert connection.execute("SELECT generations FROM state").fetchone() == (2,)


# The real thing.


@pytest.mark.keras
def test_run_status_resume_export_load(folder: Path) -> None:
    write_table(folder / "table.csv", rows=200)
    Path("space.toml").write_text(
        '[network]\nlayers = 1\nunits = 8\nactivation = "relu"\n[training]\nbatch_size = 32\n'
    )
    options = ["--space", "space.toml", "--population", "3", "--epochs", "3", "--out", "run"]
    result = process(*OWN, *options, "--generations", "1", "--json")
    assert result.returncode == 0, result.stderr
    finish = json.loads(result.stdout.splitlines()[-1])
    assert finish["validation_scores"]["rmse"] == pytest.approx(finish["best"]["score"], rel=1e-5)
    assert finish["test_scores"].keys() == finish["best"]["scores"].keys()
    result = process("resume", "run", "--generations", "+1")
    assert result.returncode == 0, result.stderr
    assert "Test, which the search never saw: rmse " in result.stdout
    assert json.loads(process("status", "run", "--json").stdout)["generations"] == 2
    result = process("export", "run", "-o", "best.keras")
    assert result.returncode == 0, result.stderr
    script = (
        "import sys, keras\n"
        "model = keras.models.load_model('best.keras')\n"
        "assert not any(name.split('.')[0] in ('evonas', 'genomes') for name in sys.modules)\n"
        "print(model.input_shape, model.output_shape)"
    )
    loaded = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.splitlines()[-1].endswith("(None, 1)")


@pytest.mark.keras
def test_a_real_run_is_stopped_by_ctrl_c(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "evonas", *OWN, "--out", "run", "--json", "--quiet", "--generations", "1000"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        events = [json.loads(run.stdout.readline()) for _ in range(2)]
        assert events[1]["event"] == "progress"
        run.send_signal(signal.SIGINT)
        asked = time.monotonic()
        rest, errors = run.communicate(timeout=60)
        assert time.monotonic() - asked < 15
    assert run.returncode == 130
    assert "Traceback" not in errors
    finish = json.loads(rest.splitlines()[-1])
    assert (finish["event"], finish["stop"]) == ("finish", "interrupted")
