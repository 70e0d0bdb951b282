"""What the stub cannot show: kills, exports and long searches with real Keras. Minutes: in `make soak` only."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from evonas.data.prepare import prepare_arrays
from evonas.deploy.export import export
from evonas.evaluation import Candidate, Status
from evonas.execution import WorkerEvaluator, WorkerLimits
from evonas.runs import RunReader
from evonas.training.export.keras_file import check_keras_file
from evonas.training_tasks import TrainingSettings
from genomes.dense import DenseSpace
from tests.genomes.dense_spaces import network
from tests.reliability.battery import Row
from tests.reliability.counts import SOAK, count
from tests.reliability.forkserver import ROOT

pytestmark = [pytest.mark.keras, pytest.mark.skipif(SOAK is None, reason="takes minutes: make soak")]


def start(directory: Path, out: Path, *numbers: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.reliability.real", str(directory), *map(str, numbers)]
    with out.open("ab") as file:
        return subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file)


def committed(out: Path) -> int:
    return max((int(line) for line in out.read_text().split() if line.isdigit()), default=0)


def digest(directory: Path) -> str:
    with RunReader(directory) as run:
        return run.digest()


def test_sigkills_of_a_real_search(tmp_path: Path, row: Row) -> None:
    row("random SIGKILLs of the driver with real Keras", "0 committed rows lost, same digest")
    shape, rng, out = (3, 6, 3), random.Random(), tmp_path / "out"
    started = time.monotonic()
    assert start(tmp_path / "straight", tmp_path / "straight-out", *shape).wait(300) == 0
    seconds, wanted, runs = time.monotonic() - started, count(1, 20), 0
    while row.count < wanted:
        directory, done = tmp_path / f"run-{row.count}", False
        while not done and row.count < wanted:
            process = start(directory, out, *shape)
            with suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0.1, 1.0) * seconds)
            process.kill()
            done = process.wait() == 0
            row.count += not done
            if (directory / "run.sqlite").exists():
                with RunReader(directory) as run:
                    assert run.evaluated >= committed(out)
        assert start(directory, tmp_path / "end", *shape).wait(300) == 0
        assert digest(directory) == digest(tmp_path / "straight")
        out.unlink()
        runs += 1
    row.notes = f"{runs} runs"


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    assert start(folder / "run", folder / "out", 1, 4, 2).wait(300) == 0
    return folder / "run"


def test_kills_during_an_export(searched: Path, tmp_path: Path, row: Row) -> None:
    row("SIGKILL of driver or worker during an export", "the old file or a complete new one")
    path, rng = tmp_path / "best.keras", random.Random()
    export(searched, path)
    old, script = path.read_bytes(), "import sys; from evonas import export; export(sys.argv[1], sys.argv[2], 2)"
    started = time.monotonic()
    export(searched, path, 2)
    seconds, written = time.monotonic() - started, 0
    for _ in range(count(1, 12)):
        path.write_bytes(old)
        process = subprocess.Popen([sys.executable, "-c", script, str(searched), str(path)], cwd=ROOT)
        time.sleep(rng.uniform(0.5 * seconds, 1.2 * seconds))
        victims = [process.pid, *map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())]
        os.kill(rng.choice(victims), signal.SIGKILL)
        process.wait()
        check_keras_file(path)
        written += path.read_bytes() != old
        row.count += 1
    row.notes = f"a new file {written} times"


def test_an_absurdly_large_network_fails_alone(tmp_path: Path, row: Row) -> None:
    row(
        "absurdly large layers, with real Keras",
        "classified, with a reason; the other networks are trained",
    )
    x = np.random.default_rng(0).normal(size=(200, 4))
    data = tmp_path / "data.npz"
    prepare_arrays(x, x[:, 0] - x[:, 1], seed=0).save(data)
    space, cap = DenseSpace(), 3 << 30
    for trainer in ("population", "single"):
        sizes = ((8,), (65_536, 65_536, 65_536), (6,))
        genomes = [network(*units) for units in sizes]
        asked = [Candidate(g, space.digest(g), 0, 2, 0, k) for k, g in enumerate(genomes)]
        limits = WorkerLimits(memory_bytes=cap)
        with WorkerEvaluator(space, data, TrainingSettings(trainer=trainer), limits=limits) as evaluator:
            found = {place: each for part in evaluator.evaluate(asked) for place, each in part.items()}
        assert [found[place].status for place in range(3)] == [Status.OK, Status.FAILED, Status.OK], found
        assert found[1].reason
        row.notes += f"{trainer}: {found[1].reason[:60]}; "
        row.count += 1


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_thousand_real_trainings(tmp_path: Path, row: Row) -> None:
    row(
        "1,000 evaluations with real training",
        "driver at most 10 MB more after the 100th; constant descriptors and threads; worker within its limit",
    )
    generations = count(2, 20)
    process = start(tmp_path / "run", tmp_path / "out", generations, 50, 1)
    sizes: list[tuple[int, int, int]] = []
    held: list[tuple[int, int]] = []

    def watch() -> None:
        while process.poll() is None:
            try:
                children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
                workers = [resident(int(child)) for child in children]
                if committed(tmp_path / "out") >= 100:
                    held.append(tuple(len(os.listdir(f"/proc/{process.pid}/{name}")) for name in ("fd", "task")))
                sizes.append((committed(tmp_path / "out"), resident(process.pid), max(workers, default=0)))
            except (OSError, IndexError):
                pass
            time.sleep(0.5)

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert process.wait(3000) == 0, (tmp_path / "out").read_text()[-2000:]
    watcher.join()
    row.count = committed(tmp_path / "out")
    early = next(driver for done, driver, _ in sizes if done >= 100 or done >= row.count // 2)
    late, worker = sizes[-1][1], max(worker for *_, worker in sizes)
    row.notes = f"driver {(late - early) / 1e6:.1f} MB more; worker {worker / 1e6:.0f} MB at most"
    assert late - early < 10e6
    row.notes += f"; descriptors, threads {held[0]} after 100, {max(held)} at most"
    # A worker that is followed by another one has its socket and its log opened anew, not more of them.
    assert all(now[0] <= held[0][0] + 2 and now[1] <= held[0][1] for now in held)
    assert worker < WorkerLimits().memory
