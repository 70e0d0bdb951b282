"""The limit of the time for preparing data."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

import pytest

from evonas.data import preparation_time
from evonas.data.load import read_data
from evonas.data.preparation_time import check_time, limited_preparation
from genomes.errors import InputError
from tests.data.readers.test_images import write_folder


def test_without_a_limit_nothing_is_checked() -> None:
    check_time("images read", 1, 10)
    with limited_preparation(None):
        check_time("images read", 1, 10)


def test_a_time_that_is_over_stops_the_reading_of_images(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    folder = write_folder(tmp_path / "pets")
    words = r"within the time of 30 s, but only 0 of 12 images examined in 0 s: give more time"
    with limited_preparation(monotonic() - 1.0, 30.0), pytest.raises(InputError, match=words):
        read_data(folder)
    read_data(folder)


def test_a_loop_that_would_take_far_longer_is_given_up_early(monkeypatch: pytest.MonkeyPatch) -> None:
    now, told = [0.0], list[str]()
    monkeypatch.setattr(preparation_time, "monotonic", lambda: now[0])
    with limited_preparation(30.0, 30.0, told.append):
        check_time("images read", 0, 120)
        now[0] = 4.0
        check_time("images read", 10, 120)  # 44 s more, for 26 s
        assert told == ["10 of 120 images read"]
        now[0] = 6.0
        with pytest.raises(InputError, match="but only 11 of 120 images read in 6 s"):
            check_time("images read", 11, 120)  # 59 s more, for 24 s
    assert told == ["10 of 120 images read"]
