"""evonas deletes and overwrites what it wrote, and nothing else: random foreign files survive every command."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from evonas.api import random_baseline
from evonas.api.resume import finalists, load_run, resume
from evonas.deploy.card import card_paths
from evonas.errors import StorageError
from evonas.export_tasks import format_of
from evonas.io.atomic import place_new, temporary_in, write_new
from evonas.io.marked_files import check_place, is_product, mark_bytes, mark_json, mark_text, publish
from evonas.runs import RunReader, RunStore
from evonas.runs.directory import new_directory
from evonas.runs.disk_reserve import DISK_RESERVE, is_disk_reserve
from genomes.errors import InputError
from tests.cli.commands import evonas, write_table
from tests.reporting.synthetic import synthetic_run
from tests.runs.cases import fill, toy_data
from tests.toy import toy_settings, toy_store

#: Names that evonas itself gives, and others.
NAMES = st.sampled_from(
    [
        *("data.npz", "run.sqlite", "run.sqlite-journal", "run.sqlite-wal", "results.csv", "population.json"),
        *(
            "worker.log",
            "ballast",
            "in-training.json",
            "run.lock",
            "thesis.tex",
            "models/best.h5",
            "models/0123456789abcdef.keras",
        ),
        *("weights/final.ckpt", f"weights/{'0' * 64}.npz", "weights/.a.npz.1.tmp", ".results.csv.77.tmp"),
        *("random-baseline/important.csv", "random-baseline/run.sqlite", "run.sqlite.format-2", "evonas.txt"),
    ]
)
CONTENTS = st.sampled_from(
    [b"years of work", b"", b"generation;index", b"SQLite format 3\0" + b"\0" * 200, b"x" * (256 << 10), b"12345"]
)
FILES = st.dictionaries(NAMES, CONTENTS.filter(bool), min_size=1, max_size=4)


def put(folder: Path, files: dict[str, bytes]) -> dict[Path, bytes]:
    """Writes those of the files for whose names there is room, none of them evonas's own."""
    written = {}
    for name, content in files.items():
        path = folder / name
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            written[path] = content
    return written


def commands(folder: Path) -> list[Callable[[], object]]:
    data = toy_data()
    return [
        lambda: toy_store(folder, data=data).close(),
        lambda: toy_store(folder, data=data, overwrite=True).close(),
        lambda: RunStore.open(folder).close(),
        lambda: fill_once(folder),
        lambda: RunReader(folder).close(),
        lambda: load_run(folder).evaluations,
        lambda: resume(folder, generations="+1"),
        lambda: finalists(folder, 1, 1),
        lambda: random_baseline.random_baseline_of(folder, 1, 1),
        lambda: toy_store(folder, data=data, overwrite=True).close(),
    ]


def fill_once(folder: Path) -> None:
    with RunStore.open(folder) as store:
        if not store.generations and not store.evaluated:
            fill(store, [2.0, 1.0])
        store.write_reports()


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@example(files={"ballast": b"x" * (256 << 10)}, there=True)  # as long as the run's own
@given(files=FILES, there=st.booleans())
def test_foreign_files_survive_every_command(toy_runs: Path, files: dict[str, bytes], there: bool) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        if there:  # a run, among whose files others are put, also in the place of its own
            shutil.copytree(toy_runs, folder)
        foreign = put(folder, files)
        for command in commands(folder):
            with contextlib.suppress(InputError, StorageError):
                command()
            gone = [str(path) for path, content in foreign.items() if not kept(path, content)]
            assert not gone


def kept(path: Path, content: bytes) -> bool:
    """A lock may hold the number of a process: its content is nobody's work."""
    lock = path.name == "run.lock" and content.isdigit()
    return path.exists() and (lock or path.read_bytes() == content)


@pytest.fixture(scope="module")
def toy_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    with toy_store(folder, toy_settings(keep=2), data=toy_data()) as store:
        fill(store, [2.0, 1.0, 3.0])
        store.end_session("generations", 1.0)
    return folder


def test_a_folder_of_the_users_is_refused_whatever_its_files_are_called(tmp_path: Path) -> None:
    foreign = put(tmp_path, {"data.npz": b"mine", "models/best.h5": b"mine", "weights/a.ckpt": b"mine"})
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"must be new or empty, but .* holds data.npz, models, weights"):
            toy_store(tmp_path, overwrite=overwrite)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(foreign)


def test_overwriting_a_run_leaves_the_users_files_in_it(toy_runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(toy_runs, folder)
    old = {path.name for path in (folder / "weights").iterdir()}
    foreign = put(folder, {"notes.txt": b"mine", "weights/mine.npz": b"mine", "models/mine.keras": b"mine"})
    with toy_store(folder, data=toy_data(1.0), overwrite=True) as store:
        assert store.evaluated == 0
    assert all(path.read_bytes() == content for path, content in foreign.items())
    assert not old & {path.name for path in (folder / "weights").iterdir()}
    (folder / "results.csv").write_text("a;b\n")
    for attempt in (lambda: toy_store(folder, data=toy_data(), overwrite=True), lambda: RunStore.open(folder)):
        with pytest.raises(InputError, match=r"results.csv .*move it away"):
            attempt()


def test_a_mark_is_that_of_its_content(tmp_path: Path) -> None:
    for number, content in enumerate((mark_text("# a\n"), mark_json('{"a": 1}'), mark_bytes(b"\x08\x01"))):
        path = tmp_path / str(number)
        publish(path, content)
        publish(path, content)
        assert is_product(path)
        assert path.read_bytes() == content
        for other in (content[:-1] + b"x", b"y" + content, b"", content.replace(b"written-by", b"wrotten-by")):
            path.write_bytes(other)
            with pytest.raises(InputError, match="neither: choose another name, or move it away"):
                publish(path, content)
            assert path.read_bytes() == other


@pytest.mark.parametrize("name", ["x.keras", "x.onnx", "x.onnx.json", "x.keras.card.md", "saved"])
def test_nothing_is_written_over_what_others_wrote(tmp_path: Path, name: str) -> None:
    place, path = tmp_path / name, tmp_path / name.removesuffix(".json").removesuffix(".card.md")
    place.write_bytes(b"mine")
    card = name.endswith(".card.md")
    with pytest.raises(InputError, match=r"neither|exists already"):
        check_place(card_paths(path)[1]) if card else format_of(path, "savedmodel" if name == "saved" else None)
    link = tmp_path / "link.keras"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="neither"):
        format_of(link)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_refused_as_a_place_to_write_to(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    make(tmp_path / "x.keras")
    with pytest.raises(InputError, match="neither"):
        format_of(tmp_path / "x.keras")


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_an_export_without_a_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="must name a file"):
        format_of(Path(name))


def test_a_folder_without_a_run_is_called_that_whatever_else_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    with pytest.raises(InputError, match="there is none in"):
        RunReader(tmp_path)


def test_a_name_that_is_taken_meanwhile_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        write_new(path, lambda file: file.write(b"evonas's"))
    monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError(1, "no links here")))
    with pytest.raises(FileExistsError):
        write_new(path, lambda file: file.write(b"evonas's"))
    assert path.read_bytes() == b"mine"
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
    temporary = temporary_in(tmp_path)
    temporary.write_bytes(b"new")
    place_new(temporary, tmp_path / "y")
    assert (tmp_path / "y").read_bytes() == b"new"


def test_new_directories_are_claimed_by_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = [new_directory() for _ in range(5)]
    assert len(set(found)) == 5
    assert all(path.is_dir() for path in found)


@pytest.mark.parametrize("link", [False, True])
def test_foreign_files_survive_commands_that_show_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        synthetic_run(tmp_path / name, 20)
    write_table(tmp_path / "table.csv")
    (tmp_path / "work").write_bytes(b"years of work")
    places = ["a/report.html", "a/report.md", "out.html", "out.md", "out.json", "out.csv", "out.keras", "logs"]
    if link:  # a run directory that holds links is refused whole
        places = places[2:]
    for place in places:
        os.symlink(tmp_path / "work", place) if link else Path(place).write_bytes(b"years of work")
    asked = [
        *(["report", "a", "-o", "out.html"], ["report", "a", "--format", "md", "-o", "out.md"]),
        *(["compare", "a", "b", "-o", f"out.{ending}"] for ending in ("html", "md", "json")),
        *(["predict", "a", "table.csv", "-o", "out.csv"], ["export", "a", "-o", "out.keras"]),
        *(["resume", "a", "--tensorboard", "logs"], ["report", "a", "--format", "png", "-o", "logs"]),
        *([] if link else [["report", "a"], ["report", "a", "--format", "md"]]),
    ]
    for command in asked:
        found = evonas(*command)
        assert found.exit_code != 0, (command, found.output)
    assert all(Path(place).read_bytes() == b"years of work" for place in ("work", *places))
    assert all(Path(place).is_symlink() == link for place in places)


def test_a_pipe_with_the_name_of_the_disk_reserve_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / DISK_RESERVE)
    assert not is_disk_reserve(tmp_path / DISK_RESERVE)
