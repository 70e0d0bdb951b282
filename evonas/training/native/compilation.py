"""The native trainer's compiled function: compiled once per machine, cached as an object file, and loaded in
milliseconds.

numba turns `kernels/` into LLVM code, which is optimised together with that of `matmul.py` for the current processor.
The cache holds plain machine code: loading it needs llvmlite, not numba, and nothing is unpickled. The file's name is a
digest of everything that the code depends on, so that an outdated file is never used after an upgrade or on another
processor.

    >>> seconds = prepare()     # compiles, or finds it compiled
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

from evonas.training.native.kernels.frame import ENTRY, is_profiled, prototype

__all__ = ["CACHE_VARIABLE", "cache_directories", "is_prepared", "load", "prepare"]

#: Environment variable: the folder for compiled code.
CACHE_VARIABLE = "EVONAS_CACHE"

_LOCK = threading.Lock()
_HELD: dict[str, Any] = {}
_HERE = Path(__file__).parent
_MAGIC = b"evonas object 1\n"
_DIGEST_BYTES = 32
#: The sources of the compiled code; the other modules only call it.
_SOURCES = ("kernels/*.py", "compilation.py")
_MOST_BYTES = 64 << 20
#: Maximum wait for another process that is compiling: the time that compiling takes on a slow machine.
_WAIT_SECONDS = 60.0


def load() -> Callable[..., None]:
    """Returns the compiled function, see `frame.prototype`; compiles it if this machine has not done so before."""
    with _LOCK:
        if "function" not in _HELD:
            _initialize()
            _HELD["function"], _HELD["engine"] = _load(_load_object_code() or _compile_once(), ENTRY)
        function: Callable[..., None] = prototype()(_HELD["function"])
        return function


def prepare() -> float:
    """Compiles or loads the function. Returns the time in seconds that this took."""
    began = time.perf_counter()
    load()
    return time.perf_counter() - began


def is_prepared() -> bool:
    """Whether the function can be loaded without compiling; if not, loading takes some seconds."""
    return "function" in _HELD or _load_object_code() is not None


def cache_directories() -> Iterator[Path]:
    """Folders that may hold compiled code, the preferred one first; a named folder is followed only if unusable."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        yield Path(named)
        if _is_usable(Path(named)):
            return
    # A user without a home directory or a careless setting must not lead to folders in the working directory.
    home = Path(os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"))
    if home.is_absolute():
        yield home / "evonas"
    yield Path(tempfile.gettempdir()) / f"evonas-{os.getuid()}"


def _is_usable(folder: Path) -> bool:
    """Whether the folder contains compiled code, or compiled code can be stored there."""
    if _content(folder / _file_name()) is not None:
        return True
    there = next((each for each in (folder, *folder.parents) if each.exists()), None)
    if there is None or not os.access(there, os.W_OK | os.X_OK):
        return False
    return there != folder or _private(folder.stat())


@cache
def _file_name() -> str:
    """Name of the object file: a digest of the sources, the tools and the processor."""
    digest = hashlib.sha256()
    for path in sorted(path for name in _SOURCES for path in _HERE.glob(name)):
        digest.update(path.relative_to(_HERE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    features = ",".join(f"{name}{int(on)}" for name, on in sorted(llvm.get_host_cpu_features().items()))
    versions = [metadata.version(name) for name in ("numba", "llvmlite", "numpy")]
    for part in (*versions, str(is_profiled()), llvm.get_process_triple(), llvm.get_host_cpu_name(), features):
        digest.update(part.encode() + b"\0")
    return f"kernels-{digest.hexdigest()[:32]}.o"


def _private(found: os.stat_result) -> bool:
    """Whether only this user can write to a file or folder."""
    return found.st_uid in (os.getuid(), 0) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _content(path: Path) -> bytes | None:
    """A file's content, since it will be executed only if nobody else can write to it or its folder; otherwise None."""
    # The descriptor guarantees that the file checked is the file read, even if it is renamed in between.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    with suppress(OSError), open(os.open(path, flags), "rb") as file:
        found = os.fstat(file.fileno())
        ours = stat.S_ISREG(found.st_mode) and _private(found) and _private(path.parent.stat())
        if ours and found.st_size <= _MOST_BYTES:
            return file.read()
    return None


def _load_object_code() -> bytes | None:
    """The object code stored by an earlier process, if it is complete."""
    for folder in cache_directories():
        content = _content(folder / _file_name())
        if content is not None:
            head = len(_MAGIC) + _DIGEST_BYTES
            code = content[head:]
            if content[:head] == _MAGIC + hashlib.sha256(code).digest():
                return code
    return None


def _compile_once() -> bytes:
    """Compiles and stores the object code; if another process is already compiling, waits for its code."""
    with _alone():
        code = _load_object_code()
        if code is None:
            code = _compile_in_process()
            # An upgrade meanwhile may have changed the sources.
            if _file_name.__wrapped__() == _file_name():
                _store(code)
        return code


@contextmanager
def _alone() -> Iterator[None]:
    """Waits while another process compiles the same code, at most a minute, since that process may be starved.

    If no file can be locked, nothing waits.
    """
    with ExitStack() as held:
        for folder in cache_directories():
            with suppress(OSError):
                _make(folder)
                file = held.enter_context(open(folder / f".{_file_name()}.lock", "ab"))
                _lock(file.fileno())
                break
        yield


def _lock(handle: int) -> None:
    """Locks a file, unless another process holds the lock for too long."""
    until = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < until:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return


def _make(folder: Path) -> None:
    """Creates the folder if it does not exist.

    Raises:
        PermissionError: other users may write there.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _private(folder.stat()):
        raise PermissionError


def _store(code: bytes) -> None:
    """Stores the object code atomically in the first folder that allows it."""
    for folder in cache_directories():
        with suppress(OSError):
            _make(folder)
            handle, name = tempfile.mkstemp(prefix=".kernels-", dir=folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_MAGIC + hashlib.sha256(code).digest() + code)
                os.replace(name, folder / _file_name())
            except OSError:
                with suppress(OSError):
                    os.unlink(name)
                raise
            return


def _initialize() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def _machine() -> Any:
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        codemodel="jitdefault",
        jit=True,
    )


def _load(code: bytes, name: str) -> tuple[int, Any]:
    """Address of a function in the object code, and the object that keeps it alive."""
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = engine.get_function_address(name)
    if not address:
        raise RuntimeError(f"the compiled code must contain the function {name}: remove the code from the cache")
    return address, engine


def _compile_in_process() -> bytes:
    """Compiles in a separate process, so that numba is neither imported nor configured in this one."""
    root = str(_HERE.parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    # numba would optimise every function again in each of its callers, which takes minutes; everything is optimised
    # once, at the end.
    environment = {**os.environ, "PYTHONPATH": path, "NUMBA_OPT": "0"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", __name__],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0 or not done.stdout.startswith(_MAGIC):
        raise RuntimeError(
            f"the kernels must compile with numba {metadata.version('numba')}, but the compiler exited with "
            f"{done.returncode}:\n{done.stderr.decode(errors='replace')[-4000:]}"
        )
    return done.stdout[len(_MAGIC) :]


def _compile_object() -> bytes:
    """Compiles everything in this process."""
    from llvmlite import ir

    from evonas.training.native.kernels import matmul

    module = ir.Module("matmul")
    module.triple = llvm.get_process_triple()
    matmul.build(module, matmul.tile_for(dict(llvm.get_host_cpu_features())))
    machine = _machine()
    # numba links the compiled code but never calls it, so any address will do.
    llvm.add_symbol(matmul.NAME, 1)
    text, name = _numba_code()
    whole = llvm.parse_assembly(text)
    whole.link_in(llvm.parse_assembly(str(module)))
    whole.link_in(llvm.parse_assembly(_stubs(whole)))
    for each in whole.functions:
        if each.name == name:
            each.name = ENTRY
        elif not each.is_declaration:
            each.linkage = "internal"
    whole.verify()
    _optimize(whole, machine)
    code: bytes = machine.emit_object(whole)
    return code


def _numba_code() -> tuple[str, str]:
    """The kernels as LLVM code, and the function's name in it."""
    from evonas.training.native.kernels.training import compile_training

    function = compile_training()
    return function.inspect_llvm(), function.native_name


def _stubs(module: Any) -> str:
    """Definitions of the symbols that numba's code references for exceptions and reference counting; neither occurs.

    Without them the code could only be loaded together with numba.
    """
    needed = [
        each for each in module.functions if each.is_declaration and each.name.startswith(("NRT_", "numba_", "Py"))
    ]
    lines = ["declare void @llvm.trap()"]
    for each in needed:
        kind = str(each.global_value_type)
        result, arguments = kind.split(" (", 1)
        lines.append(f"define {result} @{each.name}({arguments} {{ call void @llvm.trap() unreachable }}")
    return "\n".join(lines)


def _optimize(module: Any, machine: Any) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)


if __name__ == "__main__":
    # Maximum number of runtime overlap checks between pairs of arrays for a vectorised loop; the default of 8 is too
    # low.
    llvm.set_option("", "-runtime-memory-check-threshold=64")
    _initialize()
    sys.stdout.buffer.write(_MAGIC + _compile_object())
