"""Text from data that is printed to a terminal, and terminals that cannot display it."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evonas.cli.tables import show_rows
from evonas.display import next_steps, summaries
from evonas.display.text import Plain
from evonas.io.console import say, say_lines
from evonas.io.printable import printable
from evonas.runs import RunReader, RunStore
from evonas.runs.checksums import update
from evonas.tuner.hyperparameters import HyperParameters
from evonas.tuner.results import print_results, print_space
from evonas.tuner.trial import Trial
from tests.runs.cases import candidates
from tests.toy import ToySpace, toy_store

ROOT = Path(__file__).parents[2]
ATTACK = "\x1b]52;c;cm0gLXJmIH4=\x07\x1b[2J\nContinue: rm -rf ~\u202e"


@given(st.text())
def test_printed_text_is_one_line_of_printable_characters(text: str) -> None:
    assert printable(text).isprintable()
    assert printable("plain text, größer") == "plain text, größer"


def test_nothing_in_a_run_reaches_the_terminal_raw(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    source = {"path": f"x{ATTACK}", "build": {"name": f"f{ATTACK}", "given": f"{folder}/evil.py:f"}}
    with toy_store(folder, source=source) as store:
        fill_failed(store)
    with RunReader(folder) as run:
        lines = [*summaries.summary_lines(run), *next_steps.next_lines(run)]
        assert all(line.isprintable() for line in lines)
        assert not any(line.startswith("Continue: rm") for line in lines)
        assert "evil.py" not in "".join(lines)
        stream = io.StringIO()
        Plain(stream).finish(run, None)
        assert all(line.isprintable() for line in stream.getvalue().split("\n"))


def fill_failed(store: RunStore) -> None:
    from evonas.config import Budget
    from evonas.evaluation import Evaluation, Status

    asked = candidates(1)
    store.begin_session(Budget())
    store.add_candidates(asked, ToySpace())
    store.commit_part([(asked[0], Evaluation(Status.FAILED, reason=f"no{ATTACK}"))], 0.0)
    update(store._connection, "session", {"number": 1}, {"stop": "generations"})


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_search_continues_if_its_output_is_closed(tmp_path: Path) -> None:
    with toy_store(tmp_path / "run") as store:
        fill_failed(store)
    with RunReader(tmp_path / "run") as run:
        Plain(Closed()).finish(run, None)
    stream = io.StringIO()
    say("a\x07\nb", stream)
    assert stream.getvalue() == "a\\x07\nb\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_rows_of_data_move_no_cursor(terminal: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
        show_rows([{"a\x1b[2J": 1}], as_json=False, as_csv=True, nothing="")
    assert capsys.readouterr().out == ("a\\x1b[2J\n1\n" if terminal else "a\x1b[2J\n1\n")


@pytest.mark.parametrize("where", ["latin-1", "closed", "full"])
def test_unencodable_output_loses_characters_but_no_command_fails(tmp_path: Path, where: str) -> None:
    with toy_store(tmp_path / "run ● größer") as store:
        fill_failed(store)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "latin-1" if where == "latin-1" else ""}
    command = f"{sys.executable} -m evonas status '{tmp_path}/run ● größer'"
    command += {"latin-1": "", "closed": " >&-", "full": " > /dev/full"}[where]
    done = subprocess.run(["bash", "-c", command], capture_output=True, env=environment, check=False)
    assert b"Traceback" not in done.stderr
    if where == "latin-1":
        assert "run \\u25cf größer".encode("latin-1") in done.stdout
    assert done.returncode == (1 if where == "full" else 0), done.stderr


def test_output_of_libraries_fits_the_stream_or_is_dropped() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    say_lines("", f"größer {ATTACK}", stream=stream)
    stream.seek(0)
    lines = stream.read().split("\n")
    assert lines[0] == ""
    assert lines[1].startswith("gr\\xf6\\xdfer \\x1b]52")
    assert len(lines) == 3
    say_lines("a", stream=Closed())


def test_drop_ins_print_through_the_common_function() -> None:
    for folder in ("tuner", "estimators", "display"):
        for path in (ROOT / "evonas" / folder).rglob("*.py"):
            code = [line for line in path.read_text().splitlines() if not line.lstrip().startswith(">>>")]
            printed = [line for line in code if re.search(r"(?<![\w.])print\(", line)]
            assert all("json.dumps(" in line for line in printed), (path, printed)


def test_names_and_values_of_a_tuner_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    trial = Trial(HyperParameters(), f"0{ATTACK}")
    trial.message = ATTACK
    trial.hyperparameters.Fixed(f"n{ATTACK}", ATTACK)
    trial.summary()
    print_results(ATTACK, [], [])
    print_space(trial.hyperparameters.space, extended=True)
    lines = capsys.readouterr().out.split("\n")
    assert len(lines) > 4
    assert all(not line or line.isprintable() for line in lines)
    assert not any(line.startswith("Go on") for line in lines)
