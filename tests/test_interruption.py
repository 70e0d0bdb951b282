"""Signal handlers, alarms and timers of the calling process are preserved, also while its functions run."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from evonas.interruption import Abandoned, Interruption


@pytest.fixture(autouse=True)
def _handlers():
    held = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in held.items():
        signal.signal(number, handler)


def test_an_alarm_of_the_caller_fires_and_is_restored() -> None:
    fired: list[int] = []
    signal.signal(signal.SIGALRM, lambda number, _: fired.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with Interruption(quiet=True) as listening, listening.waiting():
        time.sleep(0.2)
        assert not listening.requested
    assert fired == [signal.SIGALRM]
    signal.setitimer(signal.ITIMER_REAL, 1000.0)
    with Interruption(quiet=True):
        pass
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 900


def test_a_call_that_takes_too_long_is_abandoned() -> None:
    fired: list[int] = []
    signal.signal(signal.SIGALRM, lambda number, _: fired.append(number))
    before = threading.active_count()
    with Interruption(0.1, quiet=True) as listening:
        os.kill(os.getpid(), signal.SIGTERM)
        started = time.monotonic()
        with pytest.raises(Abandoned), listening.waiting():
            time.sleep(120)
        assert time.monotonic() - started < 60  # it did not sleep to the end
        with pytest.raises(Abandoned), listening.waiting():
            pytest.fail("it is over")
        assert listening.exit_code == 143
    assert threading.active_count() == before
    assert not fired


def test_functions_of_the_callers_run_with_its_own_handlers() -> None:
    own: list[int] = []

    def handler(number: int, _: object) -> None:
        own.append(number)

    signal.signal(signal.SIGINT, handler)

    def callback(value: int) -> int:
        assert signal.getsignal(signal.SIGINT) is handler
        os.kill(os.getpid(), signal.SIGINT)
        return value + 1

    with Interruption(quiet=True) as listening:
        assert listening.aside(callback)(1) == 2
        assert own == [signal.SIGINT]
        assert not listening.requested
        os.kill(os.getpid(), signal.SIGINT)
        assert listening.requested
    assert signal.getsignal(signal.SIGINT) is handler
    assert own == [signal.SIGINT]


def test_a_thread_listens_to_nothing(tmp_path: Path) -> None:
    found: list[bool] = []

    def search() -> None:
        with Interruption(quiet=True) as listening:
            found.append(listening.requested)

    thread = threading.Thread(target=search)
    thread.start()
    thread.join()
    assert found == [False]
