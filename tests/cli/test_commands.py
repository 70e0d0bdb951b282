"""The command line: help, runs, events and signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evonas import __version__
from evonas.api import prepared_search as api
from evonas.data.prepared import PreparedData
from evonas.runs import RunReader
from tests.cli.commands import OWN, ROOT, evonas, process, search
from tests.stub import StubEvaluator

COMMANDS = (
    "run",
    "resume",
    "status",
    "ls",
    "show",
    "report",
    "dashboard",
    "predict",
    "evaluate",
    "inspect",
    "finalists",
    "export",
    "build",
    "lr-find",
    "space",
    "join",
    "watch",
    "compare",
)

# Help.


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_a_terminal_of_80_columns(command: str) -> None:
    result = evonas(*filter(None, [command]), "--help")
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80
    assert "..." not in result.output.replace("[ARGS]...", "").replace("DIR...", "")
    assert "<" not in result.stdout, "a type of Python is no help"


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['evonas', '--help']\n"
        "import evonas.cli.app\n"
        "try: evonas.cli.app.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'keras', 'tensorflow', 'pandas', 'sklearn', 'rich', 'deap'} & set(sys.modules)\n"
        "print(heavy or 'nothing')"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    output = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert output.stdout.splitlines()[-1] == "nothing"


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
    assert search("--generations", "1", "--no-known-defaults", "--out", "first").exit_code == 0
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


def test_inspect_shows_the_roles_of_columns() -> None:
    result = evonas("inspect", *OWN[1:], "--categorical", "rooms", "--drop", "colour")
    assert result.exit_code == 0
    assert "regression" in result.output
    assert "chosen by the user" in result.output
    assert "column 'colour' is not used: excluded by the user" in result.output
    values = json.loads(evonas("inspect", *OWN[1:], "--json").output)
    assert values["rows"]["test"] > 0
    assert {column["name"] for column in values["columns"]} >= {"colour"}


def test_inspect_takes_folders_of_images_and_arrays(folder: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for index in range(20):
        inside = folder / "pets" / ("cat", "dog")[index % 2]
        inside.mkdir(parents=True, exist_ok=True)
        image.fromarray(np.full((6, 8, 3), index, np.uint8)).save(inside / f"{index}.png")
    result = evonas("inspect", "pets")
    assert result.exit_code == 0
    assert "class: binary of 2 classes (cat, dog)" in result.output
    assert "144 features, rows of 6 x 8 x 3" in result.output
    values = json.loads(evonas("inspect", "pets", "--image-size", "4", "--grayscale", "--json").output)
    assert (values["shape"], values["features"], values["rows"]["test"]) == ([4, 4, 1], 16, 4)
    np.savez("digits.npz", x=np.arange(80.0).reshape(20, 2, 2), digit=np.arange(20) % 2)
    assert "4 features, rows of 2 x 2" in evonas("inspect", "digits.npz", "--target", "digit").output
    refused = evonas("inspect", "table.csv")
    assert refused.exit_code == 2
    assert "--target must be given" in refused.output


def test_folders_of_images_and_columns_of_text(folder: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for index in range(30):
        inside = folder / "pets" / ("cat", "dog")[index % 2]
        inside.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, (5, 4, 3)).astype(np.uint8)
        image.fromarray(pixels).save(inside / f"{index}.png")
    result = evonas("run", "pets", "--population", "4", "--generations", "1", "--image-size", "3x2", "--out", "images")
    assert result.exit_code == 0, result.output
    preparation = PreparedData.load(Path("images/data.npz")).preparation
    assert preparation is not None
    assert preparation.shape == (3, 2, 3)
    result = search("--text", "colour", "--generations", "1", "--out", "texts")
    assert result.exit_code == 0, result.output
    assert "1 text" in result.output


def test_columns_are_dropped_as_asked() -> None:
    result = search("--drop", "colour", "--generations", "1")
    assert "column 'colour' is not used: excluded by the user" in result.output


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
def test_signals_stop_the_command_cleanly(number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(StubEvaluator):
        given = 0

        def evaluate(self, *arguments: Any) -> Iterator[Any]:
            for part in super().evaluate(*arguments):
                Stopped.given += 1
                if Stopped.given == 3:
                    signal.raise_signal(number)
                yield part

    monkeypatch.setattr(api, "_worker", Stopped)
    result = search("--out", "my run", "--generations", "9")
    assert result.exit_code == code
    assert "Stopped: it was interrupted" in result.stdout
    assert "evonas resume 'my run'\n" in result.stdout
    assert "Traceback" not in result.output
    assert json.loads(evonas("status", "my run", "--json").stdout)["evaluated"] == 3


def test_ctrl_c_while_a_compiled_module_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python raises ImportError in this case: a signal at a random moment exposed it."""

    def open_run(directory: Path) -> RunReader:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as stop:
            raise ImportError("initialization failed") from stop

    monkeypatch.setattr("evonas.runs.reader.RunReader", open_run)
    result = evonas("status", ".")
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "\nStopped.\n")
    monkeypatch.setattr("evonas.runs.reader.RunReader", lambda directory: 1 / 0)
    assert isinstance(evonas("status", ".").exception, ZeroDivisionError)


def test_limits_and_objectives_are_options() -> None:
    done = search(
        *("--strategy", "nsga2", "--objectives", "rmse, flops", "--generations", "2", "--out", "run"),
        *("--max-parameters", "50000", "--max-flops", "90000", "--max-latency-ms", "7.5"),
        *("--candidate-timeout", "10m", "--worker-memory", "1GiB"),
    )
    assert done.exit_code == 0, done.output
    with RunReader("run") as run:
        assert run.settings.objectives == ("rmse", "flops")
        assert (run.settings.max_parameters, run.settings.max_flops, run.settings.max_latency_ms) == (50000, 90000, 7.5)
        assert (run.settings.candidate_timeout, run.settings.worker_memory) == (600, 1 << 30)
        assert len(run.front()) > 0
    assert "Front of rmse, flops, " in evonas("status", "run").output
    refused = search("--objectives", "rmse,colour", "--strategy", "nsga2", "--out", "other")
    assert refused.exit_code == 2
    assert "not 'colour'" in refused.output
