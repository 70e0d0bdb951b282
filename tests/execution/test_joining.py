"""Further machines on one run, over a shared folder: here each is a process that has nothing else in common."""

from __future__ import annotations

import errno
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import evonas
from evonas.evaluation import Evaluation, Status
from evonas.execution import WorkerLimits, joining, shared_folder
from evonas.execution.assignments import Assignments, Outcome
from evonas.execution.pool import PoolEvaluator
from evonas.execution.shared_fleet import SharedFleet, session_of
from evonas.execution.shared_messages import to_bytes
from evonas.runs import RunReader
from evonas.runs.directory import sha256
from evonas.training_tasks import TrainingSettings
from genomes import InputError
from tests.cli.commands import evonas as command_line
from tests.execution.stub_worker import EXIT, NAN
from tests.execution.stubs import StubEvaluator, UnitsSpace, candidates
from tests.execution.test_pool import evaluated


class NobodyHere:
    """No workers of this machine: what is trained is trained by those who join."""

    slots = 1

    def __init__(self, assignments):
        self.assignments = assignments

    def start(self):
        pass

    def close(self):
        pass

    def wait(self, seconds):
        with self.assignments.changed:
            self.assignments.changed.wait_for(lambda: self.assignments.has_news, seconds)


def shared_pool(run_dir, data_path, unheard=60.0, settings=None):
    if not (run_dir / "data.npz").exists():
        shutil.copyfile(data_path, run_dir / "data.npz")
    session = session_of(settings or TrainingSettings(), WorkerLimits(), sha256(run_dir / "data.npz"), None)
    assignments = Assignments()
    fleet = SharedFleet(NobodyHere(assignments), run_dir, session, assignments, unheard)
    return PoolEvaluator(UnitsSpace(), fleet, assignments)


class Machine:
    """Another one, as a process."""

    def __init__(self, run_dir, unheard=60.0, *more):
        command = [sys.executable, str(Path(__file__).with_name("join_stub.py")), str(run_dir), str(unheard), *more]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said = []
        threading.Thread(target=lambda: self.said.extend(self.process.stdout), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def until(condition, seconds=60.0):
    ended = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ended, "it took too long"
        time.sleep(0.02)


def test_machines_join_one_is_killed_and_nothing_is_lost_or_counted_twice(tmp_path, data_path):
    pool = shared_pool(tmp_path, data_path, unheard=3.0)
    heard = []
    pool.watch_training(heard.extend)
    with pool, Machine(tmp_path) as first, Machine(tmp_path) as second:
        parts = pool.evaluate(
            [*candidates(*range(1, 9), EXIT, NAN, epochs=20), *candidates(*[11] * 11, epochs=250)[10:]]
        )
        found = dict(next(part for part in parts if part))
        until(lambda: pool._fleet.joined == 2)
        first.process.kill()
        # Late and repeated: what the other one said is there once more.
        session = next(path for path in (tmp_path / "shared").iterdir() if path.is_dir())
        name = next(iter(pool._fleet._joined))
        message = to_bytes(Outcome(1, {0: Evaluation(Status.OK, {"rmse": -5.0})}, True))
        for number in (80_000_001, 80_000_000):
            (session / name / "from" / f"{number}.npz").write_bytes(message)
        for part in parts:
            assert not found.keys() & part.keys(), "counted twice"
            found |= part
        scores = {number: each.scores["rmse"] for number, each in found.items() if each.scores}
        assert scores == {number: number + 1.0 for number in (*range(8), 10)}
        assert max(each.epoch for each in heard if each.number == 10) > 0, "how far it is, is said"
        assert {(each.epochs, each.parameters) for each in heard if each.number == 10} == {(250, 11)}
        assert "exited with status 7" in found[8].reason
        assert found[9].reason == "diverged"
        assert pool._fleet.joined == 1
        pool.close()
        assert second.process.wait(60) == 0  # the search has ended, and it has heard of that
    assert any("trained here" in line for line in second.said)
    assert [path.name for path in (tmp_path / "shared").rglob("*")] == ["session.json"]


@pytest.mark.soak
def test_a_machine_waits_for_an_owner_that_was_killed_and_trains_for_the_next_one(tmp_path, data_path):
    with Machine(tmp_path, 2.0) as machine:
        killed = shared_pool(tmp_path, data_path)
        assert evaluated(killed, 1, 2)[1].scores == {"rmse": 2.0}
        killed._fleet._ended.set()  # nothing is said, nothing is tidied up
        killed._fleet._thread.join()
        (tmp_path / "shared" / "note.txt").write_text("of somebody else")
        until(lambda: any("not heard from" in line for line in machine.said))
        with shared_pool(tmp_path, data_path) as resumed:
            assert evaluated(resumed, 3, 4)[1].scores == {"rmse": 4.0}
            assert resumed._fleet.joined == 1
    assert (tmp_path / "shared" / "note.txt").read_text() == "of somebody else"


def test_who_may_not_join_is_told_why(tmp_path, data_path):
    with pytest.raises(InputError, match=r"none was found in .* within 1 s"):
        evonas.join(tmp_path, wait=1)
    with pytest.raises(InputError, match="the shared folder is mounted"):
        evonas.join(tmp_path / "nowhere" / "run", wait=5)
    with shared_pool(tmp_path, data_path) as pool:
        pool.start()
        with Machine(tmp_path, 60.0, "3.9") as machine:
            machine.process.wait(60)
            until(lambda: machine.said)
        assert "Python must be the same on all machines" in machine.said[-1]
        with pytest.raises(InputError, match="build must not be given"):
            evonas.join(tmp_path, build=lambda genes: None, wait=5)
        with (tmp_path / "data.npz").open("ab") as file:
            file.write(b"x")
        with pytest.raises(InputError, match="was changed"):
            evonas.join(tmp_path, wait=5)


def test_a_mistyped_or_empty_directory_is_refused_at_once_and_an_ended_search_is_said(tmp_path, data_path):
    began, said = time.monotonic(), []
    with pytest.raises(InputError, match="the shared folder is mounted"):
        evonas.join(tmp_path / "houzes")
    with pytest.raises(InputError, match="must hold a run"):
        evonas.join(tmp_path)
    with shared_pool(tmp_path, data_path) as pool:
        pool.start()
    assert evonas.join(tmp_path, on_news=said.append) == 0
    assert said == [f"The search of {tmp_path} has ended.", "0 networks trained here."]
    assert time.monotonic() - began < 10
    with pytest.raises(InputError, match="within 1 s"):  # it may be resumed
        evonas.join(tmp_path, wait=1)


@pytest.mark.parametrize("words", [["join"], ["run", "--join"]])
def test_the_command_is_refused_in_a_line_where_there_is_no_run(tmp_path, words):
    result = command_line(*words, str(tmp_path / "houzes"))
    assert result.exit_code == 2
    assert result.output.startswith("Error: run directory must exist, but ")
    assert result.output.count("\n") == 1
    result = command_line("run", f"--join={tmp_path}", "--threads", "1")
    assert (result.exit_code, "must hold a run" in result.output) == (2, True)


@pytest.mark.parametrize("side", ["to", "from"])
def test_a_folder_that_takes_nothing_for_a_while_loses_nothing(tmp_path, data_path, monkeypatch, side):
    sent, put, refused = [], shared_folder._put, []

    def full_for_a_while(path, content):
        sent.append(path.parent.name)
        if path.parent.name == side and sent.count(side) in range(2, 8):
            refused.append(path)
            raise OSError(errno.ENOSPC, "No space left on device")
        put(path, content)

    monkeypatch.setattr(shared_folder, "_put", full_for_a_while)
    monkeypatch.setattr(joining, "WorkerEvaluator", StubEvaluator)
    said = []
    with shared_pool(tmp_path, data_path) as pool:
        helping = threading.Thread(
            target=joining.join, args=(tmp_path,), kwargs={"threads": 1, "wait": 30, "on_news": said.append}
        )
        helping.start()
        found = evaluated(pool, 1, 2, 3)
        assert {number: each.scores for number, each in found.items()} == {n: {"rmse": n + 1.0} for n in range(3)}
        assert pool._fleet.joined == 1
        pool.close()
        helping.join(30)
    assert len(refused) == 6
    assert sum("Joined" in line for line in said) == 1, "it was given up"


def test_a_machine_that_was_given_up_joins_again(tmp_path, data_path):
    with shared_pool(tmp_path, data_path) as pool, Machine(tmp_path) as machine:
        assert evaluated(pool, 1)[0].scores == {"rmse": 1.0}
        fleet = pool._fleet
        next(iter(fleet._joined.values())).reason = "it was not heard from"
        assert evaluated(pool, 2)[0].scores == {"rmse": 2.0}
        until(lambda: sum("Joined" in line for line in machine.said) == 2)
        assert fleet.joined == 1


@pytest.mark.parametrize(
    "change",
    [{"settings": {"trainer": "os.system"}}, {"settings": {"nonsense": 1}}, {"memory_bytes": 1 << 60}, {"format": 2}],
)
def test_a_session_that_cannot_be_is_refused(tmp_path, data_path, change):
    shutil.copyfile(data_path, tmp_path / "data.npz")
    session = session_of(TrainingSettings(), WorkerLimits(), sha256(tmp_path / "data.npz"), None)
    session["settings"] |= change.get("settings", {})
    (tmp_path / "shared" / session["session"]).mkdir(parents=True)
    shared_folder.write_session(tmp_path / "shared", session | {k: v for k, v in change.items() if k != "settings"})
    with pytest.raises(InputError, match=r"must be"):
        joining._settings_of(shared_folder.read_session(tmp_path / "shared"), 1)


def test_a_folder_that_is_somebody_else_s_stays(tmp_path):
    kept = tmp_path / "0123456789abcdef" / "letter.txt"
    kept.parent.mkdir()
    kept.write_text("dear")
    (kept.parent / "00000001.npz").write_bytes(b"")
    shared_folder.clear(tmp_path)
    assert kept.read_text() == "dear"
    assert not (kept.parent / "00000001.npz").exists()


@pytest.mark.soak
def test_a_search_that_another_process_joins_finds_the_same(tmp_path):
    x = np.random.default_rng(0).normal(size=(80, 3))
    x_y = (x, x @ [1.0, -2.0, 0.5])
    options = {"population": 4, "strategy": "ga", "epochs": 2, "finalists": 1, "finalist_seeds": 1, "evaluations": 12}
    here = evonas.search(*x_y, out=tmp_path / "here", execution="local", **options)
    command = [sys.executable, "-m", "evonas", "join", str(tmp_path / "there"), "--threads", "1"]
    joined = []

    class Help(evonas.Callback):
        def on_start(self, run, budget):
            joined.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))

        def on_evaluation(self, candidate):  # so that there is something left when it has started
            if candidate.generation == 1:
                until(lambda: list((tmp_path / "there" / "shared").glob("*/*/to/*")), 60)

    there = evonas.search(*x_y, out=tmp_path / "there", execution="shared", callbacks=[Help()], threads=1, **options)
    said, _ = joined[0].communicate(timeout=120)
    assert joined[0].returncode == 0
    assert "Joined the search" in said
    digests = []
    for each in (here, there):
        with RunReader(each.run_dir) as run:
            digests.append([(record.digest, record.evaluation.scores) for record in run.records()])
    assert digests[0] == digests[1]


@pytest.mark.soak
def test_ctrl_c_ends_the_help_and_not_the_search(tmp_path, data_path):
    with shared_pool(tmp_path, data_path) as pool, Machine(tmp_path) as machine:
        parts = pool.evaluate(candidates(*range(1, 5), epochs=40))
        found = dict(next(part for part in parts if part))
        machine.process.send_signal(signal.SIGINT)
        machine.process.wait(60)
        until(lambda: pool._fleet.joined == 0)
        with Machine(tmp_path):
            for part in parts:
                found |= part
        assert len(found) == 4


@pytest.mark.soak
def test_an_owner_that_is_killed_and_resumed_ends_with_the_same_run_while_another_machine_helps(tmp_path):
    x = np.random.default_rng(0).normal(size=(80, 3))
    np.savetxt(tmp_path / "table.csv", np.c_[x, x @ [1.0, -2.0, 0.5]], delimiter=",", header="a,b,c,y", comments="")
    quick = "--population 4 --strategy ga --epochs 200 --finalists 1 --no-report --no-baseline --seed 0"
    quick += " --evaluations 80"

    def command(what, *more):
        return [sys.executable, "-m", "evonas", *what.split(), *more]

    run = command("run", str(tmp_path / "table.csv"), "--target", "y", *quick.split(), "--threads", "1", "--quiet")
    subprocess.run([*run, "--out", str(tmp_path / "straight")], check=True, capture_output=True)
    shared, joined = str(tmp_path / "shared"), ["--execution", "shared", "--threads", "1", "--quiet"]
    owner = subprocess.Popen([*run, "--out", shared, "--execution", "shared"], stdout=subprocess.DEVNULL)
    with subprocess.Popen(
        command("join", shared, "--wait", "2m", *joined[2:4]), stdout=subprocess.PIPE, text=True
    ) as helper:
        folders = tmp_path / "shared" / "shared"
        until(lambda: list(folders.glob("*/*/to/*")) or owner.poll() is not None, 120)
        assert owner.poll() is None, "the search ended before it had help"
        owner.kill()
        owner.wait()
        subprocess.run([*command("resume", shared), "--no-report", *joined], check=True, capture_output=True)
        said, _ = helper.communicate(timeout=120)
    assert said.count("Joined the search") == 2
    digests = set()
    for name in ("straight", "shared"):
        with RunReader(tmp_path / name) as reader:
            digests.add(reader.digest())
    assert len(digests) == 1


@pytest.mark.parametrize("linked", ["shared", "session", "to", "file"])
def test_nothing_behind_a_link_is_deleted_or_written(tmp_path, linked):
    """A run directory of others may hold links to folders of frames, whose names are those of messages."""
    precious = tmp_path / "precious"
    name = "0123456789abcdef"
    inner = {"shared": [name, name, "to"], "session": [name, "to"], "to": []}.get(linked, [])
    folder = precious.joinpath(*inner)
    folder.mkdir(parents=True)
    for file in ("00000001.npz", "owner.beat", "worker.beat"):
        (folder / file).write_text("years of work")
    (precious / "session.json").write_text('{"mine": 1}')
    shared = tmp_path / "run" / "shared"
    place = shared.joinpath(*{"shared": [], "session": [name], "to": [name, name, "to"]}.get(linked, ["session.json"]))
    place.parent.mkdir(parents=True)
    place.symlink_to(precious / "session.json" if linked == "file" else precious)
    before = {path: path.is_file() and path.read_text() for path in precious.rglob("*")}
    fleet = SharedFleet(
        NobodyHere(None), tmp_path / "run", session_of(TrainingSettings(), WorkerLimits(), "0" * 64, None), None
    )
    fleet._local.start = lambda: None
    try:
        if linked in ("shared", "file"):
            with pytest.raises(InputError, match="must be a writable folder"):
                fleet.start()
        else:
            fleet.start()
    finally:
        fleet.close()
    assert {path: path.is_file() and path.read_text() for path in precious.rglob("*")} == before
    assert place.is_symlink()
