"""Run directories that are refused and left untouched: foreign, damaged, of other formats, in use."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from evonas.runs import RunReader, RunStore
from evonas.runs.schema import FORMAT
from genomes.errors import InputError
from tests.runs.cases import files_under, fill, toy_data
from tests.toy import toy_store

ROOT = Path(__file__).parents[2]


def test_a_directory_with_a_run_is_refused_untouched_or_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "my run"
    with toy_store(folder) as store:
        fill(store, [1.0])
    before = files_under(folder)
    with pytest.raises(InputError, match=r"evonas resume '.*my run'\), replace it \(overwrite=True, --overwrite\)"):
        toy_store(folder)
    assert {**files_under(folder), str(folder / "run.lock"): b""} == before
    with toy_store(folder, overwrite=True) as store:
        assert store.evaluated == 0
        assert not list((folder / "weights").iterdir())


def test_a_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"must be new or empty, but .* holds thesis.tex"):
            toy_store(tmp_path, overwrite=overwrite)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be created"):
        toy_store(tmp_path / "file" / "run")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if not os.access(locked, os.W_OK):  # root may write anywhere
        with pytest.raises(InputError, match="must be writable"):
            toy_store(locked)


def test_a_killed_creation_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At whatever step; even if the run's data exist, as long as its database shows that they belong to it."""
    folder = tmp_path / "run"
    for call in ("sync", "sha256", "place_new", "sync_directory"):
        if (child := os.fork()) == 0:
            monkeypatch.setattr(f"evonas.runs.directory.{call}", lambda *_: os._exit(7))
            toy_store(folder, data=toy_data(), overwrite=call == "sync_directory")
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert (folder / "run.sqlite").exists() == (call == "sync_directory")
    assert not (folder / "run.sqlite-journal").exists()
    toy_store(folder, data=toy_data(), overwrite=True).close()
    RunStore.open(folder).close()
    (folder / "run.sqlite").unlink()
    with pytest.raises(InputError, match=r"must be new or empty, but .* holds ballast, data.npz"):
        toy_store(folder, data=toy_data(), overwrite=True)


OWN = """
import sys
from evonas.runs import RunStore
store = RunStore.open(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_a_second_process_gets_the_owner_and_readers_are_not_blocked(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with toy_store(folder) as store:
        fill(store, [1.0])
    owner = subprocess.Popen(
        [sys.executable, "-c", OWN, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert owner.stdout is not None
        owner.stdout.readline()
        for attempt in (lambda: RunStore.open(folder), lambda: toy_store(folder, overwrite=True)):
            with pytest.raises(InputError, match=rf"is being used by process {owner.pid}"):
                attempt()
        with RunReader(folder) as run:
            assert run.owner == owner.pid
            assert run.evaluated == 1
    finally:
        owner.kill()
        owner.communicate()
    RunStore.open(folder).close()


def set_version(path: Path, version: int) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


def damage(folder: Path, how: str) -> None:
    path = folder / "run.sqlite"
    if how == "newer":
        set_version(path, FORMAT + 1)
    elif how == "older":
        set_version(path, 1)
    elif how == "text":
        path.write_text("not a database " * 100)
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "foreign":
        path.unlink()
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE t (a)")
        connection.close()
    elif how == "schema":
        connection = sqlite3.connect(path)
        connection.execute("CREATE TRIGGER evil AFTER UPDATE ON session BEGIN DELETE FROM evaluation; END")
        connection.close()
    elif how == "missing":
        path.unlink()


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("newer", f"at most {FORMAT}, .* has format {FORMAT + 1}: upgrade evonas; nothing was changed"),
        ("older", f"must be 2 or 3 or 4 or 5 or {FORMAT}, .* has format 1, .* nothing was changed"),
        ("text", "is not a SQLite file"),
        ("empty", "is not a SQLite file"),
        ("truncated", "is damaged"),
        ("foreign", "another program wrote it"),
        ("schema", "is damaged .*tables"),
        ("missing", "there is none in"),
    ],
)
def test_unsupported_formats_are_refused_untouched(tmp_path: Path, how: str, text: str) -> None:
    folder = tmp_path / "run"
    with toy_store(folder) as store:
        fill(store, [1.0])
    damage(folder, how)
    before = files_under(folder)
    for attempt in (RunReader, RunStore.open):
        with pytest.raises(InputError, match=text):
            attempt(folder)
        assert files_under(folder) == before


def test_changed_data_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    toy_store(folder, data=toy_data()).close()
    with RunStore.open(folder) as store:
        assert store.fingerprint == "fingerprint 0.0"
        assert store.problem_json["task"] == "regression"
    toy_data(1.0).save(folder / "data.npz")
    with pytest.raises(InputError, match=r"data.npz must be as the run wrote it"):
        RunStore.open(folder)
    (folder / "data.npz").unlink()
    with pytest.raises(InputError, match="must be readable"):
        RunStore.open(folder)
    toy_data().save(folder / "data.npz")
    RunStore.open(folder).close()


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    for attempt in (RunReader, RunStore.open):
        with pytest.raises(InputError, match="there is none in"):
            attempt(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
