"""Fixtures shared by the tests of the loop."""

from __future__ import annotations

import pytest

import evonas.evolution.deadline
import evonas.runs.store
import tests.toy
from tests.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Replaces the time for the timetable, the store and the toy evaluators."""
    return Clock().replace_time_in(monkeypatch, evonas.evolution.deadline, evonas.runs.store, tests.toy)
