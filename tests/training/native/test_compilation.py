"""The cache of compiled kernels: its location, which files it trusts, and what happens if other files are there.

A fast fake compiler returns object code that this machine already has: the tests are about what is done with it.
"""

from __future__ import annotations

import ast
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evonas.training.native import compilation
from evonas.training.native.compilation import cache_directories, is_prepared, load
from evonas.training.native.program_builder import Builder
from evonas.training.native.training import predict

ROOT = Path(__file__).parents[3]
#: Root ignores permissions.
ordinary = pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")


@pytest.fixture(scope="module")
def code():
    """This machine's kernels."""
    load()
    return compilation._load_object_code() or compilation._compile_in_process()


@pytest.fixture
def compiled(monkeypatch, tmp_path, code):
    """Empty folders, nothing loaded, and a compiler that counts its calls."""
    calls = []

    def compiler():
        calls.append(1)
        return code

    monkeypatch.setattr(compilation, "_compile_in_process", compiler)
    monkeypatch.setattr(compilation, "_HELD", {})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(compilation.tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.delenv(compilation.CACHE_VARIABLE, raising=False)
    (tmp_path / "temporary").mkdir()
    return calls


def works_after_reload(monkeypatch):
    """Simulates another process, in which nothing is loaded. Returns whether the kernels work."""
    monkeypatch.setattr(compilation, "_HELD", {})
    return works()


def works():
    builder = Builder(3, 4)
    program = builder.finish(builder.scale(builder.input, "s"))
    return (predict(program, {"s/scale": np.full(3, 2, np.float32)}, np.ones((4, 3), np.float32)) == 2).all()


def list_kept(folder):
    return sorted(path.name for path in folder.rglob("*.o"))


def test_it_is_compiled_once_and_found_by_the_next(compiled, monkeypatch, tmp_path):
    assert not is_prepared()
    assert works()
    assert is_prepared()
    assert works_after_reload(monkeypatch)
    assert len(compiled) == 1
    (path,) = (tmp_path / "home/evonas").glob("*.o")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {each.suffix for each in path.parent.glob(".*")} == {".lock"}


def test_a_chosen_folder(compiled, monkeypatch, tmp_path):
    monkeypatch.setenv(compilation.CACHE_VARIABLE, str(tmp_path / "mine/deep"))
    assert not is_prepared()
    assert works()
    assert len(list_kept(tmp_path / "mine/deep")) == 1
    assert not (tmp_path / "home").exists()
    monkeypatch.setattr(compilation, "_HELD", {})
    assert is_prepared()


def refuse(monkeypatch, folder):
    """Makes the folder unwritable, as on a write-protected medium; permissions would not stop root."""
    made, access, opened = Path.mkdir, os.access, compilation.tempfile.mkstemp

    def within(path):
        return str(path).startswith(str(folder))

    def mkdir(self, *args, **options):
        if within(self) and not self.exists():
            raise PermissionError(self)
        return made(self, *args, **options)

    def mkstemp(*args, **options):
        if within(options["dir"]):
            raise PermissionError(options["dir"])
        return opened(*args, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    monkeypatch.setattr(compilation.tempfile, "mkstemp", mkstemp)
    monkeypatch.setattr(compilation.os, "access", lambda path, mode: not within(path) and access(path, mode))


@pytest.mark.parametrize("there", [False, True])
def test_a_home_that_cannot_be_written(compiled, monkeypatch, tmp_path, there):
    if there:
        (tmp_path / "home/evonas").mkdir(parents=True, mode=0o700)
    refuse(monkeypatch, tmp_path / "home")
    assert works()
    assert works_after_reload(monkeypatch)
    assert len(compiled) == 1
    assert len(list_kept(tmp_path / "temporary")) == 1


def test_an_unwritable_chosen_folder(compiled, monkeypatch, tmp_path):
    monkeypatch.setenv(compilation.CACHE_VARIABLE, str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir(mode=0o700)
    refuse(monkeypatch, tmp_path / "mine")
    assert works()
    assert works_after_reload(monkeypatch)
    assert len(compiled) == 1
    assert len(list_kept(tmp_path / "home")) == 1


@ordinary
def test_a_read_only_home_for_an_ordinary_user(compiled, monkeypatch, tmp_path):
    (tmp_path / "home").mkdir(mode=0o500)
    assert works()
    assert works_after_reload(monkeypatch)
    assert len(compiled) == 1


def test_without_a_writable_folder_it_is_slow_but_works(compiled, monkeypatch, tmp_path):
    refuse(monkeypatch, tmp_path)
    assert works()
    assert works_after_reload(monkeypatch)
    assert len(compiled) == 2
    assert not is_prepared() or compilation._HELD


def test_a_user_without_a_home_gets_nothing_into_the_working_directory(compiled, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(compilation.os.path, "expanduser", lambda path: path)
    assert [folder.parent.name for folder in cache_directories()] == ["temporary"]
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert all(folder.is_absolute() for folder in cache_directories())


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "cut": lambda path: os.truncate(path, path.stat().st_size - 100),
    "empty": lambda path: os.truncate(path, 0),
    "only its head": lambda path: os.truncate(path, len(compilation._MAGIC) + 32),
    "one bit": flip,
    "other magic": lambda path: path.write_bytes(b"evonas object 0\n" + path.read_bytes()[16:]),
    "far too long": lambda path: os.truncate(path, compilation._MOST_BYTES + 1),
    "others may write the file": lambda path: path.chmod(0o620),
    "others may write the folder": lambda path: path.parent.chmod(0o777),
    "somebody else's": lambda path: os.chown(path, 12345, 12345),
    "a link": lambda path: (path.rename(path.with_suffix(".away")), path.symlink_to(path.with_suffix(".away"))),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_and_foreign_files_are_never_loaded(compiled, monkeypatch, tmp_path, name):
    if name == "somebody else's" and os.getuid() != 0:
        pytest.skip("files can only be given away by root")
    assert works()
    (path,) = (tmp_path / "home/evonas").glob("*.o")
    DAMAGE[name](path)
    monkeypatch.setattr(compilation, "_HELD", {})
    assert not is_prepared()
    assert works()
    assert len(compiled) == 2
    # It is repaired or stored elsewhere, unless something that is not a file has its name.
    assert works_after_reload(monkeypatch)
    assert len(compiled) == 2 or name == "a folder"


def test_other_sources_and_another_processor_have_other_names(monkeypatch, tmp_path):
    named = compilation._file_name.__wrapped__
    before = named()
    assert named() == before
    here = tmp_path / "native"
    (here / "kernels").mkdir(parents=True)
    for pattern in compilation._SOURCES:
        for path in compilation._HERE.glob(pattern):
            (here / path.relative_to(compilation._HERE)).write_bytes(path.read_bytes())
    monkeypatch.setattr(compilation, "_HERE", here)
    assert named() == before
    for path in sorted(here.rglob("*.py")):
        content = path.read_bytes()
        path.write_bytes(content + b"\n")
        assert named() != before, path
        path.write_bytes(content)
    monkeypatch.setattr(compilation.llvm, "get_host_cpu_name", lambda: "another")
    assert named() != before
    monkeypatch.undo()
    monkeypatch.setattr(compilation.metadata, "version", lambda name: "99")
    assert named() != before


def test_the_file_name_depends_on_every_module_of_the_code():
    """All imports from this package by the modules that the digest covers, at any depth."""
    named = {path for pattern in compilation._SOURCES for path in compilation._HERE.glob(pattern)}
    package, used = "evonas.training.native", set()
    for path in named:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module.startswith(package):
                for name in (node.module, *(f"{node.module}.{each.name}" for each in node.names)):
                    file = compilation._HERE.joinpath(*name.removeprefix(package).split(".")).with_suffix(".py")
                    used |= {file} if file.exists() else set()
    assert len(used) > 8
    assert used <= named


def test_two_processes_at_once_compile_once(code, tmp_path):
    """The second process waits for the first and uses its result."""
    (tmp_path / "code").write_bytes(code)
    script = f"""
import time
from pathlib import Path
from evonas.training.native import compilation
place = Path({str(tmp_path)!r})
def compiler():
    with open(place / "calls", "a") as file:
        file.write("x")
    time.sleep(0.5)
    return (place / "code").read_bytes()
compilation._compile_in_process = compiler
Path(place / f"ready-{{__import__('os').getpid()}}").touch()
while len(list(place.glob("ready-*"))) < 3:
    time.sleep(0.01)
compilation.load()
"""
    environment = os.environ | {compilation.CACHE_VARIABLE: str(tmp_path / "cache")}
    processes = [subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=environment) for _ in range(3)]
    assert [process.wait(300) for process in processes] == [0, 0, 0]
    assert (tmp_path / "calls").read_text() == "x"
    assert len(list_kept(tmp_path / "cache")) == 1


def test_nobody_waits_forever_for_another_compilation(compiled, monkeypatch, tmp_path):
    """The first process may have been killed midway."""
    folder = tmp_path / "home/evonas"
    folder.mkdir(parents=True, mode=0o700)
    monkeypatch.setattr(compilation, "_WAIT_SECONDS", 0.1)
    with open(folder / f".{compilation._file_name()}.lock", "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert works()
    assert len(compiled) == 1


def test_a_package_folder_that_is_read_only_is_not_written(compiled):
    before = {path: path.stat().st_mtime_ns for path in compilation._HERE.rglob("*") if "__pycache__" not in path.parts}
    assert works()
    after = {path: path.stat().st_mtime_ns for path in compilation._HERE.rglob("*") if "__pycache__" not in path.parts}
    assert after == before


def test_a_failing_compiler_passes_on_its_message(monkeypatch, tmp_path):
    monkeypatch.setattr(compilation, "_HELD", {})
    monkeypatch.setenv(compilation.CACHE_VARIABLE, str(tmp_path))
    (tmp_path / "python").write_text("#!/bin/sh\necho no space left >&2; exit 3\n")
    (tmp_path / "python").chmod(0o700)
    monkeypatch.setattr(compilation.sys, "executable", str(tmp_path / "python"))
    with pytest.raises(RuntimeError, match=r"must compile with numba .*exited with 3:\nno space left"):
        load()


@pytest.mark.soak
def test_the_kernels_compile_on_this_machine(monkeypatch, tmp_path):
    """Compiles from scratch with the real compiler: half a minute."""
    monkeypatch.setattr(compilation, "_HELD", {})
    monkeypatch.setenv(compilation.CACHE_VARIABLE, str(tmp_path))
    assert not is_prepared()
    assert works()
    assert len(list_kept(tmp_path)) == 1
