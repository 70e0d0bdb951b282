"""Shared by the tests of the battery: a row of the table, and stub searches that are stopped in various ways."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from evonas.runs import RunReader
from tests.reliability.forkserver import ForkServer, Process
from tests.reliability.tracing import calls_of

__all__ = ["Row", "Runs"]


@dataclass
class Row:
    """One row of the table."""

    test: str = ""
    criterion: str = ""
    count: int = 0
    notes: str = ""

    def __call__(self, test: str, criterion: str) -> Row:
        self.test, self.criterion = test, criterion
        return self


class Runs:
    """Stub searches of three small generations, and the result of an uninterrupted one.

    `calls` are the calls of a run that change a file, as (name, n), collected on first use.
    """

    def __init__(self, server: ForkServer, folder: Path) -> None:
        self._server, self.folder, self._calls = server, folder, list[tuple[str, int]]()
        process = self.start(folder / "straight")
        assert process.wait() == 0, process.text()
        with RunReader(folder / "straight") as run:
            self.digest, self.evaluated = run.digest(), run.evaluated
        self.shut(folder / "straight")

    def calls(self) -> list[tuple[str, int]]:
        if not self._calls:
            directory = self.folder / "counted"
            self._calls = calls_of(lambda gate: self.start(directory, gate=gate), self.folder)
            self.shut(directory)
        return self._calls

    def start(
        self, directory: Path, sleep_seconds: float = 0.0, gate: Path | None = None, **environment: str
    ) -> Process:
        return self._server.start("tests.reliability.small:main", directory, sleep_seconds, gate=gate, **environment)

    def check(self, directory: Path, committed: list[int]) -> None:
        """Checks that nothing reported as committed is lost, and that each evaluation exists once."""
        if (directory / "run.sqlite").exists():
            with RunReader(directory) as run:
                assert run.evaluated >= max(committed, default=0)
                keys = [(record.digest, record.seed, record.epochs) for record in run.records()]
                assert len(keys) == len(set(keys))
        else:
            assert not committed

    def finish(self, directory: Path, seconds: float = 180.0) -> None:
        """Resumes to the end, and checks that the result equals that of the uninterrupted run."""
        process = self.start(directory)
        assert process.wait(seconds) == 0, process.text()
        with RunReader(directory) as run:
            assert run.digest() == self.digest
            named = {record.weights for record in run.records()} - {None}
        assert {path.stem for path in (directory / "weights").iterdir()} == named
        assert not list(directory.glob("**/*.tmp"))

    @staticmethod
    def shut(directory: Path) -> None:
        shutil.rmtree(directory, ignore_errors=True)
