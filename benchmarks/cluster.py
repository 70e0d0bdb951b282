"""Overhead of a search, and its utilisation of many workers: `python benchmarks/cluster.py [--only ray]`.

engine       milliseconds per candidate (variation, selection, storage) at populations of 100, 1,000 and 10,000, for the
             default space and for toy networks (three genes: most proposals of a converged population are known)
ray          efficiency with evaluations that sleep for 1 s, on 1, 4, 16 (and 64) local Ray workers
recovery     seconds of work lost when a worker is killed
simulation   utilisation of 1,000 workers with log-normal training times, by generations and one by one; the loops, the
             strategy and the store are those of a run, the clock is simulated (`results/cluster.svg`)
memory       resident megabytes of a driver that has evaluated 100,000 networks
processes    two workers on this machine against one, native trainer, random networks of the default space: with the
             workers' start and end, and after they have started; and by processor time, which other load affects less

`simulation` and `memory` do not include the time of disk commits (`synchronous=OFF`).
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from machine import describe
from reports import report_path, write_report
from simulated_workers import FORETOLD, Immediate, Simulated

from evonas.config import Budget, Settings
from evonas.evaluation import Candidate
from evonas.evolution.asynchronous import evolve_asynchronously
from evonas.evolution.loop import evolve
from evonas.io.marked_files import mark_text, publish
from evonas.objective import Objective
from evonas.runs import RunStore, schema
from evonas.strategies import make_strategy
from evonas.testing import ToySpace

HERE = Path(__file__).parent
WORKERS, SPREAD = 1000, 0.7
RMSE = Objective("rmse", "min")


def searched(
    evaluator: Any,
    evaluations: int,
    population: int,
    watch: Callable[[int], None] = lambda done: None,
    space: Any = None,
    **options: Any,
) -> dict[str, float]:
    """Cost of a run, of a toy space by default, and its processor time after the first generation."""
    settings = Settings(seed=0, population=population, **{"strategy": "ga", **options}).resolve("rmse")
    space = space or ToySpace(100)
    strategy: Any = make_strategy(settings.strategy, space, objective=RMSE, settings=settings)
    loop = evolve_asynchronously if settings.asynchronous else evolve
    wall, cpu = time.perf_counter(), time.process_time()
    with (
        tempfile.TemporaryDirectory() as folder,
        RunStore.create(Path(folder) / "run", settings=settings, space=space, state=strategy.state()) as store,
    ):
        for generation in loop(strategy, evaluator, store, space, Budget(evaluations=evaluations)):
            if not generation.number:
                first, begun = store.evaluated, time.process_time()
            watch((generation.number + 1) * population)
        done = store.evaluated
    return {
        "evaluations": done,
        "ms": 1e3 * (time.perf_counter() - wall) / done,
        "cpu_ms": 1e3 * (time.process_time() - cpu) / done,
        "later_cpu_ms": 1e3 * (time.process_time() - begun) / max(1, done - first),
    }


def engine(populations: Sequence[int]) -> dict[str, Any]:
    """Overhead of the engine per candidate, for toy networks and for those of the default space."""
    from genomes.dense import DenseSpace

    searched(Immediate(), 200, 100)  # completes lazy imports
    searched(Immediate(), 200, 100, space=DenseSpace())
    found = {str(size): searched(Immediate(), max(3 * size, 3000), size) for size in populations}
    dense = {
        f"dense {size}": searched(Immediate(), max(2 * size, 2000), size, space=DenseSpace()) for size in populations
    }
    return {**found, **dense}


def simulation(evaluations: int) -> dict[str, Any]:
    """Utilisation of workers until the last training run begins (asynchronous) or ends (generations)."""
    found = {}
    streamed = {"strategy": "aging", "asynchronous": True, "window": 0}
    for name, population, foretold, options in (
        (f"generations of {WORKERS:,}", WORKERS, FORETOLD, {}),
        (f"generations of {10 * WORKERS:,}", 10 * WORKERS, FORETOLD, {}),
        (f"generations of {10 * WORKERS:,}, in the order of asking", 10 * WORKERS, None, {}),
        ("one by one", WORKERS, None, streamed),
    ):
        workers = Simulated(WORKERS, SPREAD, foretold)
        took = searched(workers, max(evaluations, 2 * population), population, **options)
        until = max(began for began, _ in workers.spans) if options else workers.now
        spans = np.array(workers.spans)
        edges = np.linspace(0.0, until, 41)
        busy = [
            float(np.clip(np.minimum(spans[:, 1], after) - np.maximum(spans[:, 0], before), 0.0, None).sum())
            / ((after - before) * WORKERS)
            for before, after in pairwise(edges)
        ]
        found[name] = {**took, "share": float(np.mean(busy)), "until": until, "busy": busy}
        print(name, round(found[name]["share"], 3), took, flush=True)
    return found


def plot_simulation(found: dict[str, Any], path: Path) -> None:
    """Plots the share of busy workers over time. Needs matplotlib (`evonas[plot]`)."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "evonas"  # equal figures give equal files
    figure = Figure((10, 6.4), layout="constrained")
    figure.suptitle(f"Share of {WORKERS:,} simulated workers that train; log-normal training times, spread {SPREAD:g}")
    for axes, (name, each) in zip(figure.subplots(2, 2, sharey=True).flat, found.items(), strict=True):
        axes.stairs(each["busy"], np.linspace(0.0, each["until"], len(each["busy"]) + 1), fill=True, color="#0b69a3")
        axes.axhline(each["share"], color="#1f2933", linestyle="--")
        axes.set(title=f"{name}: {each['share']:.0%}", xlabel="time, in median training times", ylim=(0.0, 1.05))
        axes.yaxis.set_major_formatter("{x:.0%}")
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    publish(path, mark_text(drawn.getvalue()))


def memory(evaluations: int) -> dict[str, Any]:
    """Resident megabytes of a driver."""
    seen: list[tuple[int, float]] = []

    def watch(done: int) -> None:
        if not seen or done - seen[-1][0] >= evaluations // 20 or done >= evaluations:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            seen.append((done, pages * resource.getpagesize() / 1e6))

    took = searched(Immediate(), evaluations, 1000, watch, strategy="random")
    return {**took, "megabytes": seen[-1][1], "seen": seen}


def _sleeping(workers: int, folder: Path) -> Any:
    """A pool of Ray workers that sleep."""
    from evonas.data.prepared import PreparedData, Problem, Split
    from evonas.execution import WorkerLimits
    from evonas.execution.assignments import Assignments
    from evonas.execution.pool import PoolEvaluator
    from evonas.execution.ray_fleet import RayFleet, WorkerSpec
    from evonas.execution_options import Execution
    from evonas.training_tasks import TrainingSettings
    from genomes.dense import DenseSpace

    x = np.zeros((8, 2), np.float32)
    data = folder / "data.npz"
    PreparedData(Problem("regression", 2, 1), (Split(x, x[:, :1], x, x[:, :1]),), x[:0], x[:0, :1]).save(data)
    command = (sys.executable, str(HERE / "sleeping_worker.py"))
    spec = WorkerSpec(TrainingSettings(), WorkerLimits(memory_bytes=1 << 30), command=command)
    assignments = Assignments()
    return PoolEvaluator(DenseSpace(), RayFleet(spec, data, Execution("ray", workers), assignments), assignments)


def _candidates(count: int, seconds: int = 1) -> list[Candidate]:
    from genomes.dense import DenseSpace

    space, rng = DenseSpace(), np.random.default_rng(0)
    genomes = [space.sample(rng) for _ in range(count)]
    return [Candidate(g, space.digest(g), seed, seconds, index=seed) for seed, g in enumerate(genomes)]


def ray(counts: Sequence[int], rounds: int = 10) -> dict[str, Any]:
    """Efficiency: seconds of sleep over workers and wall clock, once all workers have started."""
    found = {}
    for workers in counts:
        with tempfile.TemporaryDirectory() as folder, _sleeping(workers, Path(folder)) as pool:
            began, candidates = time.perf_counter(), _candidates(rounds * workers)
            while pool.slots < workers:  # idle workers are released, so there is work until all have started
                list(pool.evaluate(candidates[: 2 * workers]))
            started = time.perf_counter() - began
            began = time.perf_counter()
            done = sum(len(part) for part in pool.evaluate(candidates))
            wall = time.perf_counter() - began
            found[str(workers)] = {"efficiency": done / (workers * wall), "wall": wall, "start_seconds": started}
            print(workers, found[str(workers)], flush=True)
    return found


def recovery(workers: int = 2) -> dict[str, Any]:
    """Cost of a killed worker: the additional time that 8 networks of 2 s take."""
    with tempfile.TemporaryDirectory() as folder, _sleeping(workers, Path(folder)) as pool:
        list(pool.evaluate(_candidates(workers)))
        began = time.perf_counter()
        list(pool.evaluate(_candidates(8, 2)))
        plain = time.perf_counter() - began
        began, parts = time.perf_counter(), pool.evaluate(_candidates(8, 2))
        count = len(next(part for part in parts if part))
        fleet = pool._fleet
        actor = next(each for each in fleet._actors.values() if fleet._held(each))
        os.kill(fleet._cluster.ray.get(actor.handle.pid.remote()), signal.SIGKILL)
        count += sum(len(part) for part in parts)
        killed = time.perf_counter() - began
    return {"plain": plain, "killed": killed, "lost": killed - plain, "evaluations": count}


def processes(networks: int, repeats: int = 3) -> dict[str, Any]:
    """Networks per second of the native trainer: one worker with one thread, and two with one each, in turns.

    Returns the median ratio of neighbouring repetitions.
    """
    from sklearn.datasets import fetch_california_housing, load_diabetes

    from evonas.data.prepare import prepare_arrays

    try:
        x, y = fetch_california_housing(return_X_y=True, download_if_missing=False)
    except OSError:
        x, y = load_diabetes(return_X_y=True)
        x, y = np.repeat(x, 20, 0), np.repeat(y, 20)
    found: dict[str, Any] = {"1": [], "2": []}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npz"
        prepare_arrays(x, y, seed=0).save(data)
        for _ in range(repeats):
            for workers in (1, 2):
                found[str(workers)].append(_trained_by(workers, data, _candidates(networks, 10)))
                print(workers, found[str(workers)][-1], flush=True)
    # Neighbouring measurements, since other load on the machine changes from minute to minute.
    pairs = list(zip(found["1"], found["2"], strict=True))
    ratios = {key: median(one[key] / two[key] for one, two in pairs) for key in pairs[0][0]}
    return {**found, "speedup": ratios["steady"], **{f"speedup_{key}": ratio for key, ratio in ratios.items()}}


def _trained_by(workers: int, data: Path, candidates: Sequence[Candidate]) -> dict[str, float]:
    """Seconds until the given number of workers have trained the candidates.

    Returns:
        whole: including their start and end. steady: after each has trained two networks. busiest: processor time of
        the busiest worker with its share of the driver's, which has a free core beside one worker.
    """
    from evonas.execution.launch import start_worker
    from evonas.execution_options import Execution
    from genomes.dense import DenseSpace

    settings = Settings(seed=0, population=len(candidates), epochs=10).resolve("rmse")
    started = time.perf_counter()
    pool: Any = start_worker(DenseSpace(), data, settings, threads=workers, execution=Execution(workers=workers))
    list(pool.evaluate(candidates[: 2 * workers]))
    pids = [pool.pid] if workers == 1 else pool._fleet.pids
    driver, before, began = time.process_time(), [_processor_seconds(pid) for pid in pids], time.perf_counter()
    list(pool.evaluate(candidates))
    steady, driver = time.perf_counter() - began, time.process_time() - driver
    took = [_processor_seconds(pid) - earlier for pid, earlier in zip(pids, before, strict=True)]
    pool.close()
    return {"whole": time.perf_counter() - started, "steady": steady, "busiest": max(took) + driver * (workers - 1) / 2}


def _processor_seconds(pid: int) -> float:
    """Processor seconds of all threads of a process, including those that have ended."""
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _without_confirmation() -> None:
    configure = schema._configure

    def relaxed(connection: Any, mode: str) -> None:
        configure(connection, mode)
        connection.execute("PRAGMA synchronous = OFF")

    schema._configure = relaxed


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = ("engine", "processes", "ray", "recovery", "simulation", "memory")
    parser.add_argument("--only", default=",".join(parts))
    parser.add_argument("--workers", default="1,4,16,64", help="numbers of Ray workers")
    parser.add_argument("--evaluations", type=int, default=100_000, help="evaluations for memory")
    parser.add_argument("--simulated", type=int, default=10_000, help="evaluations of the simulation")
    parser.add_argument("--json", type=report_path, default=None)
    options = parser.parse_args()
    path = options.json or report_path(str(HERE / "results" / "cluster.json"))
    measured: dict[str, Any] = {}
    for name in parts:
        if name not in options.only.split(","):
            continue
        if name in ("simulation", "memory"):
            _without_confirmation()
        measured[name] = {
            "engine": lambda: engine((100, 1000, 10_000)),
            "processes": lambda: processes(48),
            "ray": lambda: ray([int(count) for count in options.workers.split(",")]),
            "recovery": recovery,
            "simulation": lambda: simulation(options.simulated),
            "memory": lambda: memory(options.evaluations),
        }[name]()
        shown = {key: value for key, value in measured[name].items() if key not in ("seen", "busy")}
        print(name, shown if name != "simulation" else {key: each["share"] for key, each in shown.items()}, flush=True)
        if name == "simulation":
            plot_simulation(measured[name], HERE / "results" / "cluster.svg")
    write_report(path, {"machine": describe(), **measured})


if __name__ == "__main__":
    main()
