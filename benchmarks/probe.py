"""Trains a population with `PopulationTrainer` in this process and says where the time went, compilation first.

The trainer's functions are wrapped with timers while it runs. Times are exclusive (a call inside another one counts for
the inner one only) and kept apart for the lanes, which train, and for the main thread, which plans and scores.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import keras
import numpy as np

from evonas.data.prepared import PreparedData
from evonas.evaluation import Evaluation
from evonas.training.population import PopulationTrainer
from evonas.training.trainer import TrainingSettings, TrainingTask
from genomes.architecture import graph_to_json
from genomes.dense.genome import DenseGenome
from genomes.dense.graph import to_graph

__all__ = ["Run", "tasks_of", "train"]

#: (module, name in it) -> what its time is called. A name that is gone is left out and reported.
SITES = {
    ("evonas.training.population", "PopulationTrainer._work"): "reading graphs",
    ("evonas.training.packing", "Planner.plan"): "planning",
    ("evonas.training.population", "initial_weights"): "initial weights",
    ("evonas.training.group", "_Table.seat"): "seating",
    ("evonas.training.group", "_Table.advance"): "host scheduling",
    ("evonas.training.group", "_Table.leave"): "taking results out",
    ("evonas.training.population", "PopulationTrainer._evaluation"): "scoring",
}
_PROGRAMS = "program calls"


@dataclass(frozen=True)
class Run:
    """What one training of a population took.

    Attributes:
        seconds: wall clock, from making the trainer to the last evaluation.
        lanes: programs that ran at a time.
        lane_seconds: what the lanes were busy, together.
        compile_lane_seconds: of these, compiling: of each program the calls that began before its first one ended,
            less what later calls took for as many steps.
        compiled, compiled_unknown: programs compiled; of these, those without later calls to compare with. Their first
            calls count as compilation altogether here, and not at all in `seconds_without_compilation`.
        unknown_lane_seconds: what these first calls took.
        shares: name -> share of lanes x seconds; "(main thread)" beside, not within, the lanes' 100%.
        missing: sites that could not be timed.
        evaluations: in the order of the networks.
    """

    seconds: float
    lanes: int
    lane_seconds: float
    compile_lane_seconds: float
    compiled: int
    compiled_unknown: int
    unknown_lane_seconds: float
    shares: dict[str, float]
    missing: list[str]
    evaluations: list[Evaluation]

    @property
    def compile_share(self) -> float:
        """Of the lanes' busy time."""
        return self.compile_lane_seconds / self.lane_seconds

    @property
    def seconds_without_compilation(self) -> float:
        """Wall clock, less compilation spread evenly over the lanes."""
        return self.seconds - (self.compile_lane_seconds - self.unknown_lane_seconds) / self.lanes

    def trained(self, epochs: int) -> float:
        """Networks trained; one that diverged early counts for the epochs that it had."""
        return sum(evaluation.epochs for evaluation in self.evaluations) / epochs

    def summary(self, epochs: int) -> dict[str, Any]:
        """For the report."""
        names = ("seconds", "lanes", "lane_seconds", "compile_lane_seconds", "compiled", "compiled_unknown")
        return {
            **{name: getattr(self, name) for name in names},
            "networks": len(self.evaluations),
            "diverged": sum(bool(evaluation.reason) for evaluation in self.evaluations),
            "networks_trained": self.trained(epochs),
            "networks_per_second": self.trained(epochs) / self.seconds,
            "compile_share": self.compile_share,
            "mean_rmse": float(np.mean([e.scores["rmse"] for e in self.evaluations if e.scores] or [np.nan])),
        }


def tasks_of(networks: list[DenseGenome], epochs: int) -> list[TrainingTask]:
    """A task for each network, with seeds 0, 1, ..."""
    return [TrainingTask(graph_to_json(to_graph(network)), seed, epochs) for seed, network in enumerate(networks)]


def train(data: PreparedData, networks: list[DenseGenome], epochs: int, patience: int | None = None) -> Run:
    """Trains the networks from scratch: nothing compiled before is reused."""
    tasks, probe = tasks_of(networks, epochs), _Probe()
    with probe.watching():
        began = time.perf_counter()
        trainer = PopulationTrainer(data, TrainingSettings(patience=patience))
        trainer._programs = partial(probe.program, trainer._programs)
        found: dict[int, Evaluation] = {}
        for part in trainer.train(tasks):
            found.update(part)
        seconds = time.perf_counter() - began
    lanes = 1
    compile_seconds, unknown = probe.compilation()
    busy = sum(spent for (_, main), spent in probe.spent.items() if not main)
    shares = probe.shares(compile_seconds, lanes * seconds)
    evaluations = [found[position] for position in range(len(tasks))]
    programs = len({call.shape for call in probe.calls})
    return Run(
        seconds=seconds,
        lanes=lanes,
        lane_seconds=busy,
        compile_lane_seconds=compile_seconds,
        compiled=programs,
        compiled_unknown=len(unknown),
        unknown_lane_seconds=sum(unknown),
        shares=shares,
        missing=probe.missing,
        evaluations=evaluations,
    )


@dataclass(frozen=True)
class _Call:
    """One call of a program."""

    shape: Any
    began: float
    ended: float
    steps: int


class _Probe:
    """Timers, by name and by whether the main thread ran them."""

    def __init__(self) -> None:
        self.spent: dict[tuple[str, bool], float] = defaultdict(float)
        self.calls: list[_Call] = []
        self.building = 0.0
        self.threads: set[int] = set()
        self.missing: list[str] = []
        self._lock, self._local = threading.Lock(), threading.local()

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Counts the time within, less that of spans inside it."""
        inner: list[float] = self._local.__dict__.setdefault("inner", [])
        inner.append(0.0)
        began = time.perf_counter()
        try:
            yield
        finally:
            whole = time.perf_counter() - began
            own = whole - inner.pop()
            if inner:
                inner[-1] += whole
            main = threading.current_thread() is threading.main_thread()
            with self._lock:
                self.spent[name, main] += own
                if not main:
                    self.threads.add(threading.get_ident())

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Wraps the sites with timers."""
        held = []
        for (module, path), name in SITES.items():
            *owners, attribute = path.split(".")
            owner: Any = importlib.import_module(module)
            for part in owners:
                owner = getattr(owner, part, None)
            function = getattr(owner, attribute, None)
            if function is None:
                self.missing.append(f"{module}.{path}")
                continue
            held.append((owner, attribute, function))
            setattr(owner, attribute, self._timed(name, function))
        try:
            yield
        finally:
            for owner, attribute, function in held:
                setattr(owner, attribute, function)

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            with self.span(name):
                return function(*arguments, **named)

        return timed

    def program(self, programs: Callable[[Any], Callable[..., Any]], shape: Any) -> Callable[..., Any]:
        """The trainer's compiled program of a shape, its calls timed until their results are there."""
        with self.span(_PROGRAMS):
            began = time.perf_counter()
            program = programs(shape)
            with self._lock:
                self.building += time.perf_counter() - began
        return partial(self._call, shape, program)

    def _call(self, shape: Any, program: Callable[..., Any], *arguments: Any) -> Any:
        schedule = next((part for part in arguments if isinstance(part, dict) and "num_steps" in part), {})
        with self.span(_PROGRAMS):
            began = time.perf_counter()
            result = program(*arguments)
            np.asarray(keras.tree.flatten(result)[-1])
            ended = time.perf_counter()
        steps = int(schedule.get("num_steps", 1)) * int(schedule.get("num_epochs", 1))
        with self._lock:
            self.calls.append(_Call(shape, began, ended, steps))
        return result

    def compilation(self) -> tuple[float, list[float]]:
        """Lane-seconds of compilation, and of these, the first calls of each program without later calls."""
        total, unknown = self.building, []
        for shape in {call.shape for call in self.calls}:
            calls = [call for call in self.calls if call.shape == shape]
            compiled = min(call.ended for call in calls)
            first = [call for call in calls if call.began < compiled]
            rates = [(call.ended - call.began) / call.steps for call in calls if call.began >= compiled]
            rate = median(rates) if rates else 0.0
            excess = sum(max(call.ended - call.began - rate * call.steps, 0.0) for call in first)
            total += excess
            if not rates:
                unknown.append(excess)
        return total, unknown

    def shares(self, compile_seconds: float, whole: float) -> dict[str, float]:
        """Shares of the lanes' whole time, largest first; what the main thread did meanwhile after them."""
        lanes = {name: spent for (name, main), spent in self.spent.items() if not main}
        lanes["training in programs"] = lanes.pop(_PROGRAMS, 0.0) - compile_seconds
        lanes["compilation"] = compile_seconds
        lanes["lanes idle"] = whole - sum(lanes.values())
        aside = {f"{name} (main thread)": spent for (name, main), spent in self.spent.items() if main}
        ordered = [*sorted(lanes.items(), key=lambda item: -item[1]), *sorted(aside.items(), key=lambda i: -i[1])]
        return {name: spent / whole for name, spent in ordered}
