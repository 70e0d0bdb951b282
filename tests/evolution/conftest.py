"""What the tests of the loop share."""

from __future__ import annotations

import pytest

import evonas.evolution.deadline
import evonas.runs.store
import tests.toy
from tests.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What the timetable, the store and the toy evaluators take for the time."""
    return Clock().replace_time_in(monkeypatch, evonas.evolution.deadline, evonas.runs.store, tests.toy)
