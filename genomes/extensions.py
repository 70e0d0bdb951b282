"""User-defined extensions: passed as objects, or installed by other distributions as entry points.

One `Extensions` holds the extensions of one kind, such as the mutations in the group `evonas.mutations`. Nothing is
imported by a path read from a file; only objects that the caller passes and installed entry points are used. Imports
the standard library only.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from genomes.errors import InputError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Extensions", "path_of"]

T = TypeVar("T")


def path_of(value: Any) -> str:
    """The `module:qualname` of a function or a class; empty for other objects.

    >>> path_of(path_of)
    'genomes.extensions:path_of'
    """
    while isinstance(value, functools.partial):
        value = value.func
    name = getattr(value, "__qualname__", "")
    return f"{value.__module__}:{name}" if name else ""


class Extensions(Generic[T]):
    """The extensions of one kind that this process knows.

    Attributes:
        what: singular noun, such as "mutation".
        plural: plural noun.
        group: group of the entry points.
    """

    def __init__(self, what: str, plural: str, group: str, read: Callable[[Any, str], T]) -> None:
        """Args: `read` converts an object, described by the text for error messages, to an extension, or raises
        InputError.
        """
        self.what, self.plural, self.group, self._read = what, plural, group, read
        self._given: dict[str, T] = {}
        #: Cache by name and `sys.path`: a run asks several times, and reading entry points takes 20 ms.
        self._installed: dict[tuple[str, tuple[str, ...]], T] = {}

    def give(self, name: str, value: Any) -> str:
        """Registers an object in this process and returns its name; a later object with the same name replaces it.

        Raises:
            InputError: the object is not of this kind.
        """
        self._given[name] = self._read(value, self.what)
        return name

    def given(self, name: str) -> T | None:
        """The extension of this name that was passed as an object."""
        return self._given.get(name)

    def installed(self, name: str, reserved: Collection[str] = ()) -> T | None:
        """The extension that a distribution installs as an entry point of this name.

        Args:
            name: name of the entry point.
            reserved: names that evonas itself uses.

        Raises:
            InputError: several distributions use the name, one of them uses a reserved name, or the import fails; the
                message names the distribution.
        """
        # Names of passed objects contain a colon; such names in files are never imported.
        if ":" in name:
            return None
        key = (name, tuple(sys.path))
        if key not in self._installed and (entry := self._entry(name, reserved)):
            self._installed[key] = self._load_entry(entry)
        return self._installed.get(key)

    def loaded(self, name: str) -> T | None:
        """The extension of this name if it was passed or is already loaded; loads nothing."""
        found = self._given.get(name)
        return found if found is not None else next((v for (n, _), v in self._installed.items() if n == name), None)

    def find(self, name: str, reserved: Collection[str] = ()) -> T | None:
        """The extension of this name, passed or installed. Raises InputError like `installed`."""
        found = self._given.get(name)
        return self.installed(name, reserved) if found is None else found

    def get(self, name: str, reserved: Collection[str] = ()) -> T:
        """Like `find`, but the extension must exist.

        Raises:
            InputError: see `find`, or there is no extension of that name.
        """
        found = self.find(name, reserved)
        if found is None:
            known = ", ".join(sorted({*reserved, *self._given, *self.names(reserved)}))
            raise InputError(
                f"{self.what} must be installed or passed as an object, not {name!r:.80}"
                f"{f' (known: {known:.400})' if known else ''}: install its distribution, or pass it again"
            )
        return found

    def names(self, reserved: Collection[str] = ()) -> list[str]:
        """Names of the installed entry points. Raises InputError like `installed`."""
        return sorted({each.name for each in self._entries(reserved)})

    def known(self) -> list[T]:
        """All passed and installed extensions; imports the installed ones. Raises InputError like `installed`."""
        installed = [self.installed(name) for name in self.names()]
        return [*self._given.values(), *(each for each in installed if each is not None)]

    def distribution_of(self, name: str, reserved: Collection[str] = ()) -> tuple[str, str] | None:
        """Name and version of the distribution whose entry point has this name; None if there is none."""
        entry = None if ":" in name or name in self._given else self._entry(name, reserved)
        return (entry.dist.name, entry.dist.version) if entry is not None and entry.dist else None

    def _entries(self, reserved: Collection[str]) -> list[EntryPoint]:
        from importlib.metadata import entry_points

        found = list(entry_points(group=self.group))
        for each in found:
            if each.name in reserved:
                raise InputError(
                    f"installed {self.plural} must have unique names, but {_owner(each)} has "
                    f"{each.name!r}, which is a built-in {self.what}: rename its entry point or uninstall it"
                )
        return found

    def _entry(self, name: str, reserved: Collection[str]) -> EntryPoint | None:
        found = [each for each in self._entries(reserved) if each.name == name]
        if len({each.value for each in found}) > 1:
            owners = " and ".join(_owner(each) for each in found)
            raise InputError(
                f"{self.what} {name!r} must be installed by one distribution, but {owners} have it: uninstall one"
            )
        return found[0] if found else None

    def _load_entry(self, entry: EntryPoint) -> T:
        what = f"{self.what} {entry.name!r}"
        try:
            loaded = entry.load()
        except Exception as error:
            raise InputError(
                f"{what} must be importable, but {_owner(entry)} fails with "
                f"{type(error).__name__}: {error!s:.300}: repair or uninstall it"
            ) from error
        return self._read(loaded, f"{what} of {_owner(entry)}")


def _owner(each: EntryPoint) -> str:
    return f"{each.dist.name} {each.dist.version}" if each.dist else each.value
