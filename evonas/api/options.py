"""`Options`: the settings of a run as keyword arguments that a type checker knows. A test compares it with `Settings`.

def search(x, y, **settings: Unpack[SearchOptions]): ...
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypedDict

from evonas.metrics.metric import Metric
from evonas.strategies import StrategyRow

__all__ = ["Options", "RunOptions", "SearchOptions", "TunerOptions"]


class TunerOptions(TypedDict, total=False):
    """Fields of `evonas.Settings` without those that are separate arguments of a tuner."""

    population: int
    offspring: int | None
    crossover: float
    mutation: float | None
    tournament: int
    eta: int
    rungs: int
    reduced_rungs: bool | None
    brackets: int | None
    inherit: bool | None
    repair: bool
    objectives: Sequence[str] | None
    quantiles: Sequence[float] | None
    calibrate: bool
    epochs: int
    max_parameters: int | None
    max_flops: int | None
    flops_of_training: bool
    max_latency_ms: float | None
    epoch_rows: int | None
    patience: int | None
    min_delta: float
    trainer: Literal["auto", "native", "population", "single"]
    asynchronous: bool | None
    window: int | None
    evaluation_seconds: float | None
    cv: int | None
    replicates: int
    precision: Literal["float32", "bfloat16"]
    memory_bytes: int | None
    candidate_timeout: float | str | None
    worker_memory: int | str | None
    keep: int
    keep_bytes: int
    finalists: int
    finalist_seeds: int
    ensemble: int | None
    average: int | None
    all_rows: bool | None


class Options(TunerOptions, total=False):
    """All fields except the strategy and the seed."""

    objective: str | Metric | None
    loss: Literal["auto", "mse", "mae", "huber"]
    known_defaults: bool


class SearchOptions(Options, total=False):
    """All fields except the seed."""

    strategy: str | StrategyRow | Callable[..., Any]


class RunOptions(SearchOptions, total=False):
    """All fields."""

    seed: int | None
