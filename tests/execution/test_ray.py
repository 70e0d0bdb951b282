"""Workers of a Ray cluster on this machine, started here and stopped at the end. Skipped where Ray is not installed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import evonas
from evonas.errors import WorkerError
from evonas.evaluation import Status
from evonas.execution import WorkerLimits, cluster
from evonas.execution.assignments import Assignments
from evonas.execution.cluster import HeadLost, RayCluster
from evonas.execution.pool import PoolEvaluator
from evonas.execution_options import Execution
from evonas.runs import RunReader
from evonas.training_tasks import TrainingSettings
from genomes import InputError
from tests.execution.stub_worker import EXIT, NAN, RAISE
from tests.execution.stubs import UnitsSpace, candidates
from tests.execution.test_pool import evaluated

ray = pytest.importorskip("ray")
STUB = (sys.executable, str(Path(__file__).with_name("stub_worker.py")))


@pytest.fixture(scope="module", autouse=True)
def _cluster():
    """Small, and on the loopback interface alone."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    before = signal.getsignal(signal.SIGTERM)
    options = {"num_cpus": 4, "include_dashboard": False, "object_store_memory": 100 << 20, "log_to_driver": False}
    try:
        ray.init(address="local", logging_level="error", _node_ip_address="127.0.0.1", **options)
    except Exception as error:  # no shared memory, no sockets: a machine on which Ray itself does not run
        pytest.skip(f"Ray does not start on this machine: {error}")
    signal.signal(signal.SIGTERM, before)
    yield
    ray.shutdown()
    signal.signal(signal.SIGTERM, before)


def pool_of(data_path, workers=2, settings=None, execution=None, **options):
    from evonas.execution.ray_fleet import RayFleet, WorkerSpec

    assignments = Assignments()
    spec = WorkerSpec(settings or TrainingSettings(), WorkerLimits(silence_seconds=300.0), command=STUB)
    fleet = RayFleet(spec, data_path, execution or Execution("ray", workers), assignments, **options)
    return PoolEvaluator(UnitsSpace(), fleet, assignments)


@pytest.fixture(scope="module")
def pool(data_path):
    with pool_of(data_path) as made:
        yield made


def test_networks_come_back_once_and_fail_in_the_words_of_a_worker_of_this_machine(pool):
    found = evaluated(pool, 1, 2, EXIT, 3, NAN, RAISE)
    assert {number: each.scores["rmse"] for number, each in found.items() if each.scores} == {0: 1.0, 1: 2.0, 3: 3.0}
    assert {number: each.reason for number, each in found.items() if each.status is Status.FAILED} == {
        2: "the worker process crashed: it exited with status 7",
        4: "diverged",
        5: "it raised KeyError: 'a bug in the trainer'",
    }


def test_how_far_a_training_is_comes_from_the_actor(pool):
    heard = []
    pool.watch_training(heard.extend)
    found = {}
    for part in pool.evaluate(candidates(7, epochs=250)):
        found |= part
    pool.watch_training(lambda networks: None)
    assert found[0].scores == {"rmse": 7.0}
    assert {(each.number, each.epochs, each.parameters) for each in heard} == {(0, 250, 7)}
    assert max(each.epoch for each in heard) > 0


@pytest.mark.soak
def test_an_actor_that_is_killed_is_replaced_and_its_network_trained_by_another(pool):
    evaluated(pool, 1)
    stream, found = pool.stream(), {}
    for number in range(6):
        stream.give(number, evonas.Candidate(number + 1, str(number), 0, 20))
    while not found:
        found |= stream.wait()
    before = set(pool._fleet._actors)
    actor = next(each for each in pool._fleet._actors.values() if pool._fleet._held(each))
    os.kill(ray.get(actor.handle.pid.remote()), signal.SIGKILL)
    while len(found) < 6:
        part = stream.wait()
        assert not found.keys() & part.keys()
        found |= part
    stream.close()
    assert {number: each.scores for number, each in found.items()} == {n: {"rmse": n + 1.0} for n in range(6)}
    assert set(pool._fleet._actors) != before


@pytest.mark.soak
def test_a_search_is_the_same_as_in_this_process_and_is_resumed_elsewhere(tmp_path):
    x = np.random.default_rng(0).normal(size=(80, 3))
    options = {"population": 4, "strategy": "ga", "epochs": 2, "finalists": 1, "finalist_seeds": 1}
    x_y = (x, x @ [1.0, -2.0, 0.5])
    here = evonas.search(*x_y, evaluations=8, out=tmp_path / "here", execution="local", **options)
    there = evonas.search(*x_y, evaluations=3, out=tmp_path / "there", execution=Execution("ray", 2), **options)
    for evaluations, execution in ((5, "shared"), (6, "local"), (7, Execution("ray", 1)), (8, "processes")):
        evonas.resume(there.run_dir, evaluations=evaluations, execution=execution)
    digests = []
    for each in (here, there):
        with RunReader(each.run_dir) as run:
            digests.append([(record.digest, record.evaluation.scores) for record in run.records()])
    assert digests[0] == digests[1]


@pytest.mark.soak
def test_a_machine_that_is_added_in_the_midst_of_a_search_is_used(data_path):
    script = Path(__file__).with_name("added_node.py")
    done = subprocess.run([sys.executable, str(script), str(data_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {"before": 1, "after": 3, "right": True}


@pytest.mark.soak
def test_workers_that_cannot_start_end_the_search_in_words(data_path):
    broken = pool_of(data_path, settings=TrainingSettings(patience=13))
    with broken, pytest.raises(WorkerError, match="no luck"):
        evaluated(broken, 1)


def test_a_head_that_is_gone_is_said(monkeypatch):
    connected = RayCluster("auto", None, 1)
    connected.check_head()
    monkeypatch.setattr(connected, "_head", ("127.0.0.1", 1))
    connected.check_head()
    connected.check_head()
    with pytest.raises(HeadLost, match=r"Ray's head no longer answers.*resume"):
        connected.check_head()
    connected.close()
    assert ray.is_initialized()  # the connection was the program's


def test_a_head_that_was_restarted_is_said_before_ray_is_asked_for_anything(monkeypatch):
    connected = RayCluster("auto", None, 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(connected, "_head", server.getsockname())
        connected.check_head()
        first, _ = server.accept()
        first.sendall(b"what a head sends first")
        connected.check_head()
        second, _ = server.accept()
        first.close()  # the connection of an earlier check
        assert connected.answers
        second.close()
        assert not connected.answers
        with pytest.raises(HeadLost, match=r"Ray's head was restarted.*resume"):
            connected.check_head()
    connected.close()


@pytest.mark.soak
@pytest.mark.parametrize("what", ["gone", "restarted"])
def test_a_search_ends_with_its_head_and_is_resumed(tmp_path, what):
    x = np.random.default_rng(0).normal(size=(80, 3))
    table = tmp_path / "table.csv"
    np.savetxt(table, np.c_[x, x @ [1.0, -2.0, 0.5]], delimiter=",", header="a,b,c,y", comments="")
    quick = "--population 8 --strategy ga --epochs 200 --finalists 1 --no-report --no-baseline --seed 0 --quiet"
    run = [sys.executable, "-m", "evonas", "run", str(table), "--target", "y", *quick.split(), "--evaluations", "120"]
    run += ["--threads", "1", "--out"]
    script = [sys.executable, str(Path(__file__).with_name("lost_head.py")), what, str(tmp_path / "there")]
    on_ray = [*run, str(tmp_path / "there"), "--execution", "ray", "--workers", "2"]
    done = subprocess.run([*script, *on_ray], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    ended = json.loads(done.stdout.splitlines()[-1])
    assert ended["code"] == 1
    assert "Ray's head " + {"gone": "no longer answers", "restarted": "was restarted"}[what] in ended["said"]
    assert len(ended["said"].splitlines()) == 1
    assert 0 < ended["committed"] < 120
    resume = [sys.executable, "-m", "evonas", "resume", str(tmp_path / "there"), "--no-report", "--quiet"]
    for command in (
        [*resume, "--execution", {"gone": "local", "restarted": "shared"}[what]],
        [*run, str(tmp_path / "here")],
    ):
        subprocess.run(command, check=True, capture_output=True)
    digests = set()
    for name in ("here", "there"):
        with RunReader(tmp_path / name) as reader:
            assert reader.evaluated == 120
            digests.add(reader.digest())
    assert len(digests) == 1


def test_no_cluster_at_an_address_is_a_mistake(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **options: (_ for _ in ()).throw(ConnectionError("nobody is there")))
    with pytest.raises(InputError, match=r"not 127.0.0.1:1 \(nobody is there\): start one with `ray start --head`"):
        RayCluster("127.0.0.1:1", None, 1)
    assert cluster.find_spec("ray")


def test_a_ray_that_does_not_start_in_time_is_said(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **options: (_ for _ in ()).throw(Exception("The current node timed out")))
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with pytest.raises(WorkerError, match=r"Ray did not start on this machine \(The current node timed out\)"):
        RayCluster(None, None, 1)


def build_of_a_user(genes):
    import keras

    hidden = keras.layers.Dense(genes.units, activation="tanh")
    return keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(1)])


@pytest.mark.soak
@pytest.mark.keras
def test_models_of_a_user_s_function_are_trained_there_and_come_out_the_same(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    options = {"build": build_of_a_user, "space": {"units": [2, 3, 4, 5]}, "finalists": 0}
    options |= {"population": 2, "epochs": 1, "generations": 1}
    found = []
    for name, execution in (("there", Execution("ray", 1)), ("here", Execution("processes", 1))):
        with RunReader(evonas.search(x, x[:, 0], out=tmp_path / name, execution=execution, **options).run_dir) as run:
            found.append([(each.digest, each.evaluation.status, each.evaluation.curve) for each in run.records()])
    assert found[0] == found[1]
    assert {status for _, status, _ in found[0]} == {Status.OK}


@pytest.mark.soak
@pytest.mark.keras
def test_trials_of_a_tuner_are_trained_there(tmp_path):
    from evonas import tuner

    def build(hp):
        import keras

        model = keras.Sequential([keras.layers.Dense(hp.Int("units", 2, 9)), keras.layers.Dense(1)])
        model.compile("adam", loss="mse")
        return model

    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    search = tuner.Evolution(
        build, objective="val_loss", max_trials=2, directory=tmp_path, project_name="run", execution=Execution("ray", 1)
    )
    search.search(x, x[:, 0], epochs=1, validation_split=0.25)
    with RunReader(tmp_path / "run") as run:
        assert [record.evaluation.status for record in run.records()] == [Status.OK] * 2
