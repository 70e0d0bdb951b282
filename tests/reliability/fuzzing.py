"""Tampered files, read in a separate process that is only allowed to read.

Each function takes (folder, seed, count), reads that many tampered values, and fails on anything except `InputError`.
"""

from __future__ import annotations

import copy
import io
import json
import os
import random
import shutil
import sqlite3
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from evonas.config import Budget, Settings
from evonas.data.prepared import PreparedData
from evonas.display import summaries
from evonas.evolution.loop import restore
from evonas.objective import Objective
from evonas.runs import RunReader
from evonas.runs.checksums import seal
from evonas.strategies import make_strategy
from evonas.training.export.keras_file import check_keras_file
from genomes.codec import parse_json
from genomes.dense import DenseSpace
from genomes.encodings import read_space, space_from_json, space_to_toml
from genomes.errors import InputError
from genomes.population import population_to_text, read_population
from tests.peak_memory import peak_bytes

__all__ = ["genomes", "keras_files", "populations", "run_directories", "settings", "spaces", "watch"]

SECONDS, BYTES = 5.0, 512 << 20

_FORBIDDEN = {"os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "pickle.find_class"}
_FORBIDDEN |= {"socket.connect", "socket.bind", "ctypes.dlopen", "os.chmod", "os.link", "os.symlink"}


def watch(folder: Path) -> None:
    """From now on, ends this process when it runs a program, connects, unpickles, or writes outside the folder."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        wrong = event in _FORBIDDEN
        if event == "open":
            path, _, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            wrong = bool(writes) and isinstance(path, str) and not path.startswith((str(folder), "/dev/"))
            wrong = wrong and "__pycache__" not in path
        if wrong:
            os.write(2, f"forbidden: {event} {arguments!r:.300}\n".encode())
            os._exit(99)

    os.environ["TMPDIR"] = str(folder)
    sys.addaudithook(hook)


def _each(folder: str, count: int, read: Callable[[int], None]) -> int:
    """Reads `count` values; prints how many were refused."""
    watch(Path(folder))
    before = peak_bytes()
    refused, slowest = 0, 0.0
    for number in range(count):
        started = time.process_time()  # processor time: the machine may be busy
        try:
            read(number)
        except InputError:
            refused += 1
        slowest = max(slowest, time.process_time() - started)
    grown = peak_bytes() - before
    assert slowest < SECONDS, slowest
    assert grown < BYTES, grown
    print(json.dumps({"refused": refused, "slowest": slowest, "megabytes": grown >> 20}))
    return 0


# Tampering.


_DEEP = "nested deeper than any parser goes"
_NASTY = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2**31,
        2**63,
        -(2**64),
        10**400,
        0.5,
        -0.0,
        1e308,
        1e-320,
        float("nan"),
        float("inf"),
    ),
    *("", "x", "\x00", "../../etc/passwd", "__class__", "os.system", "a" * 5000, "\ud800", "NaN", _DEEP),
    *([], {}, [[]], [None] * 200, {"": 0}, [[[[[[[[[[[[1]]]]]]]]]]]], {"low": 1, "high": 0}, {"low": "a"}),
    *("relu", "dense", "adam", 1e-3, 16, [0, 1], {"low": 1, "high": 4}, {"low": 1e-4, "high": 1e-1, "log": True}),
)


def _nasty(rng: random.Random) -> Any:
    return copy.deepcopy(rng.choice(_NASTY))


def _places(value: Any, found: list[tuple[Any, Any]] | None = None) -> list[tuple[Any, Any]]:
    """(container, key) of all nested values."""
    found = [] if found is None else found
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found.append((value, key))
        _places(item, found)
    return found


def tamper(value: Any, rng: random.Random) -> Any:
    """The JSON value with one to three changes."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        places = _places(value)
        if not places or rng.random() < 0.01:
            return _nasty(rng)
        holder, key = rng.choice(places)
        how = rng.random()
        if how < 0.6:
            holder[key] = _nasty(rng)
        elif how < 0.75:
            del holder[key]
        elif how < 0.9:
            other, place = rng.choice(places)
            if isinstance(other, dict) == (place in other if isinstance(other, dict) else False):
                holder[key] = copy.deepcopy(other[place])
        elif isinstance(holder, dict):
            holder[rng.choice(["extra", "class_name", "__proto__", "version"])] = _nasty(rng)
        else:
            holder.extend(holder[: rng.randint(1, 500)])
    return value


def as_text(value: Any) -> str:
    return json.dumps(value).replace(f'"{_DEEP}"', "[" * 50_000 + "]" * 50_000)


def garble(content: bytes, rng: random.Random) -> bytes:
    """The bytes with parts changed, removed or duplicated."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        place = rng.randrange(len(changed) + 1)
        how = rng.random()
        if how < 0.5 and place < len(changed):
            changed[place] = rng.randrange(256)
        elif how < 0.7:
            del changed[place : place + rng.randint(1, 40)]
        elif how < 0.9:
            changed[place:place] = changed[place : place + rng.randint(1, 200)]
        else:
            del changed[place:]
    return bytes(changed)


# What is read.


def genomes(folder: str, seed: int, count: int) -> int:
    rng, space = random.Random(seed), DenseSpace()
    values = [space.genome_to_json(space.sample(np.random.default_rng(k))) for k in range(20)]

    def read(_: int) -> None:
        genome = space.genome_from_json(parse_json(as_text(tamper(rng.choice(values), rng)), "genome"))
        space.architecture(genome)
        space.digest(genome)

    return _each(folder, count, read)


def populations(folder: str, seed: int, count: int) -> int:
    rng, space = random.Random(seed), DenseSpace()
    drawn = [space.sample(np.random.default_rng(k)) for k in range(3)]
    text = population_to_text(space, drawn, [0.1, 0.2, 0.3])
    value, path = json.loads(text), Path(folder) / "population.json"

    def read(number: int) -> None:
        content = garble(text.encode(), rng) if number % 2 else as_text(tamper(value, rng)).encode()
        path.write_bytes(content)
        read_population(path, space if number % 4 < 2 else None)

    return _each(folder, count, read)


def spaces(folder: str, seed: int, count: int) -> int:
    rng, space = random.Random(seed), DenseSpace()
    text, path = space_to_toml(space), Path(folder) / "space.toml"

    def read(number: int) -> None:
        if number % 2:
            path.write_bytes(garble(text.encode(), rng))
            found: Any = read_space(path)
        else:
            found = space_from_json(parse_json(as_text(tamper(space.to_json(), rng)), "space"))
        found.sample(np.random.default_rng(number))

    return _each(folder, count, read)


def settings(folder: str, seed: int, count: int) -> int:
    rng = random.Random(seed)
    made = Settings(seed=0).resolve("rmse").model_dump()
    bounds = {"generations": 3, "evaluations": None, "seconds": 2.0, "target": 0.5}

    def read(number: int) -> None:
        kind: Any = Budget if number % 3 == 0 else Settings
        value = parse_json(as_text(tamper(bounds if kind is Budget else made, rng)), "settings")
        if not isinstance(value, dict):
            raise InputError("settings must be a table")
        kind(**value)

    return _each(folder, count, read)


_JSON_COLUMNS = {
    "about": ("value",),
    "session": ("environment", "budget"),
    "candidate": ("genome", "parents"),
    "evaluation": ("result",),
    "state": ("value",),
}


def run_directories(folder: str, seed: int, count: int, source: str) -> int:
    """Changes rows and seals them again, as an informed attacker would; garbles data files."""
    rng, directory = random.Random(seed), Path(folder) / "run"
    shutil.copytree(source, directory)
    original, data = (directory / "run.sqlite").read_bytes(), (directory / "data.npz").read_bytes()

    def read(number: int) -> None:
        (directory / "run.sqlite").write_bytes(original)
        if number % 5 == 0:
            (directory / "data.npz").write_bytes(garble(data, rng))
            PreparedData.load(directory / "data.npz")
        _tamper_with_rows(directory / "run.sqlite", rng)
        with RunReader(directory) as run:
            summaries.summary_values(run)
            summaries.summary_lines(run)
            run.digest()
            space: Any = space_from_json(run.space_json)
            for record in (*run.records(), *run.best(5)):
                space.genome_from_json(record.genome)
                if record.weights is not None:
                    run.weights(record)
            strategy = make_strategy(
                run.settings.strategy, space, objective=Objective("rmse", "min"), settings=run.settings
            )
            held: Any = run
            restore(strategy, held)

    return _each(folder, count, read)


def _tamper_with_rows(path: Path, rng: random.Random) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = OFF")
    table = rng.choice(list(_JSON_COLUMNS))
    cursor = connection.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in cursor.description]
    rows = cursor.fetchall()
    chosen = rng.choice(rows)
    row = dict(zip(names, chosen, strict=True))
    column = rng.choice([*_JSON_COLUMNS[table]] * 3 + names[:-1])
    if column in _JSON_COLUMNS[table] and str(row[column])[:1] in ("{", "["):
        row[column] = as_text(tamper(json.loads(row[column]), rng)).replace("\\ud800", "?")
    else:
        row[column] = rng.choice([0, -1, 2**62, 1.5, "", "../../x", "ok", "failed", "x" * 3000, None])
    try:
        where = " AND ".join(f"{name} IS ?" for name in names[:-1])
        values = seal(list(row.values())[:-1])
        setting = ", ".join(f"{name} = ?" for name in names)
        connection.execute(f"UPDATE {table} SET {setting} WHERE {where}", (*values, *chosen[:-1]))
    except sqlite3.Error:
        pass  # violates the schema
    connection.close()


def keras_files(folder: str, seed: int, count: int, source: str) -> int:
    """Garbles bytes, or changes the configuration or the weights and repacks the file."""
    rng, path = random.Random(seed), Path(folder) / "model.keras"
    content = Path(source).read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])

    def read(number: int) -> None:
        if number % 3 == 0:
            path.write_bytes(garble(content, rng))
        else:
            changed = dict(parts)
            if number % 3 == 1:
                changed["config.json"] = as_text(tamper(config, rng)).encode()
            else:
                changed["model.weights.h5"] = garble(parts["model.weights.h5"], rng)
            with zipfile.ZipFile(path, "w") as archive:
                for name, value in changed.items():
                    archive.writestr(name, value)
        check_keras_file(path)

    check_keras_file(Path(source))  # imports now, before anything is forbidden
    return _each(folder, count, read)
