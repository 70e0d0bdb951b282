"""Options of search commands: budget, settings, execution, trackers and output."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evonas.cli.options import (
    AddressOption,
    AsJson,
    DevicesOption,
    ExecutionOption,
    NoBaselineOption,
    Quiet,
    ThreadsOption,
    WorkersOption,
    option,
)
from evonas.cli.reporting import NoReport
from evonas.cli.tracking import MLflowOption, TensorBoardOption, WandBOption, trackers_asked
from evonas.config import DEFAULT_GENERATIONS, Budget, Settings
from evonas.objective import MEASURES, METRICS
from evonas.strategies import STRATEGIES

if TYPE_CHECKING:
    from evonas.execution_options import Execution
    from evonas.trackers import Callback

__all__ = ["DEFAULTS", "BudgetFlags", "ExecutionFlags", "OutcomeFlags", "SettingsFlags", "TrackerFlags"]

DEFAULTS = Settings(seed=0)


@dataclass(frozen=True)
class BudgetFlags:
    """Options of the budget of a new run."""

    generations: Annotated[
        int | None, option(f"Stop after N generations [{DEFAULT_GENERATIONS}, if nothing else stops it].", "N")
    ] = None
    evaluations: Annotated[int | None, option("Stop after N networks.", "N")] = None
    time: Annotated[str | None, option("Finish within this time, including everything: 45s, 10m, 1h30m.", "T")] = None
    target_score: Annotated[float | None, option("Stop when a network is as good as this.", "X")] = None

    def budget(self) -> Budget:
        """The budget of the run. Raises InputError for an invalid bound."""
        return Budget.from_bounds(self.generations, self.evaluations, self.time, self.target_score)


@dataclass(frozen=True)
class SettingsFlags:
    """Options of `evonas.Settings` except the seed and the population; None or off if not given."""

    objective: Annotated[
        str | None,
        option(
            f"Objective: {', '.join(METRICS)} [rmse or log_loss]; or a scikit-learn scorer, or a Keras metric, "
            "followed "
            f"by :min or :max if its direction is unknown.",
            "NAME",
            choices=METRICS,
        ),
    ] = None
    quantiles: Annotated[
        str | None,
        option("With objective pinball: comma-separated quantiles to predict [0.1,0.5,0.9].", "SHARES"),
    ] = None
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="For classes: divide logits by a temperature fitted to the validation rows."),
    ] = False
    objectives: Annotated[
        str | None,
        option(f"Several, for nsga2, comma-separated: a metric, then metrics or {', '.join(MEASURES)}.", "NAMES"),
    ] = None
    max_parameters: Annotated[int | None, option("Train no network with more trained parameters.", "N")] = None
    max_flops: Annotated[int | None, option("Train no network that needs more operations per row.", "N")] = None
    max_latency_ms: Annotated[float | None, option("Train no network that takes longer per row, in ms.", "X")] = None
    epochs: Annotated[
        int | None,
        option(f"Maximum epochs per network [{DEFAULTS.epochs}; up to 4 times as many for tables of few rows].", "N"),
    ] = None
    epoch_rows: Annotated[
        int | None,
        option("Rows per epoch, for images, series and texts [an eighth of many rows, else all].", "N"),
    ] = None
    patience: Annotated[
        int | None,
        option(f"Epochs without improvement before training stops [{DEFAULTS.patience}; more with more epochs].", "N"),
    ] = None
    cv: Annotated[int | None, option("Cross-validate with N folds [a single split].", "N")] = None
    replicates: Annotated[int | None, option("Train each network from N seeds [1].", "N")] = None
    strategy: Annotated[
        str | None,
        option(
            f"One of {', '.join(STRATEGIES)}, or an installed one [{DEFAULTS.strategy}].",
            "NAME",
            choices=STRATEGIES,
        ),
    ] = None
    inherit: Annotated[
        str | None,
        option(
            "on or off: whether children start from their parents' weights [on in pbt, off in evolution].",
            "ON",
            choices=("on", "off"),
        ),
    ] = None
    repair: Annotated[
        bool, typer.Option("--repair", help="Set the rate of children with changed layers by a short range test.")
    ] = False
    no_known_defaults: Annotated[
        bool,
        typer.Option("--no-known-defaults", help="Begin with random networks only, without published defaults."),
    ] = False
    rungs: Annotated[
        int | None, option("Number of steps in which evolution trains, dropping the worst in between [1].", "N")
    ] = None
    reduced_rungs: Annotated[
        bool | None,
        typer.Option(
            "--reduced-rungs/--no-reduced-rungs",
            help="Evolution over images: steps before the last may use smaller images and a share of the rows "
            "[on from 16 x 16 pixels and 1,000 training rows on].",
            show_default=False,
        ),
    ] = None
    asynchronous: Annotated[
        bool | None,
        typer.Option(
            "--asynchronous/--no-asynchronous",
            help="Propose a network whenever one has been trained, instead of whole generations; a generation is then "
            "the same number of results [on with evolution and aging, if networks are trained individually].",
            show_default=False,
        ),
    ] = None
    window: Annotated[
        int | None,
        option(
            "Asynchronous: number of pending networks, whose results are used in the order of proposal, so that a seed "
            "gives the same run at any speed; 0 uses results as they arrive [twice the cores].",
            "N",
        ),
    ] = None
    trainer: Annotated[
        str | None,
        option(
            "native (for CPUs), population (for GPUs) or single (Keras's fit) [depends on whether there is a GPU].",
            "NAME",
            choices=("native", "population", "single"),
        ),
    ] = None
    candidate_timeout: Annotated[
        str | None, option("A network without a result after this time fails: 90s, 10m [no bound].", "T")
    ] = None
    worker_memory: Annotated[
        str | None, option("Memory limit of training: 4GiB, 500MB [80% of the machine's memory].", "SIZE")
    ] = None
    finalists: Annotated[
        int | None,
        option(f"Best networks to train again at the end, from other seeds; 0 for none [{DEFAULTS.finalists}].", "N"),
    ] = None
    ensemble: Annotated[
        int | None,
        option(
            "Train the best network from K more seeds at the end; --export then writes an ensemble of up to K.", "K"
        ),
    ] = None
    average: Annotated[
        int | None,
        option(
            "Make the final model the mean of K trainings of the finalists, or of K networks chosen on 1,000 or more "
            "validation rows; 0 for only the best network [8 for tables with --time, else 0].",
            "K",
        ),
    ] = None
    all_rows: Annotated[
        bool | None,
        typer.Option(
            "--all-rows/--no-all-rows",
            help="Whether these K are also trained on validation rows [up to 10,000 rows, unless --validation].",
            show_default=False,
        ),
    ] = None

    def settings(self, seed: int, population: int | None) -> Settings:
        """The settings of the run, with defaults for options not given.

        Raises:
            InputError: a setting is invalid.
        """
        given: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        for name in ("objectives", "quantiles"):
            given[name] = None if given[name] is None else tuple(each.strip() for each in given[name].split(","))
        for name in ("calibrate", "repair"):
            given[name] = given[name] or None
        given["known_defaults"] = False if given.pop("no_known_defaults") else None
        given["population"] = population
        return Settings(seed=seed, **{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True)
class ExecutionFlags:
    """Options of the execution."""

    threads: ThreadsOption = None
    execution: ExecutionOption = None
    workers: WorkersOption = None
    devices: DevicesOption = None
    address: AddressOption = None

    def to_execution(self) -> Execution:
        """The options as `Execution`. Raises InputError if invalid."""
        from evonas.execution_options import Execution

        return Execution.from_arguments(self.execution, self.workers, self.devices, self.address)


@dataclass(frozen=True)
class TrackerFlags:
    """Options of trackers."""

    tensorboard: TensorBoardOption = None
    mlflow: MLflowOption = None
    wandb: WandBOption = None

    def callbacks(self) -> list[Callback]:
        """The trackers. Raises InputError if a library is not installed."""
        return trackers_asked(self.tensorboard, self.mlflow, self.wandb)


@dataclass(frozen=True)
class OutcomeFlags:
    """Options of output."""

    no_baseline: NoBaselineOption = False
    no_report: NoReport = False
    quiet: Quiet = False
    as_json: AsJson = False
