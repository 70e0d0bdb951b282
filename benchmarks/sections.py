"""The sections of the benchmark: each measures one thing, adds its figures and returns what it measured.

Importing this imports Keras, so settings of the process come first (`throughput.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import mean
from typing import Any

import machine
import peers
import probe
import scaling
import work
from figures import Figure

from evonas.data.prepared import PreparedData, Split
from evonas.training.backends import current_backend
from genomes.dense.genome import DenseGenome

__all__ = ["EPOCHS", "NETWORKS", "SECTIONS", "Bench"]

#: Sizes of the figures' work, which the options scale down to try the benchmark out.
NETWORKS, EPOCHS = 512, 30
TEXTBOOK_EPOCHS, TEXTBOOK_CONFIGURATIONS = 100, 10
GPU_NETWORKS = 4096


@dataclass
class Bench:
    """What sections share: the options, the data, and runs that several of them need."""

    options: argparse.Namespace
    rows: work.Rows
    figures: list[Figure] = field(default_factory=list)

    @cached_property
    def data(self) -> PreparedData:
        """One split, the target standardised."""
        return work.one_split(self.rows)

    @property
    def split(self) -> Split:
        """The split of `data`."""
        return self.data.splits[0]

    @cached_property
    def mixed(self) -> list[DenseGenome]:
        """The mixed population."""
        return work.mixed(self.options.networks)

    @cached_property
    def mixed_run(self) -> probe.Run:
        """The mixed population's training, once for all sections that ask about it."""
        return probe.train(self.data, self.mixed, self.options.epochs)

    @cached_property
    def mixed_tuned(self) -> tuple[peers.Way, list[dict[str, Any]]]:
        """The peer's best way to train the mixed sample."""
        return peers.tune(work.sample(self.mixed, self.options.sample), self.split, self.options.epochs)

    def add(self, *figures: Figure) -> None:
        """Takes figures into the table."""
        self.figures += figures


def mixed(bench: Bench) -> dict[str, Any]:
    """The mixed population against Keras as it comes and at its best, compilation included."""
    epochs, chosen = bench.options.epochs, work.sample(bench.mixed, bench.options.sample)

    def as_it_comes() -> dict[str, Any]:
        return peers.measure(chosen, bench.split, epochs, peers.AS_IT_COMES)

    before = {"as_it_comes": as_it_comes()}
    way, tried = bench.mixed_tuned
    before["best"] = min(tried, key=lambda one: one["whole"])
    run = bench.mixed_run
    after = {"as_it_comes": as_it_comes(), "best": peers.measure(chosen, bench.split, epochs, way)}
    ratios = {name: _ratio(run, epochs, before[name], after[name]) for name in before}
    notes = {name: _peer_note(before[name], after[name]) for name in before}
    bench.add(
        Figure(
            "mixed population, against Keras as it comes", 40, 100, ratios["as_it_comes"], note=notes["as_it_comes"]
        ),
        Figure("mixed population, against Keras at its best", 15, 30, ratios["best"], note=f"{notes['best']}; {way}"),
        Figure("compile time, share of the whole", 15, 5, 100 * run.compile_share, "%", most=True, note=_compiled(run)),
    )
    return {
        "run": run.summary(epochs),
        "peers_before": before,
        "peers_after": after,
        "best_way": str(way),
        "ways_tried": tried,
        "ratios": ratios,
        "sampling": work.SAMPLING,
        "sample": [asdict(network) for network in chosen],
        "extrapolation": "peer seconds a network: building, compiling and the measured epochs as they were, the other "
        "epochs at the mean of those measured but the first; ratios take the mean of the peer's two measurements",
    }


def uniform(bench: Bench) -> dict[str, Any]:
    """64 networks of 2 x 64 against Keras at its best."""
    epochs, count = bench.options.epochs, _scaled(64, bench.options)
    networks = [work.chain([64, 64], rate=10 ** (-3.5 + 1.5 * k / count)) for k in range(count)]
    chosen = work.sample(networks, max(bench.options.sample // 2, 1))
    way, tried = peers.tune(chosen, bench.split, epochs)
    before = min(tried, key=lambda one: one["whole"])
    run = probe.train(bench.data, networks, epochs)
    after = peers.measure(chosen, bench.split, epochs, way)
    ratio = _ratio(run, epochs, before, after)
    note = f"{_peer_note(before, after)}; {way}; {_compiled(run)}"
    bench.add(Figure(f"uniform shape ({count} x 2 layers of 64), against Keras at its best", 30, 60, ratio, note=note))
    return {"run": run.summary(epochs), "peer_before": before, "peer_after": after, "ways_tried": tried, "ratio": ratio}


def wide(bench: Bench) -> dict[str, Any]:
    """Useful GFLOP/s of wide networks against the machine's matrix product."""
    epochs, networks = max(bench.options.epochs // 3, 2), work.wide(_scaled(64, bench.options))
    before = machine.peak_gflops()
    run = probe.train(bench.data, networks, epochs)
    after = machine.peak_gflops()
    peaks = {name: max(before[name], after[name]) for name in before}
    library = max(peaks, key=lambda name: peaks[name])
    train_rows, validation_rows = len(bench.split.x_train), len(bench.split.x_validation)
    useful = sum(
        work.weights(network) * evaluation.epochs * (6 * train_rows + 2 * validation_rows) / 1e9
        for network, evaluation in zip(networks, run.evaluations, strict=True)
    )
    whole, without = useful / run.seconds, useful / run.seconds_without_compilation
    note = (
        f"{whole:.0f} of {peaks[library]:.0f} GFLOP/s ({library}); {without / peaks[library]:.0%} without compilation"
    )
    bench.add(Figure("useful GFLOP/s, share of sgemm peak", 25, 50, 100 * whole / peaks[library], "%", note=note))
    return {
        "run": run.summary(epochs),
        "epochs": epochs,
        "useful_gflop": useful,
        "gflops": whole,
        "gflops_without_compilation": without,
        "peaks": {"before": before, "after": after, "taken": library},
        "formula": "weights of unpadded kernels x (6 x rows trained + 2 x validation rows), a network and epoch",
    }


def textbook(bench: Bench) -> dict[str, Any]:
    """The textbook's search, whole processes with imports, against Keras at its best."""
    share = bench.options.networks / NETWORKS
    count = min(max(round(TEXTBOOK_CONFIGURATIONS * share), 2), TEXTBOOK_CONFIGURATIONS)
    epochs = max(round(TEXTBOOK_EPOCHS * bench.options.epochs / EPOCHS), 2)
    data, networks = work.textbook_folds(bench.rows), work.textbook(count)
    # Early stopping ends most trainings at about half of their budget.
    way, tried = peers.tune(work.sample(networks, 3), data.splits[0], max(epochs // 2, 2))
    arguments = ["--configurations", str(count), "--epochs", str(epochs)]
    if bench.options.data:
        arguments += ["--data", str(bench.options.data)]
    first, evonas = _process("evonas", arguments)
    peer_seconds, peer = _process("keras", [*arguments, "--way", json.dumps(asdict(way))])
    second, _ = _process("evonas", arguments)
    ratio = peer_seconds / mean((first, second))
    pairs = [(a, b) for a, b in zip(evonas["mse"], peer["mse"], strict=True) if a is not None and b is not None]
    agreement = {
        "best": [min((a for a, _ in pairs), default=None), min((b for _, b in pairs), default=None)],
        "mean": [mean(a for a, _ in pairs), mean(b for _, b in pairs)] if pairs else None,
        "diverged": [found["mse"].count(None) for found in (evonas, peer)],
        "epochs": [mean(evonas["epochs"]), mean(peer["epochs"])],
    }
    note = f"{first:.1f} and {second:.1f} s against {peer_seconds:.0f} s; {way}; evonas, Keras: " + ", ".join(
        f"{name} {_pair(values)}" for name, values in (("best MSE", agreement["best"]), ("mean MSE", agreement["mean"]))
    )
    bench.add(Figure(f"textbook search ({count} x 3 folds), wall clock with imports", 15, 40, ratio, note=note))
    return {
        "configurations": [asdict(network) for network in networks],
        "epochs": epochs,
        "evonas_seconds": [first, second],
        "keras_seconds": peer_seconds,
        "ratio": ratio,
        "best_way": str(way),
        "ways_tried": tried,
        "evonas": evonas,
        "keras": peer,
        "agreement (evonas, keras)": agreement,
    }


def scale(bench: Bench) -> dict[str, Any]:
    """Cost per network against population size, width and depth, with a plot."""
    options = bench.options
    epochs = max(options.epochs // 6, 2)
    found = scaling.measure(bench.data, epochs, 8 * options.networks, options.sample, bench.mixed_tuned[0])
    path = options.json.with_name("scaling.svg")
    scaling.plot(found, path, machine.describe())
    print(f"  plotted in {path.name}")
    return found


def profile(bench: Bench) -> dict[str, Any]:
    """Where the time of the mixed population's training goes."""
    run = bench.mixed_run
    print(f"  {run.lanes} lanes x {run.seconds:.1f} s, of which")
    for name, share in run.shares.items():
        print(f"  {share:7.2%}  {name}")
    if run.missing:
        print(f"  not timed, for they are gone: {', '.join(run.missing)}")
    return {"run": run.summary(bench.options.epochs), "shares": run.shares, "not_timed": run.missing}


def gpu(bench: Bench) -> dict[str, Any]:
    """4,096 mixed networks against Keras on the same GPU, where there is one."""
    name, must, aim = f"one GPU, {GPU_NETWORKS} networks, against Keras as it comes", 300, 1000
    if not current_backend().on_gpu():
        bench.add(Figure(name, must, aim, None, note="this process has no GPU"))
        return {"measured": False}
    epochs, networks = bench.options.epochs, work.mixed(GPU_NETWORKS)
    chosen = work.sample(networks, bench.options.sample)
    before = peers.measure(chosen, bench.split, epochs, peers.AS_IT_COMES)
    run = probe.train(bench.data, networks, epochs)
    after = peers.measure(chosen, bench.split, epochs, peers.AS_IT_COMES)
    ratio = _ratio(run, epochs, before, after)
    bench.add(Figure(name, must, aim, ratio, note=_peer_note(before, after)))
    return {"measured": True, "run": run.summary(epochs), "peer_before": before, "peer_after": after, "ratio": ratio}


SECTIONS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "mixed": mixed,
    "uniform": uniform,
    "wide": wide,
    "textbook": textbook,
    "scaling": scale,
    "profile": profile,
    "gpu": gpu,
}


def _ratio(run: probe.Run, epochs: int, before: dict[str, Any], after: dict[str, Any]) -> float:
    return run.trained(epochs) / run.seconds * mean((before["whole"], after["whole"]))


def _scaled(count: int, options: argparse.Namespace) -> int:
    """Fewer networks where the benchmark is only tried out."""
    return min(max(round(count * options.networks / NETWORKS), 4), count)


def _peer_note(before: dict[str, Any], after: dict[str, Any]) -> str:
    return f"Keras {before['whole']:.1f} s a network before, {after['whole']:.1f} s after"


def _compiled(run: probe.Run) -> str:
    unknown = f" ({run.compiled_unknown} called once: all compilation)" if run.compiled_unknown else ""
    return f"{run.compiled} programs{unknown}, {run.compile_lane_seconds:.1f} of {run.lane_seconds:.1f} lane-seconds"


def _pair(values: list[float | None] | None) -> str:
    return "?" if values is None else " and ".join("none" if v is None else f"{v:.4f}" for v in values)


def _process(side: str, arguments: list[str]) -> tuple[float, dict[str, Any]]:
    """Wall clock of a whole process and what it printed last."""
    command = [sys.executable, str(Path(__file__).with_name("textbook.py")), side, *arguments]
    # As a shell would start it: without this process's settings of XLA.
    inherited = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    began = time.perf_counter()
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=inherited)
    return time.perf_counter() - began, json.loads(finished.stdout.splitlines()[-1])
