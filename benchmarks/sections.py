"""The sections of `throughput.py`: each measures one thing, adds its figures and returns its measurements."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import machine
import processes
import scaling
import work
from figures import Figure

__all__ = ["EPOCHS", "NETWORKS", "SECTIONS", "Bench"]

#: Sizes of the work, which options scale down for trying out the benchmark.
NETWORKS, EPOCHS = 512, 30
TEXTBOOK_EPOCHS, TEXTBOOK_CONFIGURATIONS = 100, 10
GPU_NETWORKS = 4096
#: Number of repetitions for shares and threads.
ROUNDS = 5
#: File, target and epochs of the searches measured from a user's perspective.
SEARCHES = {
    "california": ("california_housing.csv", "median_house_value", 20),
    "titanic": ("titanic.csv", "Survived", 30),
}
ROOT = Path(__file__).parent.parent


@dataclass
class Bench:
    """State shared by sections: the options, and the figures so far."""

    options: argparse.Namespace
    figures: list[Figure] = field(default_factory=list)

    def add(self, *figures: Figure) -> None:
        """Adds figures to the table."""
        self.figures += figures

    @property
    def data(self) -> list[str]:
        """The option with the data file."""
        return ["--data", str(self.options.data)] if self.options.data else []


#: The default space without the genes that the peer's Keras code lacks.
SPACE = Path(__file__).parent / "plain_space.toml"


def search(bench: Bench, name: str, must: float, aim: float) -> dict[str, Any]:
    """20 random networks trained by `evonas run`, against the same networks trained by Keras's default `fit`."""
    file, target, epochs = SEARCHES[name]
    table = bench.options.folder / file
    title = f"a user's search: 20 networks x {epochs} epochs, {name}, whole process"
    if not table.is_file():
        bench.add(Figure(title, must, aim, None, note=f"{file} is missing"))
        return {"measured": False}
    epochs = _scaled(epochs, bench.options.epochs / EPOCHS, 2)
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(2):
            out = Path(folder) / str(number)
            arguments = ["--strategy", "random", "--population", "20", "--generations", "1", "--finalists", "0"]
            arguments += ["--epochs", str(epochs), "--patience", str(epochs), "--out", str(out), "--quiet"]
            arguments += ["--no-baseline", "--space", str(SPACE)]
            runs.append(processes.evonas("run", str(table), "--target", target, *arguments))
        peer = processes.script("fit.py", str(Path(folder) / "0"), "--epochs", str(epochs)).value
    count, each = peer["networks"], peer["as_it_comes"]
    whole, cpu = (peer["imports"][k] + count * each[key] for k, key in enumerate(("whole", "whole_cpu")))
    wall = sum(one.wall for one in runs) / len(runs)
    spent = sum(one.cpu for one in runs) / len(runs)
    note = (
        f"{runs[0].wall:.1f} and {runs[1].wall:.1f} s against {whole:.0f} s; processor time {spent:.1f} against "
        f"{cpu:.0f} s: {cpu / spent:.1f}x"
    )
    bench.add(Figure(title, must, aim, whole / wall, note=note))
    return {
        "evonas": [asdict(one) | {"output": ""} for one in runs],
        "keras": peer,
        "ratio": whole / wall,
        "cpu": cpu / spent,
    }


def mixed(bench: Bench) -> dict[str, Any]:
    """The mixed population against Keras with its defaults and at its best."""
    options = bench.options
    work_of = ["--epochs", str(options.epochs), *bench.data]
    before = processes.script("native.py", "mixed", "--networks", str(options.networks), *work_of).value
    peer = processes.script(
        "fit.py", "--mixed", str(options.networks), "--sample", str(options.sample), "--tune", *work_of
    ).value
    after = processes.script("native.py", "mixed", "--networks", str(options.networks), *work_of).value
    ours = [run["seconds"] * options.epochs / run["epochs"] for run in (before, after)]
    mean = sum(ours) / len(ours)
    for name, must, aim in (("as_it_comes", 80, 130), ("best", 30, 55)):
        note = f"{1e3 * mean:.0f} ms per network against {peer[name]['whole']:.1f} s; before and after: " + ", ".join(
            f"{1e3 * one:.0f} ms" for one in ours
        )
        words = {"as_it_comes": "with its defaults", "best": "at its best"}[name]
        note += f"; {peer['best_way']}" if name == "best" else ""
        bench.add(Figure(f"mixed population, against Keras {words}", must, aim, peer[name]["whole"] / mean, note=note))
    return {"before": before, "after": after, "keras": peer, "sampling": work.SAMPLING}


def share(bench: Bench) -> dict[str, Any]:
    """Useful GFLOP/s of all cores against the machine's matrix product."""
    found: dict[str, Any] = {}
    for name, words, networks, must, aim in (
        ("default", "a user's search", 20, 40, 60),
        ("wide", "widths 128-512", 12, 65, 75),
    ):
        epochs = _scaled(20 if name == "default" else 4, bench.options.epochs / EPOCHS, 2)
        rounds = [_share(bench, name, networks, epochs) for _ in range(ROUNDS)]
        share, by_cpu = (100 * median(each[key] for each in rounds) for key in ("share", "share_by_cpu"))
        most, least = (100 * pick(each["share"] for each in rounds) for pick in (max, min))
        note = f"median of {ROUNDS}, {least:.0f} to {most:.0f}%; by processor time {by_cpu:.0f}%"
        bench.add(Figure(f"useful share of the sgemm peak, {words}", must, aim, share, "%", note=note))
        found[name] = rounds
    return found


def _share(bench: Bench, name: str, networks: int, epochs: int) -> dict[str, Any]:
    """A population relative to the peak, which is measured before and after it, since the machine's load varies."""
    before = machine.peak_gflops()
    run = processes.script("native.py", name, "--networks", str(networks), "--epochs", str(epochs), *bench.data).value
    peak = max(before, machine.peak_gflops())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = {
        "share": run["useful_gflop"] / run["seconds"] / peak,
        "share_by_cpu": cores * run["useful_gflop"] / run["cpu_seconds"] / peak,
    }
    return run | {"peak_gflops": peak} | shares


def textbook(bench: Bench) -> dict[str, Any]:
    """The textbook's search, whole processes with imports, against Keras at its best."""
    options = bench.options
    count = _scaled(TEXTBOOK_CONFIGURATIONS, options.networks / NETWORKS, 2)
    epochs = _scaled(TEXTBOOK_EPOCHS, options.epochs / EPOCHS, 2)
    arguments = ["--configurations", str(count), "--epochs", str(epochs), *bench.data]
    # The fastest options for networks of this size.
    tuned = processes.script("fit.py", "--mixed", "16", "--sample", "2", "--epochs", "10", "--tune", *bench.data).value
    way = json.dumps(tuned["best"]["way"])
    first = processes.script("textbook.py", "evonas", *arguments)
    peer = processes.script("textbook.py", "keras", *arguments, "--way", way)
    second = processes.script("textbook.py", "evonas", *arguments)
    wall, cpu = (first.wall + second.wall) / 2, (first.cpu + second.cpu) / 2
    best = [min((mse for mse in one.value["mse"] if mse is not None), default=None) for one in (first, peer)]
    note = (
        f"{first.wall:.1f} and {second.wall:.1f} s against {peer.wall:.0f} s; processor time {cpu:.1f} against "
        f"{peer.cpu:.0f} s: {peer.cpu / cpu:.0f}x; {tuned['best_way']}; best MSE {best[0]:.4f} and {best[1]:.4f}"
    )
    bench.add(Figure(f"textbook search ({count} x 3 folds), whole process", 50, 100, peer.wall / wall, note=note))
    return {
        "evonas": [asdict(one) for one in (first, second)],
        "keras": asdict(peer),
        "best_way": tuned["best_way"],
        "ratio": peer.wall / wall,
    }


def threads(bench: Bench) -> dict[str, Any]:
    """Two threads on two cores against one."""
    epochs = _scaled(10, bench.options.epochs / EPOCHS, 2)
    arguments = ["default", "--networks", "20", "--epochs", str(epochs), *bench.data]
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(ROUNDS):  # in turns, since the machine's load varies
        for count, seconds in found.items():
            seconds.append(processes.script("native.py", *arguments, "--threads", str(count)).value["seconds"])
    one, two = median(found[1]), median(found[2])
    ratios = sorted(alone / both for alone, both in zip(found[1], found[2], strict=True))
    note = (
        f"medians of {ROUNDS} in turns, {one:.2f} s and {two:.2f} s; pair by pair {ratios[0]:.2f} to {ratios[-1]:.2f}x"
    )
    bench.add(Figure("two threads on two cores against one", 1.85, 1.95, one / two, note=note))
    return {str(count): seconds for count, seconds in found.items()}


def kernels(bench: Bench) -> dict[str, Any]:
    """The first run ever on a machine: seconds for kernels."""
    code = "from evonas.training.native import compilation; print(compilation.prepare())"
    with tempfile.TemporaryDirectory() as folder:
        cold, warm = (processes.run([sys.executable, "-c", code], {"EVONAS_CACHE": folder}) for _ in range(2))
    seconds = float(cold.output.split()[-1])
    note = f"processor time {cold.cpu:.1f} s; the second process: {float(warm.output.split()[-1]):.3f} s"
    bench.add(Figure("first run ever on a machine: seconds for kernels", 20, 8, seconds, "s", most=True, note=note))
    return {"cold": asdict(cold), "warm": asdict(warm)}


def demo(bench: Bench) -> dict[str, Any]:
    """The program that `make demo` runs after installation."""
    if not Path(sys.executable).with_name("evonas").exists():
        bench.add(Figure("make demo after installation", 12, 6, None, "s", most=True, note="evonas is not installed"))
        return {"measured": False}
    with tempfile.TemporaryDirectory() as folder:
        # pip compiles installed modules; if it did not, the first of two runs does.
        bytecode = {"PYTHONPYCACHEPREFIX": str(Path(folder) / "bytecode")}
        command = [sys.executable, str(ROOT / "scripts" / "demo.py")]
        first, done = (processes.run(command, bytecode, cwd=Path(folder)) for _ in range(2))
    note = f"processor time {done.cpu:.1f} s; without bytecode {first.wall:.1f} s, processor time {first.cpu:.1f} s"
    bench.add(Figure("make demo after installation", 12, 6, done.wall, "s", most=True, note=note))
    return asdict(done)


def scale(bench: Bench) -> dict[str, Any]:
    """Cost per network and epoch by width, depth, batch, rows and population size, with a plot."""
    found = scaling.measure(bench.options.data, _scaled(6, bench.options.epochs / EPOCHS, 2))
    path = bench.options.json.with_name("scaling.svg")
    scaling.plot(found, path, machine.describe())
    print(f"  plotted in {path.name}")
    return found


def profile(bench: Bench) -> dict[str, Any]:
    """Cycles of training by category, in code compiled to count them."""
    found: dict[str, Any] = {}
    for name in ("default", "mixed", "wide"):
        epochs = "2" if name == "wide" else "5"
        run = processes.script(
            "native.py", name, "--networks", "20", "--epochs", epochs, *bench.data, environment={"EVONAS_PROFILE": "1"}
        ).value
        found[name] = run["shares"]
        ordered = sorted(run["shares"].items(), key=lambda pair: -pair[1])
        print(f"  {name}: " + ", ".join(f"{part} {100 * value:.1f}%" for part, value in ordered if value >= 0.005))
    return found


def gpu(bench: Bench) -> dict[str, Any]:
    """4,096 mixed networks by the population trainer against Keras on the same GPU, if there is one."""
    title, must, aim = f"one GPU, {GPU_NETWORKS} networks, against Keras with its defaults", 300, 1000
    if shutil.which("nvidia-smi") is None:
        bench.add(Figure(title, must, aim, None, note="this machine has no GPU"))
        return {"measured": False}
    epochs = str(bench.options.epochs)
    ours = processes.script("population.py", "--networks", str(GPU_NETWORKS), "--epochs", epochs, *bench.data).value
    arguments = ["--mixed", str(GPU_NETWORKS), "--sample", str(bench.options.sample), "--epochs", epochs]
    peer = processes.script("fit.py", *arguments, *bench.data).value
    mean = ours["seconds"] * bench.options.epochs / ours["epochs"]
    bench.add(Figure(title, must, aim, peer["as_it_comes"]["whole"] / mean))
    return {"evonas": ours, "keras": peer}


SECTIONS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "search": lambda bench: search(bench, "california", 30, 60),
    "titanic": lambda bench: search(bench, "titanic", 25, 60),
    "mixed": mixed,
    "textbook": textbook,
    "share": share,
    "threads": threads,
    "kernels": kernels,
    "demo": demo,
    "scaling": scale,
    "profile": profile,
    "gpu": gpu,
}


def _scaled(count: int, factor: float, least: int) -> int:
    """Scales a count down for trying out the benchmark."""
    return min(max(round(count * factor), least), count)


def timed(bench: Bench, name: str) -> dict[str, Any]:
    """Measurements of a section, and their duration."""
    began = time.perf_counter()
    return SECTIONS[name](bench) | {"benchmark_seconds": time.perf_counter() - began}
