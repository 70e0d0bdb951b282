"""Commands as processes that really train: run to the end, stopped, killed and resumed."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evonas.runs import RunReader
from tests.cli.commands import OWN, ROOT, process, write_table


def small_search(folder: Path) -> list[str]:
    """Returns the options of a search that takes almost no time."""
    write_table(folder / "table.csv", rows=200)
    Path("space.toml").write_text(
        '[network]\nlayers = 1\nunits = 8\nactivation = "relu"\n[training]\nbatch_size = 32\n'
    )
    options = ["--space", "space.toml", "--population", "3", "--epochs", "3", "--out", "run"]
    return [*OWN, *options, "--finalists", "0", "--generations", "1"]


@pytest.mark.keras
def test_run_and_load(folder: Path) -> None:
    result = process(*small_search(folder), "--export", "best.keras", "--json")
    assert result.returncode == 0, result.stderr
    finish = json.loads(result.stdout.splitlines()[-1])
    assert finish["validation_scores"]["rmse"] == pytest.approx(finish["best"]["score"], rel=1e-5)
    loaded = subprocess.run(
        [sys.executable, "-P", "-c", card_script()], capture_output=True, text=True, check=True, cwd=folder
    )
    assert loaded.stdout.splitlines()[-1].endswith("(None, 1)")


def card_script() -> str:
    """Returns the code with which the model card loads the model, runnable without evonas."""
    (usage,) = re.findall(r"```python\n(.*?)```", Path("best.keras.card.md").read_text(), re.DOTALL)
    assert "'colour': np.array(['blue'], \"object\")" in usage
    return (
        f"{usage}\nimport sys, keras\n"
        "model = keras.models.load_model('best.keras')\n"
        "assert not any(name.split('.')[0] in ('evonas', 'genomes') for name in sys.modules)\n"
        "print(model.input_shape, model.output_shape)"
    )


@pytest.mark.keras
@pytest.mark.soak
def test_run_status_resume_export_load(folder: Path) -> None:
    result = process(*small_search(folder), "--json")
    assert result.returncode == 0, result.stderr
    finish = json.loads(result.stdout.splitlines()[-1])
    assert finish["validation_scores"]["rmse"] == pytest.approx(finish["best"]["score"], rel=1e-5)
    assert finish["test_scores"].keys() == finish["best"]["scores"].keys()
    Path("theirs.keras").write_text("somebody else's")
    result = process("resume", "run", "--generations", "+1", "--export", "theirs.keras")
    assert result.returncode == 2
    assert "theirs.keras" in result.stderr
    assert Path("theirs.keras").read_text() == "somebody else's"
    assert json.loads(process("status", "run", "--json").stdout)["generations"] == 1
    result = process("resume", "run", "--generations", "+1", "--export", "at_the_end.keras")
    assert result.returncode == 0, result.stderr
    assert "Test, which the search never saw: rmse " in result.stdout
    ended = json.loads(Path("at_the_end.keras.card.json").read_text())
    status = json.loads(process("status", "run", "--json").stdout)
    assert status["generations"] == 2
    result = process("export", "run", "-o", "best.keras")
    assert result.returncode == 0, result.stderr
    loaded = subprocess.run([sys.executable, "-P", "-c", card_script()], capture_output=True, text=True, check=True)
    assert loaded.stdout.splitlines()[-1].endswith("(None, 1)")
    card = json.loads(Path("best.keras.card.json").read_text())
    assert card["scores"]["validation"] == ended["scores"]["validation"]
    assert card["scores"]["validation"]["rmse"] == pytest.approx(status["best"]["score"], rel=1e-5)
    assert [(each["column"], each["dtype"]) for each in card["model"]["inputs"]] == [
        ("rooms", "float32"),
        ("colour", "string"),
    ]
    result = process("build", "best.keras.card.json", "-o", "rebuilt.keras", "--json")
    assert json.loads(result.stdout)["parameters"] == card["model"]["parameters"], result.stderr
    assert json.loads(result.stdout)["seed"] == card["networks"][0]["seed"]


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[subprocess.Popen[str], int]]]:
    """Starts a real search; yields it with its worker's process number as soon as something has been committed.

    Ends whatever a failed test leaves behind, which would otherwise train for hours.
    """
    runs: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> tuple[subprocess.Popen[str], int]:
        command = [sys.executable, "-m", "evonas", *arguments, "--json"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        runs.append(run)
        assert run.stdout is not None
        next(line for line in run.stdout if json.loads(line)["event"] == "progress")
        worker, *_ = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        return run, int(worker)

    yield start
    for run in runs:
        run.kill()
        run.communicate()


@pytest.mark.keras
@pytest.mark.parametrize("trainer", ["native", pytest.param("single", marks=pytest.mark.soak)])
def test_a_real_run_is_stopped_and_continued_by_the_printed_command(
    folder: Path, trainer: str, start: Callable[..., tuple[subprocess.Popen[str], int]]
) -> None:
    """Presses Ctrl-C once; the command that it then prints is run and stopped by two signals."""
    generations = {"single": "6", "native": "1000"}[trainer]
    options = ["--generations", generations, "--population", "12", "--epochs", "20", "--finalists", "0"]
    options += ["--trainer", trainer]
    run, worker = start(*OWN, "--out", "my run", *options)
    run.send_signal(signal.SIGINT)
    output, words = run.communicate(timeout=120)  # far less time than its generations take
    assert run.returncode == 130
    assert "Traceback" not in words
    assert not Path(f"/proc/{worker}").exists()
    finish = json.loads(output.splitlines()[-1])
    assert (finish["event"], finish["stop"]) == ("finish", "interrupted")
    (line,) = re.findall(r"^Continue: +evonas (.*)$", words, re.MULTILINE)
    assert line == "resume 'my run'"

    run, worker = start(*shlex.split(line))
    run.send_signal(signal.SIGTERM)
    time.sleep(0.05)
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=120)
    assert run.returncode in (143, -signal.SIGTERM)  # 143: what a shell reports for SIGTERM
    deadline = time.monotonic() + 60  # it ends on its own because its driver is gone
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{worker}").exists()
    with RunReader("my run") as reader:
        assert reader.evaluated >= finish["evaluated"]


@pytest.mark.keras
@pytest.mark.soak
def test_rungs_continue_after_a_kill(folder: Path) -> None:
    """Kills the run while the second rung of a bracket continues from the weights kept from the first."""
    Path("space.toml").write_text(
        '[network]\nlayers = 1\nunits = [8, 12]\nactivation = "relu"\nnormalization = "batch"\n'
    )
    hyperband = ["--strategy", "hyperband", "--population", "3", "--epochs", "9", "--generations", "3"]
    options = [*hyperband, "--finalists", "0", "--space", "space.toml", "--json", "--quiet"]
    assert process(*OWN, *options, "--out", "straight").returncode == 0
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "evonas", *OWN, *options, "--out", "killed"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        next(line for line in run.stdout if json.loads(line)["event"] == "generation")
        run.kill()
    assert process("resume", "killed", "--quiet").returncode == 0
    digests = []
    for directory in ("straight", "killed"):
        with RunReader(directory) as reader:
            records = list(reader.records())
            assert [record.evaluation.epochs for record in records] == [1, 1, 1, 3, 9]
            assert [str(record.origin) for record in records[3:]] == [
                f"continue 0 {records[3].origin.index}",
                "continue 1 0",
            ]
            assert records[4].evaluation.curve[:3] == records[3].evaluation.curve
            digests.append(reader.digest())
    assert digests[0] == digests[1]
