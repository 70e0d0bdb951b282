"""The messages of a remote worker: results are sent immediately, progress of trainings at intervals."""

from __future__ import annotations

import pytest

from evonas.evaluation import InTraining
from evonas.execution import mailbox
from evonas.execution.assignments import Assignments, Lease, Outcome
from evonas.execution.mailbox import Mailbox, UnderWay
from tests.clock import Clock


class Waits:
    """Replaces a mailbox's condition: a wait advances the clock, and nothing else happens."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def wait(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    def notify_all(self) -> None: ...


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock().replace_time_in(monkeypatch, mailbox)


@pytest.fixture
def box(clock: Clock) -> Mailbox:
    made = Mailbox()
    made._changed = Waits(clock)  # type: ignore[assignment]
    return made


def at(epoch: int) -> list[InTraining]:
    return [InTraining(3, epoch, 50, 1.0, 17)]


def test_progress_is_sent_at_most_once_a_second_and_only_the_latest(box: Mailbox, clock: Clock) -> None:
    box.note_progress(at(1))
    assert box.news() == [UnderWay(tuple(at(1)), 0)]
    began = clock.now
    box.note_progress(at(2))
    box.note_progress(at(3))
    assert box.news() == [UnderWay(tuple(at(3)), 0)]
    assert clock.now - began == pytest.approx(mailbox.PROGRESS_SECONDS)
    began = clock.now
    box.note_progress(at(4))
    assert box.news(progress_seconds=3.0) == [UnderWay(tuple(at(4)), 0)]
    assert clock.now - began == pytest.approx(3.0)


def test_results_are_sent_immediately_together_with_progress(box: Mailbox, clock: Clock) -> None:
    box.note_progress(at(1))
    box.news()
    box.note_progress(at(2))
    outcome, began = Outcome(5, {3: "evaluation"}, finished=True), clock.now  # type: ignore[dict-item]
    box.put(outcome)
    assert box.news() == [outcome, UnderWay(tuple(at(2)), 0)]
    assert clock.now == began


def test_a_trainer_without_progress_sends_nothing(box: Mailbox, clock: Clock) -> None:
    box.note_progress([])
    began = clock.now
    assert box.news() == []
    assert clock.now - began == pytest.approx(mailbox.NEWS_SECONDS)


def test_messages_about_revoked_leases_are_dropped_on_both_sides(box: Mailbox) -> None:
    box.note_progress(at(1))
    box.revoke(7)
    assert box.news(0.0) == []
    box.note_progress(at(2))
    assert box.news() == [UnderWay(tuple(at(2)), 7)]

    assignments = Assignments()
    assignments.add({3: "task"})  # type: ignore[dict-item]
    (lease,) = assignments.take(worker=1, room=1)
    assert isinstance(lease, Lease)
    assignments.note_progress(1, at(2), floor=assignments.floor)
    assert assignments.in_training() == at(2)
    assignments.note_progress(2, at(9))
    assert assignments.in_training() == at(2), "of a worker that does not have the network"
    assignments.revoke()
    assignments.note_progress(1, at(3), floor=assignments.floor - 1)
    assignments.add({3: "task"})  # type: ignore[dict-item]
    assignments.take(worker=1, room=1)
    assert assignments.in_training() == []
