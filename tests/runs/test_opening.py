"""Opening foreign files changes nothing, runs nothing and terminates: journals, sparse files, untrusted text."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evonas
from evonas.data.source import check_origin, origin_of
from evonas.runs import RunReader, RunStore
from evonas.runs.checksums import insert, seal, update, verify
from evonas.runs.consistency import same_space, space_class
from evonas.runs.lock import RunLock, owner_of
from evonas.runs.records import JSON, from_text
from evonas.runs.weights import WeightFiles
from evonas.user_model import check_build
from genomes.codec import canonical_json, parse_json
from genomes.dense import DenseSpace
from genomes.encodings import space_from_toml
from genomes.errors import InputError
from tests.runs.cases import files_under, fill
from tests.toy import toy_store

MAGIC = bytes([0xD9, 0xD5, 0x05, 0xF9, 0x20, 0xA1, 0x63, 0xD7])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with toy_store(tmp_path / "run") as store:
        fill(store, [1.0, 2.0])
    (tmp_path / "run" / "run.lock").unlink()
    return tmp_path / "run"


def with_super_journal(run: Path, victim: Path) -> None:
    pages = (run / "run.sqlite").stat().st_size // 4096
    head = (MAGIC + struct.pack(">IIIII", 0, 0, pages, 512, 4096)).ljust(512, b"\0")
    name = str(victim).encode()
    tail = struct.pack(">I", 0x40000000 // 4096 + 1) + name + struct.pack(">II", len(name), sum(name)) + MAGIC
    (run / "run.sqlite-journal").write_bytes(head + tail)


def with_endless_journal(run: Path, victim: Path) -> None:
    head = MAGIC + struct.pack(">IIIII", 0, 0, 0xFFFFFFFE, 512, 4096)
    (run / "run.sqlite-journal").write_bytes(head.ljust(1024, b"\0"))


def with_write_ahead_log(run: Path, victim: Path) -> None:
    (run / "run.sqlite-wal").write_bytes(b"\x37\x7f\x06\x82" + b"\0" * 60)


def in_another_mode(run: Path, victim: Path) -> None:
    content = bytearray((run / "run.sqlite").read_bytes())
    content[18:20] = b"\x02\x02"
    (run / "run.sqlite").write_bytes(content)


def all_holes(run: Path, victim: Path) -> None:
    with (run / "run.sqlite").open("r+b") as file:
        file.truncate(1 << 34)


ATTACKS = (with_super_journal, with_endless_journal, with_write_ahead_log, in_another_mode, all_holes)


@pytest.mark.parametrize("attack", ATTACKS)
def test_journals_that_sqlite_would_replay_are_refused_untouched(
    run: Path, tmp_path: Path, attack: Callable[[Path, Path], None]
) -> None:
    victim = tmp_path / "thesis.txt"
    victim.write_text("years of work")
    attack(run, victim)
    before = {} if attack is all_holes else files_under(run)
    for attempt in (RunReader, RunStore.open, lambda folder: toy_store(folder, overwrite=True)):
        with pytest.raises(InputError):
            attempt(run)
        assert victim.read_text() == "years of work"
        assert attack is all_holes or {k: v for k, v in files_under(run).items() if "lock" not in k} == before


SOURCES: list[dict[str, Any]] = [
    {"absolute": ["x"], "bytes": 1, "sha256": "a" * 64},
    {"absolute": "/etc/passwd", "bytes": "1", "sha256": "a" * 64},
    {"absolute": "/etc/passwd", "bytes": 1, "sha256": "a"},
    {"path": 3},
    {"build": "x"},
    {"build": {}},
    {"build": {"name": "f", "digest": [1]}},
    {"drop": "x"},
    {"baseline": "no"},
]


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_of_other_types_is_refused(run: Path, source: dict[str, Any]) -> None:
    connection = sqlite3.connect(run / "run.sqlite", isolation_level=None)
    update(connection, "about", {"key": "source"}, {"value": json.dumps(source)})
    connection.close()
    for attempt in (RunReader, evonas.resume):
        with pytest.raises(InputError, match=r"must hold what evonas wrote"):
            attempt(run)


def test_only_a_file_as_long_as_the_run_says_is_read(tmp_path: Path) -> None:
    for size in (0, 1, 1 << 40):
        with pytest.raises(InputError, match="has changed"):
            check_origin({"absolute": "/proc/self/pagemap", "bytes": size, "sha256": "a" * 64})
    for absolute in ("/dev/zero", "/nowhere", "a\0b", str(tmp_path)):
        check_origin({"absolute": absolute, "bytes": 1, "sha256": "a" * 64})
    file = tmp_path / "table.csv"
    file.write_text("a,b\n1,2\n")
    origin = origin_of(file)
    (tmp_path / "link.csv").symlink_to(file)
    check_origin({**origin, "absolute": str(tmp_path / "link.csv")})
    file.write_text("a,b\n1,3\n")
    with pytest.raises(InputError, match="has changed"):
        check_origin({**origin, "absolute": str(tmp_path / "link.csv")})


def test_a_run_without_its_function_is_refused() -> None:
    with pytest.raises(InputError, match=r"function 'a\\\\x1b'"):
        check_build(None, {"name": "a\x1b"}, Path("run"))


@pytest.mark.parametrize("text", ["[" * 100_000, "[" + "[]," * 8_000_000 + "[]]", '{"a":' + "1," * 9_000_000 + "1}"])
def test_values_that_take_more_memory_than_their_text_are_refused(text: str) -> None:
    for read in (lambda: parse_json(text, "genome"), lambda: from_text(JSON, text)):
        with pytest.raises(ValueError, match=r"many values|deeply|recursion|object"):
            read()


def test_a_space_as_toml_is_short() -> None:
    with pytest.raises(InputError, match="at most 262144 characters"):
        space_from_toml("a = 1\n" * 50_000)


# Stored values come back unchanged.

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text("aé\0"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab\0"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("ab"), VALUES, max_size=4))
def test_json_values_come_back_bit_by_bit(value: dict[str, Any]) -> None:
    back = from_text(JSON, canonical_json(value))
    assert repr(back) == repr({key: back[key] for key in back})
    assert canonical_json(back) == canonical_json(value)


@given(st.floats() | st.sampled_from([-0.0, 5e-324, -1.7976931348623157e308, np.float64(-0.0), np.float32(0.1)]))
def test_numbers_in_rows_come_back_unchanged(number: float) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE session (number INTEGER, x REAL, n INTEGER, checksum TEXT) STRICT")
    for table in ("about", "candidate", "evaluation", "state", "finals", "retraining"):
        connection.execute(f"CREATE TABLE {table} (number INTEGER, generation, position, seed, checksum TEXT)")
    insert(connection, "state", [(0, None, None, None)])
    insert(connection, "session", [(1, number, np.int64(3))])
    update(connection, "session", {"number": 1}, {"x": -number})
    row = connection.execute("SELECT * FROM session").fetchone()
    assert seal(row[:-1]) == row
    infinite = pytest.raises(sqlite3.DatabaseError, match="infinite") if math.isinf(number) else nullcontext()
    with infinite:  # evonas writes no such rows
        verify(connection, 3)


def test_arrays_come_back_bit_by_bit(tmp_path: Path) -> None:
    import ml_dtypes

    files = WeightFiles(tmp_path)
    numbers = [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 6.1e4, 1.5]
    arrays: dict[str, Any] = {
        f"{kind}/{number}": np.asarray(numbers[number], kind) if kind[1] in "fc" else np.asarray(number % 2, kind)
        for kind in ("<f2", "<f4", "<f8", ">f4", "<c8", "|b1", "|i1", "|u1", "<i8", "<u8", ">i2")
        for number in range(8)
    }
    arrays |= {"empty": np.zeros((0, 3), np.float32), "scalar": np.array(7), "fortran": np.asfortranarray(np.eye(3))}
    arrays |= {kind: np.arange(6).astype(getattr(ml_dtypes, kind)) for kind in ("bfloat16", "float8_e4m3fn")}
    arrays["bfloat16/scalar"] = np.array(1.5, ml_dtypes.bfloat16)
    back = files.get(files.put(arrays))
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape), name
        assert back[name].tobytes() == array.tobytes(), name


# Two owners at once, and what a child process inherits.

FORKING = """
import os, sys, time
from pathlib import Path
from evonas.runs.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
if sys.argv[2] == "python":
    child = os.fork()
else:  # as a library does it, of which Python knows nothing
    import ctypes
    child = ctypes.CDLL(None).fork()
if child == 0:
    time.sleep(60)
    os._exit(0)
print(child, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("how", ["python", "library"])
def test_a_lock_does_not_outlive_its_owner_in_a_child(tmp_path: Path, how: str) -> None:
    # To a file: a pipe stays open until the child ends, but the child has to be alive, and must hold no lock.
    with (tmp_path / "child").open("w") as written:
        subprocess.run([sys.executable, "-c", FORKING, tmp_path, how], stdout=written, check=False)
    child = int((tmp_path / "child").read_text())
    try:
        os.kill(child, 0)
        assert owner_of(tmp_path) is None
        with pytest.raises(InputError, match="being used by process"):
            _two_locks(tmp_path)
        assert owner_of(tmp_path) is None
    finally:
        subprocess.run(["kill", "-9", str(child)], check=False)


def _two_locks(folder: Path) -> None:
    lock = RunLock(folder)
    try:
        RunLock(folder)
    finally:
        lock.release()


class OwnSpace(DenseSpace):
    """A space with custom operators."""


def test_a_space_of_a_custom_class_is_required_again(tmp_path: Path) -> None:
    space = OwnSpace(layers=1)
    source = space_class(space)
    assert not space_class(DenseSpace())
    assert source["space_class"].endswith("test_opening.OwnSpace")
    with toy_store(tmp_path / "run", space=space, source=source) as store:
        with pytest.raises(InputError, match=r"searches one of the class .*OwnSpace, which is not stored"):
            same_space(store)
        assert same_space(store, space) is space
        with pytest.raises(InputError, match="other settings"):
            same_space(store, OwnSpace(layers=2))
        with pytest.raises(InputError, match="must be given again"):
            same_space(store, DenseSpace(layers=1))
