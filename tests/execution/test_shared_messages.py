"""Messages between machines over a shared folder: sent and read; files that are not messages are refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from evonas.evaluation import Evaluation, InTraining, Reduction, Snapshot, Span, Status
from evonas.execution import shared_folder
from evonas.execution.assignments import Fault, Lease, Outcome
from evonas.execution.mailbox import Started, UnderWay
from evonas.execution.shared_messages import Given, Left, Revoked, from_bytes, to_bytes
from evonas.runs.weights import weights_to_bytes
from evonas.training_tasks import TrainingTask


def test_messages_come_back_as_they_were_sent():
    moments = {"dense/kernel": np.ones((2, 3), np.float32)}
    snapshot = Snapshot(moments, moments, {}, moments, np.zeros((4, 1), np.float32), math.inf, 0.5, 2, (1.0,), (0.5,))
    graph = {"nodes": [{"kind": "input"}], "edges": [[0, 1]]}
    task = TrainingTask(graph, 1 << 70, 20, 40, (snapshot,), {"nodes": []}, True, keep_snapshots=True, fold=2)
    task = replace(task, reduction=Reduction(6, 2, 0.5))
    lease = Lease(7, (3,), (task,))
    ((back,),) = (from_bytes(to_bytes(Given((lease,)))).leases,)
    assert (back.token, back.numbers, back.tasks[0].seed, back.tasks[0].architecture) == (7, (3,), 1 << 70, graph)
    assert back.tasks[0].fold == 2
    assert back.tasks[0].reduction == task.reduction
    assert back.tasks[0].start[0].best_loss == math.inf
    np.testing.assert_array_equal(back.tasks[0].start[0].first["dense/kernel"], moments["dense/kernel"])

    spans = (Span("17-ab", 0, 1.5, 2.5),)
    scores = {"rmse": np.float64(0.1), "r2": math.nan}
    good = Evaluation(Status.OK, scores, "", 1, 2, (np.float32(0.5), math.inf), (1.0,), 0.25, 9, moments, (snapshot,))
    outcome = from_bytes(to_bytes(Outcome(7, {3: good, 4: Evaluation(Status.FAILED, reason="<b>")}, True)))
    found = outcome.evaluations[3]
    assert found.scores["rmse"] == 0.1
    assert math.isnan(found.scores["r2"])
    assert found.curve == (0.5, math.inf)
    np.testing.assert_array_equal(found.weights["dense/kernel"], moments["dense/kernel"])
    assert found.snapshots[0].waited == 2
    assert found.weights is not None
    assert outcome.evaluations[4] == Evaluation(Status.FAILED, reason="<b>")
    assert outcome.finished
    kept = Evaluation(Status.OK, spans=spans)
    assert from_bytes(to_bytes(Outcome(1, {0: kept}))).evaluations[0].spans == spans
    under_way = UnderWay((InTraining(3, 17, 50, 1.5, 1000),), 9)
    for message in (Started(2), Left(), Revoked(9), Fault("text", "raised", True), under_way, UnderWay((), 0)):
        assert from_bytes(to_bytes(message)) == message
    with pytest.raises(ValueError, match="groups"):
        to_bytes(Given((Lease(1, (0,), (task,), grouped=True),)))


@pytest.mark.parametrize("change", [{"epoch": -1}, {"seconds": math.inf}, {"parameters": 1 << 60}, {"name": "<b>"}])
def test_impossible_progress_is_refused(change):
    network = {"number": 1, "epoch": 2, "epochs": 3, "seconds": 4.0, "parameters": 5, **change}
    text = json.dumps({"under_way": {"networks": [network], "floor": 0}})
    content = weights_to_bytes({"message": np.frombuffer(text.encode(), np.uint8)})
    with pytest.raises(ValueError, match="under_way"):
        from_bytes(content)


@pytest.mark.parametrize("damage", ["short", "bits", "pickle", "other"])
def test_invalid_messages_are_refused(damage):
    content = to_bytes(Outcome(7, {3: Evaluation(Status.OK, {"rmse": 1.0})}))
    if damage == "short":
        content = content[: len(content) // 2]
    if damage == "bits":
        content = content.replace(b'"token": 7', b'"token":-7')
    if damage == "pickle":
        content = b"cos\nsystem\n(S'true'\ntR."
    if damage == "other":
        content = content.replace(b'"outcome"', b'"unknown"')
    with pytest.raises(ValueError):
        from_bytes(content)


def test_oversized_messages_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(shared_folder, "_MOST_MESSAGE", 10)
    (tmp_path / "00000001.npz").write_bytes(b"x" * 11)
    (tmp_path / "00000002.npz").write_bytes(b"x" * 10)
    inbox = shared_folder.Inbox(tmp_path)
    assert [list(inbox.receive()) for _ in range(30)] == [[b"x" * 10]] + [[]] * 29
