"""`Build`: a user's model-building function, identified by its source. Imports no Keras.

The driver never calls it. It is sent to the worker process over a private socket, and never stored in executable form:
the run directory contains its source for reference, and a digest with which `resume` and `export` check that they get
the same function.

Functions of a Python session are sent with cloudpickle. For a file named on the command line, its text is sent, so that
the driver does not need the libraries that it imports.
"""

from __future__ import annotations

import ast
import difflib
import functools
import hashlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from evonas.io.printable import printable
from genomes import HyperparameterSpace
from genomes.checks import suggestion
from genomes.codec import read_text
from genomes.errors import InputError

__all__ = ["Build", "PackedBuild", "can_be_sent", "check_build", "check_first", "check_fits", "pack"]

_SITES = ("site-packages", "dist-packages")
#: Modules that the worker imports itself.
_OURS = ("evonas", "genomes", *sys.stdlib_module_names)


@dataclass(frozen=True)
class PackedBuild:
    """A function as sent to the worker.

    Attributes:
        name: name of the function.
        content: the text of its file; or, for a function of this session, a pickle of it and of Keras's custom objects.
        path: path of its file; empty for a function of this session.
        search: the driver's module search path.
    """

    name: str
    content: bytes
    path: str
    search: tuple[str, ...]

    def load(self) -> tuple[Callable[..., Any], Mapping[str, Any]]:
        """Loads the function and the custom objects registered with Keras. Runs the user's code.

        Raises:
            InputError: the file or what the function needs cannot be loaded.
        """
        import cloudpickle

        # Appended, so that a user's file does not shadow a library of the same name.
        sys.path += [folder for folder in self.search if folder not in sys.path]
        try:
            if not self.path:
                function, objects = cloudpickle.loads(self.content)
                return function, objects
            module = ModuleType("evonas_build")
            module.__file__ = self.path
            exec(compile(self.content, self.path, "exec"), module.__dict__)
            return getattr(module, self.name), {}
        except Exception as error:
            where = self.path or f"the module of {self.name}"
            raise InputError(
                f"build must be a function that the worker process can load, but {where} raised "
                f"{type(error).__name__}: {error}; fix it, or install what it needs"
            ) from error


@dataclass(frozen=True, eq=False)
class Build:
    """A function `build(genes)`, or `build(genes, problem)`, that returns a `keras.Model`.

    Attributes:
        name: name of the function.
        source: its text without comments, or another identifier of the function.
        path: path of its file, if given as FILE.py:FUNCTION; only the worker runs that file.
        function: the function itself, if defined in this session.
        content: the text of the file.
        given: the text that named it, for messages.
    """

    name: str
    source: str
    path: str = ""
    function: Callable[..., Any] | None = None
    content: str = ""
    given: str = ""

    @classmethod
    def from_function(cls, build: Any) -> Build:
        """A `Build` of a function, or of one in a file.

        Args:
            build: a callable, the text "FILE.py:FUNCTION", or a `Build`.

        Raises:
            InputError: it is none of these, or the file has no such function.
        """
        if isinstance(build, Build):
            return build
        if isinstance(build, (str, Path)):
            return cls._of_file(str(build))
        if not callable(build):
            raise InputError(
                f"build must be a function that takes genes and returns a keras.Model, not {type(build).__name__}: "
                "pass a function, or its name as FILE.py:FUNCTION"
            )
        target = build.func if isinstance(build, functools.partial) else build
        name = getattr(target, "__name__", type(target).__name__)
        return cls(name, _source_of(target), function=build)

    @classmethod
    def _of_file(cls, text: str) -> Build:
        path, _, name = text.rpartition(":")
        if not path or not name.isidentifier():
            raise InputError(
                f"build must have the form FILE.py:FUNCTION, not {text!r}: name the function after a colon"
            )
        content = read_text(path, "build file")
        try:
            tree = ast.parse(content, path)
        except (SyntaxError, ValueError) as error:
            raise InputError(f"build file must be Python, but {path} is not ({error}): correct that line") from None
        functions = {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        names = {target.id for node in ast.walk(tree) if isinstance(node, ast.Assign) for target in _names(node)}
        if name not in {*functions, *names}:
            known = suggestion(name, functions) if functions else "define it there"
            raise InputError(f"build must be a function defined in {path}, but {name!r} is not: {known}")
        source = ast.unparse(functions[name]) if name in functions else content
        return cls(name, source, path=str(Path(path).absolute()), content=content, given=text)

    @property
    def digest(self) -> str:
        """Hexadecimal digest of the source."""
        return hashlib.sha256(self.source.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The function's record in a run, for displays and for `check_build`."""
        return {"name": self.name, "given": self.given, "digest": self.digest, "source": self.source}

    def pack(self) -> PackedBuild:
        """Serialises the function.

        Raises:
            InputError: it refers to something that cannot be sent to another process.
        """
        if self.function is None:
            search = (str(Path(self.path).parent), *_search())
            return PackedBuild(self.name, self.content.encode(), self.path, search)
        return pack(self.function, self.name, [self.function])


def pack(value: Any, name: str, users: Sequence[Any], parts: Mapping[str, Any] | None = None) -> PackedBuild:
    """Serialises a function, or another callable, for the worker process.

    Args:
        value: the function to send.
        name: name in messages.
        users: the user's functions and objects in it, whose modules are sent by value.
        parts: name -> part given by the user, to name those that cannot be sent.

    Raises:
        InputError: it contains something that cannot be sent to another process.
    """
    import cloudpickle

    keras = sys.modules.get("keras")
    objects = dict(keras.saving.get_custom_objects()) if keras is not None else {}
    with ExitStack() as stack:
        for user in users:
            stack.enter_context(_by_value(user))
        try:
            content = cloudpickle.dumps((value, objects))
        except Exception as error:
            raise InputError(_cannot_be_sent(name, error, parts)) from None
    return PackedBuild(name, content, "", _search())


def can_be_sent(value: Any) -> bool:
    """Whether the value can be sent to another process."""
    return _fault(value) is None


def _fault(value: Any) -> Exception | None:
    import cloudpickle

    try:
        cloudpickle.dumps(value)
    except Exception as error:
        return error
    return None


def _cannot_be_sent(name: str, error: Exception, parts: Mapping[str, Any] | None) -> str:
    """The error that says which part cannot be sent to the worker process, and why."""
    for label, part in (parts or {}).items():
        if (fault := _fault(part)) is not None:
            held = vars(part).items() if hasattr(part, "__dict__") and not isinstance(part, type) else ()
            where = next((key for key, each in held if _fault(each) is not None), None)
            holds = f" because of its {where!r}" if where else ""
            return (
                f"{label} must be picklable to be sent to the worker process, but is not{holds} ({fault}): "
                "let it create that itself when it is used there, or run the search here with in_process=True"
            )
    fix = " Or run the search in this process with in_process=True." if parts is not None else ""
    return (
        f"build must be a function that can be sent to the worker process, but {name} cannot ({error}): "
        f"let it create what it needs itself, without models, locks or open files from outside.{fix}"
    )


def _search() -> tuple[str, ...]:
    return tuple(str(Path(folder).absolute()) for folder in sys.path)


def check_build(build: Build | None, recorded: Mapping[str, Any] | None, run_dir: Path) -> None:
    """Refuses to continue with a function other than that of the run, or without it.

    Args:
        build: the given function.
        recorded: `Build.to_json` of the run's function; None for a run of evonas's own networks.
        run_dir: the run directory, for the message.

    Raises:
        InputError: the functions differ; the message shows how.
    """
    if recorded is None:
        if build is not None:
            raise InputError(f"build must not be given: the run {run_dir} trains evonas's own networks; leave it out")
        return
    name = printable(recorded.get("name", ""))
    if recorded.get("trial"):
        raise InputError(
            f"run must be one of evonas.search, but {run_dir} was created in Python with {name!r} "
            "(evonas.tuner.Evolution or EvolutionSearchCV): continue it, or get its models, there"
        )
    if build is None:
        raise InputError(
            f"build must be given again: the run {run_dir} trains models built by your function {name!r}, "
            f"which is not stored. Pass build={name}, or --build FILE.py:{name}"
        )
    if build.digest != (digest := recorded.get("digest", "")):
        difference = _first_difference(recorded.get("source", ""), build.source)
        raise InputError(
            f"build must be the function of the run {run_dir}, {name!r} with SHA-256 {digest[:12]}, not "
            f"{build.name!r} with {build.digest[:12]}{difference}: restore it, or start a new run"
        )


def check_fits(build: Build | None, space: Any, trainer: str) -> None:
    """Checks that the function, the space and the trainer fit together.

    Raises:
        InputError: they do not fit together.
    """
    flat = isinstance(space, HyperparameterSpace)
    if build is None and flat:
        raise InputError(
            "build must be given with a space of hyperparameters: pass a function that builds a model of them"
        )
    if build is not None and not flat:
        raise InputError(f"space must be a HyperparameterSpace with build, not {type(space).__name__}: name the genes")
    if build is not None and trainer == "population":
        raise InputError(f"trainer must be auto, native or single with build, not {trainer!r}: leave it out")


def check_first(reasons: Sequence[str], log: Path | str) -> None:
    """Stops a search if all of its first models fail in the same way, which points to an error in the user's function.

    Args:
        reasons: failure of each model of the first generation; empty for models that did not fail.
        log: where the traceback was printed.

    Raises:
        InputError: all raised the same error.
    """
    faults = {reason.partition(":")[0] for reason in reasons}
    if len(faults) == 1 and " raised " in reasons[0]:
        raise InputError(
            f"models must train on what they are given, but all {len(reasons)} of the first generation failed: "
            f"{reasons[0]}. The traceback is in {log}; fix the error, and start a new run"
        )


def _first_difference(before: str, now: str) -> str:
    for line in difflib.ndiff(before.splitlines(), now.splitlines()):
        if line[:2] in ("- ", "+ "):
            return f" (first difference: {line.strip()!r:.120})"
    return ""


def _source_of(target: Any) -> str:
    """The normalised source without comments; the byte code of a function without source."""
    try:
        text = textwrap.dedent(inspect.getsource(target if inspect.isroutine(target) else _class_of(target)))
    except (OSError, TypeError):
        return repr(_code(getattr(target, "__code__", None)))
    try:
        return ast.unparse(ast.parse(text))
    except SyntaxError:  # the lines of a lambda may not form a complete statement
        return text


def _class_of(target: Any) -> type:
    return target if isinstance(target, type) else type(target)


def _code(code: CodeType | None) -> Any:
    if code is None:
        return None
    return code.co_code, code.co_names, tuple(map(_constant, code.co_consts))


def _constant(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value, key=repr)  # the iteration order of sets depends on the process
    return _code(value) if isinstance(value, CodeType) else value


def _names(node: ast.Assign) -> list[ast.Name]:
    return [target for target in node.targets if isinstance(target, ast.Name)]


@contextmanager
def _by_value(function: Any) -> Iterator[None]:
    """Pickles definitions of the function's module by value, rather than by reference to a file that may have
    changed.
    """
    import cloudpickle

    target = function.func if isinstance(function, functools.partial) else function
    name = target.__module__ if hasattr(target, "__module__") else type(target).__module__
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    mine = module is not None and name != "__main__" and file and not any(site in Path(file).parts for site in _SITES)
    mine = mine and name.partition(".")[0] not in _OURS and name not in cloudpickle.list_registry_pickle_by_value()
    if mine:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        if mine:
            cloudpickle.unregister_pickle_by_value(module)
