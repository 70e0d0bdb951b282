"""Suppressing what libraries print to standard error."""

from __future__ import annotations

import os

import pytest

from evonas.io.console import without_library_messages
from genomes.errors import InputError


def test_messages_of_libraries_are_shown_only_where_something_broke(capfd: pytest.CaptureFixture[str]) -> None:
    def within(error: Exception | None) -> None:
        with without_library_messages():
            os.write(2, b"noise")
            if error is not None:
                raise error

    within(None)
    with pytest.raises(InputError):
        within(InputError("a mistake"))
    assert capfd.readouterr().err == ""
    with pytest.raises(RuntimeError):
        within(RuntimeError())
    assert capfd.readouterr().err == "noise"
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"
