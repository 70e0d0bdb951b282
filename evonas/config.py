"""The settings and budget of a run: frozen, validated on creation, without unknown keys.

`Settings` determine what is evaluated and how, and are fixed for the life of a run. A `Budget` determines when to stop,
and may be changed when a run is resumed. Imports pydantic and the standard library only.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NoReturn, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from evonas.devices import chosen_trainer
from evonas.machine import program_bytes
from evonas.quantities import Bytes, Real, Seconds, Share, Whole, duration
from evonas.seeds import draw_seed
from genomes.errors import InputError

__all__ = ["DEFAULT_GENERATIONS", "Budget", "Settings"]

DEFAULT_GENERATIONS = 10
#: Strategies that are asynchronous by default, with trainers that train each network separately.
ASYNCHRONOUS_BY_DEFAULT = ("evolution", "aging")
ONE_BY_ONE_TRAINERS = ("native", "single")
#: Smallest number of pending candidates, which keeps two threads busy.
LEAST_WINDOW = 4


def _sorted_quantiles(values: Any) -> Any:
    if values is None:
        return None
    try:
        found = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise ValueError("numbers, such as 0.1, 0.5 and 0.9") from None
    if not all(0 < value < 1 for value in found) or list(found) != sorted(set(found)):
        raise ValueError("above 0, below 1 and rising, such as 0.1, 0.5 and 0.9")
    return found


class _Frozen(BaseModel):
    """A frozen model that raises `InputError` with a readable message."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            _refuse(type(self), error)


class Settings(_Frozen):
    """Everything that determines what a run evaluates, and how. Fixed for the life of a run.

    >>> Settings(population=10).resolve("rmse").offspring
    10
    """

    strategy: str = Field(default="evolution", description="name of a strategy, see evonas.strategies.STRATEGIES")
    population: Whole = Field(default=20, ge=1, le=100_000, description="networks that survive each generation (mu)")
    offspring: Whole | None = Field(default=None, ge=1, le=100_000, description="new networks per generation (lambda)")
    crossover: Share = Field(default=0.3, description="share of the offspring made by crossover")
    mutation: Share | None = Field(default=None, description="share made by mutation; none means the rest")
    tournament: Whole = Field(default=3, ge=1, le=100_000, description="networks that compete to become a parent")
    eta: Whole = Field(default=3, ge=2, le=1000, description="with rungs: one network in eta advances to the next rung")
    rungs: Whole = Field(
        default=1, ge=1, le=100, description="evolution: rungs of epochs; 1 trains all networks in full"
    )
    reduced_rungs: bool | None = Field(
        default=None,
        description="evolution over images: whether rungs before the last one may use smaller images and a share of "
        "the rows; none means on from 16 x 16 pixels and 1,000 training rows on",
    )
    brackets: Whole | None = Field(
        default=None, ge=1, description="hyperband: kinds of brackets; none means all, 1 is successive halving"
    )
    inherit: bool | None = Field(
        default=None, description="whether networks may start from their parents' weights; none: only in pbt"
    )
    repair: bool = Field(
        default=False,
        description="whether a short learning-rate range test sets the rate of children with changed layers",
    )
    objective: str | None = Field(
        default=None, description="what is optimised: rmse, mae, r2, pinball, log_loss, accuracy, auc, f1"
    )
    objectives: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="several: the metric that ranks, then metrics, parameters, flops, latency_ms, memory_bytes",
    )
    quantiles: Annotated[tuple[Share, ...], BeforeValidator(_sorted_quantiles)] | None = Field(
        default=None, min_length=1, max_length=100, description="with the objective pinball: the quantiles to predict"
    )
    calibrate: bool = Field(
        default=False,
        description="classification: divide logits by a temperature fitted to the validation rows",
    )
    epochs: Whole = Field(
        default=50,
        ge=1,
        le=1_000_000,
        description="maximum number of epochs per network; unless set, up to 4 times as many for tables of less than "
        "16,000 training rows (native trainer), and up to 10 times for few images, series and texts",
    )
    epoch_rows: Whole | None = Field(
        default=None,
        ge=1,
        description="rows per epoch for networks over images, series and texts, continuing through the data; "
        "none means an eighth of many rows, else all",
    )
    max_parameters: Whole | None = Field(
        default=None,
        ge=1,
        description="maximum number of trained parameters; fixed ones, as of random convolutions, do not count",
    )
    max_flops: Whole | None = Field(default=None, ge=1, description="maximum floating-point operations per prediction")
    flops_of_training: bool = Field(
        default=False,
        description="whether max_flops excludes what fixed layers compute once for each row, as in a short run",
    )
    max_latency_ms: Real | None = Field(default=None, gt=0, description="maximum milliseconds per prediction, measured")
    patience: Whole | None = Field(
        default=10,
        ge=1,
        description="epochs without improvement before training stops; unless set, more with more than 50 epochs",
    )
    min_delta: Real = Field(default=0.0, ge=0, description="smallest decrease of the validation loss that counts")
    trainer: Literal["auto", "native", "population", "single"] = Field(
        default="auto", description="native for CPUs, population for GPUs, single uses Keras; auto chooses by device"
    )
    loss: Literal["auto", "mse", "mae", "huber"] = Field(default="auto", description="training loss for regression")
    cv: Whole | None = Field(default=None, ge=2, le=100, description="cross-validation folds; none for a single split")
    replicates: Whole = Field(
        default=1, ge=1, le=1000, description="training runs of each network, from different seeds"
    )
    precision: Literal["float32", "bfloat16"] = Field(default="float32", description="bfloat16 is for GPUs")
    memory_bytes: Whole | None = Field(
        default=None,
        ge=1 << 20,
        description="memory for one training program; none means an eighth of the free memory, at most 1 GiB",
    )
    candidate_timeout: Seconds = Field(
        default=None,
        description="seconds, or text such as 10m, after which a network without a result fails; none means no limit",
    )
    worker_memory: Bytes = Field(
        default=None,
        description="bytes, or text such as 4GiB, for the worker process; none means 80% of the machine's",
    )
    keep: Whole = Field(default=30, ge=1, le=100_000, description="best networks whose weights are kept")
    keep_bytes: Whole = Field(default=1 << 30, ge=0, description="bytes of kept weights; the best are always kept")
    finalists: Whole = Field(
        default=3, ge=0, le=1000, description="best networks that are retrained at the end, from other seeds"
    )
    finalist_seeds: Whole = Field(default=3, ge=1, le=1000, description="training runs of each finalist")
    ensemble: Whole | None = Field(
        default=None,
        ge=1,
        le=100,
        description="number of further seeds to train the best network from at the end, for an ensemble; none "
        "means no ensemble",
    )
    average: Whole | None = Field(
        default=None,
        ge=0,
        le=100,
        description="number of networks whose mean is the final model: training runs of the finalists, or chosen on "
        "the validation rows if these are at least 1,000; 0 uses the best network alone; none: 8 for tables in a run "
        "with a time limit, else 0",
    )
    all_rows: bool | None = Field(
        default=None,
        description="with average: whether these are new training runs on training and validation rows together, "
        "for classes with half as many of the search's best networks; none: for at most 10,000 rows, unless validation "
        "rows were given",
    )
    asynchronous: bool | None = Field(
        default=None,
        description="whether to propose a network as soon as one is trained, rather than a generation at once; none: "
        "if measurements show that it is better (evolution and aging, with networks trained one by one)",
    )
    window: Whole | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="asynchronous: number of pending networks, reported in the order proposed, so that the run is "
        "reproducible; 0 reports them as they finish; none: twice the cores, 1 for user-defined models with Keras",
    )
    known_defaults: bool = Field(
        default=True,
        description="whether published default networks are among the first ones, see genomes.known_defaults",
    )
    evaluation_seconds: Real | None = Field(
        default=None,
        ge=0,
        le=1e9,
        description="evolution: assumed seconds per evaluation, of which a few percent are spent on choosing the "
        "next one; none: a forecast in a run, cheap in your own loop",
    )
    seed: Whole | None = Field(None, ge=0, lt=1 << 63, description="random seed; none draws one and records it")

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        total = self.crossover + (self.mutation or 0)
        if total > 1:
            given = f"{self.crossover:g} + {self.mutation:g} = {total:g}"
            raise ValueError(f"crossover + mutation must be at most 1, not {given}: lower one of them")
        return self

    @model_validator(mode="after")
    def _precision_fits(self) -> Self:
        if self.trainer == "native" and self.precision != "float32":
            raise ValueError(
                f"precision must be float32 with trainer native, which is for CPUs, not {self.precision}: use trainer "
                "population, on a GPU"
            )
        return self

    def resolve(self, objective: str, own_models: bool = False, can_be_compiled: bool = True) -> Settings:
        """The settings as recorded, with all defaults resolved, including the objective and the seed.

        Args:
            objective: name of the objective.
            own_models: whether the models are built by a user's function.
            can_be_compiled: see `evonas.devices.chosen_trainer`.

        Raises:
            InputError: the requested trainer does not support the networks.
        """
        from evonas.machine import usable_cores  # imported late because it needs numpy

        trainer = chosen_trainer(self.trainer, own_models, self.precision, can_be_compiled)
        choices = {
            "objective": objective,
            "offspring": self.population if self.offspring is None else self.offspring,
            "mutation": 1 - self.crossover if self.mutation is None else self.mutation,
            "seed": draw_seed() if self.seed is None else self.seed,
            "memory_bytes": self.memory_bytes or program_bytes(),
            "trainer": trainer,
            "asynchronous": self._pays_asynchronously(trainer) if self.asynchronous is None else self.asynchronous,
        }
        if choices["asynchronous"] and self.window is None:
            one = trainer == "single" and own_models
            choices["window"] = 1 if one else max(LEAST_WINDOW, 2 * usable_cores())
        return self.model_copy(update=choices)

    def _pays_asynchronously(self, trainer: str) -> bool:
        """Whether asynchronous evolution is faster, see `benchmarks/asynchronous.py`.

        Networks trained in one program come in generations; measuring latency requires training one at a time.
        """
        latency = self.max_latency_ms is not None or "latency_ms" in (self.objectives or ())
        one_by_one = trainer in ONE_BY_ONE_TRAINERS and not latency
        return self.strategy in ASYNCHRONOUS_BY_DEFAULT and one_by_one and not self.repair

    def difference(self, other: Settings) -> list[str]:
        """One line for each setting that differs, `name: ours -> theirs`."""
        ours, theirs = self.model_dump(), other.model_dump()
        return [f"{name}: {ours[name]!r} -> {theirs[name]!r}" for name in ours if ours[name] != theirs[name]]


class Budget(_Frozen):
    """The limits of a run, which stops at the first one reached. None means no limit.

    >>> Budget.from_bounds(time="10m").seconds
    600.0
    """

    generations: Whole | None = Field(default=None, ge=1, description="total generations, including the first")
    evaluations: Whole | None = Field(default=None, ge=1, description="total networks trained")
    seconds: Real | None = Field(default=None, gt=0, description="total wall-clock seconds over all sessions")
    target: Real | None = Field(default=None, description="score at which the search stops")

    @classmethod
    def from_bounds(
        cls,
        generations: int | None = None,
        evaluations: int | None = None,
        time: str | float | None = None,
        target: float | None = None,
    ) -> Budget:
        """The budget of a new run: `DEFAULT_GENERATIONS` unless generations, evaluations or time are limited."""
        if generations is None and evaluations is None and time is None:
            generations = DEFAULT_GENERATIONS
        seconds = None if time is None else duration(time)
        return cls(generations=generations, evaluations=evaluations, seconds=seconds, target=target)

    def extend(self, done: Budget, changes: Mapping[str, Any]) -> Budget:
        """The budget of a resumed run.

        Limits with a plus ("+10", "+5m") are relative to the spent budget; others count from the start of the run.
        Unchanged limits remain in force unless they are exhausted: a run that stopped at its time limit continues if
        given more generations.

        Args:
            done: generations, evaluations and seconds spent; target: the best score if the old target is reached.
            changes: "generations", "evaluations", "time" and "target" -> new limit; None leaves a limit unchanged.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        if not given:
            return self
        bounds = self.model_dump()
        for name, value in bounds.items():
            spent = getattr(done, name)
            if value is not None and spent is not None and (name == "target" or spent >= value):
                bounds[name] = None
        for name, value in given.items():
            if name == "time":
                more = duration(value.lstrip("+") if isinstance(value, str) else value)
                bounds["seconds"] = more + (_relative(value) and (done.seconds or 0.0))
            elif name == "target":
                bounds["target"] = value
            else:
                bounds[name] = _count(name, value) + (_relative(value) and (getattr(done, name) or 0))
        return Budget(**bounds)


def _relative(value: Any) -> bool:
    return isinstance(value, str) and value.strip().startswith("+")


def _count(name: str, value: Any) -> Any:
    if isinstance(value, str):
        if not re.fullmatch(r"\s*\+?\d{1,12}\s*", value):
            raise InputError(f"{name} must be a whole number from 1, such as 30 or +10 for ten more, not {value!r}")
        return int(value)
    return value


_CONSTRAINTS = {
    "greater_than_equal": "at least {ge}",
    "greater_than": "above {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "below {lt}",
    "literal_error": "one of {expected}",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_parsing": "on or off",
    "bool_type": "on or off",
}


def _refuse(model: type[BaseModel], error: ValidationError) -> NoReturn:
    """Raises InputError with the constraint, the value and the fix of each problem."""
    lines = []
    for problem in error.errors(include_url=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        context = problem.get("ctx", {})
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name, model.model_fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(model.model_fields)}"
            lines.append(f"{name!r} is not a setting: {hint}")
        elif not name:
            lines.append(str(context.get("error", problem["msg"])))
        else:
            constraint = _CONSTRAINTS.get(problem["type"], str(context.get("error", problem["msg"]))).format(**context)
            field = model.model_fields[name]
            lines.append(
                f"{name} must be {constraint}, not {problem['input']!r}: {field.description} (default: {field.default})"
            )
    raise InputError("\n".join(lines)) from None
