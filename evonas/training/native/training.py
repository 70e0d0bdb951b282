"""One training run of the compiled function: its arrays, epochs and results. Imports no numba."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Snapshot, Weights
from evonas.networks.neighbours import reference_weights
from evonas.training import optimizers
from evonas.training.native.compilation import load
from evonas.training.native.kernels.frame import ARRAYS, CLOCK, CONTROL, addresses
from evonas.training.native.kernels.instructions import LOSSES, OPTIMIZERS
from evonas.training.native.neighbour_arrays import SMOOTHING, References, arrays_of, given_references
from evonas.training.native.program import Program

__all__ = [
    "CHUNK_ROWS",
    "CLOCK_CYCLES",
    "NetworkTraining",
    "Optimization",
    "Stopped",
    "TrainingRows",
    "blank_arrays",
    "predict",
    "run_program",
]

Array = NDArray[Any]

#: Validation rows per pass; few enough to fit in the caches.
CHUNK_ROWS = 256
#: Size of the part of the data order that is drawn in advance; affects memory, not results.
_ORDER_NUMBERS = 1 << 18
_NOTHING = np.zeros(0, np.float32)
#: Cycles by `frame.CLOCK` of all training in this process, if the code was compiled for profiling.
CLOCK_CYCLES = np.zeros(len(CLOCK), np.int64)
#: Defaults: Huber's loss has its knee at 1, and gradients are not clipped.
#: All weights use the learning rate of the step.
_ONCE = np.ones(1, np.float32)
_EMPTY = {name: np.zeros(0, dtype) for name, dtype in ARRAYS.items()}
_EMPTY |= {"limits": np.array([1, 0], np.float32), "stop": np.zeros(1, np.int32), "smoothing": SMOOTHING}


class Stopped(Exception):
    """The training was stopped on request."""


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Training and validation rows of one network, float32 and contiguous.

    Attributes:
        x, x_validation: features, shape `(num_rows, num_features)`.
        y, y_validation: targets, shape `(num_rows, num_targets)`; class numbers for classification.
        weight: weight of each training row, shape `(num_rows,)`; None if all have the same weight.
    """

    x: Array
    y: Array
    x_validation: Array
    y_validation: Array
    weight: Array | None = None


@dataclass(frozen=True, eq=False)
class Optimization:
    """How weights are updated.

    Attributes:
        optimizer: one of `instructions.OPTIMIZERS`.
        loss: one of `instructions.LOSSES`.
        batch_size: rows per step.
        rates: learning rate of each step of the whole schedule; the last one applies to all later steps.
        weight_decay: decoupled decay, used by adamw; one number, or one per step like the rates.
        constants: the optimizer's constants.
        factor: name and shape of a variable -> multiplier of its learning rate; None for 1 everywhere.
        order: epoch -> order of the rows.
        seed: seed of dropout.
        patience: epochs without improvement before training ends; None never ends early.
        min_delta: minimum decrease that counts as improvement.
    """

    optimizer: str
    loss: str
    batch_size: int
    rates: NDArray[np.float32]
    order: Callable[[int], NDArray[np.int32]]
    weight_decay: float | NDArray[np.float32] = 0.0
    seed: int = 0
    patience: int | None = None
    min_delta: float = 0.0
    constants: optimizers.Constants = optimizers.DEFAULT
    factor: Callable[[str, tuple[int, ...]], float] | None = None


@dataclass(eq=False)
class NetworkTraining:
    """A network in training. `advance` continues training; `snapshot` returns its state.

    Args:
        program: the network.
        rows: its data.
        how: its optimizer, loss and early stopping.
        initial: initial weights by name.
        start: snapshot of a training run to continue instead.
        references: rows that predictions refer to, for a network that predicts from learned neighbours.
    """

    program: Program
    rows: TrainingRows
    how: Optimization
    initial: Weights
    start: Snapshot | None = None
    #: Setting it to 1, from any thread, stops training within a step.
    stop: NDArray[np.int32] = field(default_factory=lambda: np.zeros(1, np.int32))
    references: References | None = None

    def __post_init__(self) -> None:
        program, start = self.program, self.start
        begin = self.initial if start is None else start.weights
        best = begin if start is None else start.best
        weights, statistics = program.pack(begin)
        best_weights, best_statistics = program.pack(best)
        kept_first, kept_second = optimizers.moments(self.how.optimizer)
        size, outputs = program.num_weights + program.num_frozen, program.num_outputs
        held = len(self.rows.x_validation)
        #: Epochs trained before the current or last call of the compiled function, and the counter that it updates.
        self._live = (0 if start is None else start.epoch, np.zeros(1, np.int64))
        self._curves = ([], []) if start is None else (list(start.train_curve), list(start.curve))
        waiting = (math.inf, math.inf, 0) if start is None else (start.best_loss, start.reference, start.waited)
        # Not `np.empty`: leftover memory may hold NaN, which survives a product with 0.
        self._arrays = blank_arrays(program) | {
            "weights": weights,
            "gradients": np.zeros(size, np.float32),
            "first": self._moment("first") if kept_first else _NOTHING,
            "second": self._moment("second") if kept_second else _NOTHING,
            "statistics": statistics,
            "best_weights": best_weights,
            "best_statistics": best_statistics,
            "best_outputs": np.zeros((held, outputs), np.float32),
            "outputs": np.zeros((held, outputs), np.float32),
            "x": self.rows.x,
            "y": self.rows.y,
            "weight": _NOTHING if self.rows.weight is None else self.rows.weight,
            "x_validation": self.rows.x_validation,
            "y_validation": self.rows.y_validation,
            "min_delta": np.array([self.how.min_delta]),
            "state": np.array(waiting, np.float64),
            "stop": self.stop,
        }
        if self.how.factor is not None:
            self._arrays |= _rate(program, self.how.factor)
        if self.references is not None:
            self._arrays |= arrays_of(self.references, program.output.width, self.how.batch_size)
        if start is not None and start.outputs.size:
            self._arrays["best_outputs"][:] = start.outputs.reshape(held, outputs)

    def _moment(self, name: str) -> NDArray[np.float32]:
        moments = None if self.start is None else getattr(self.start, name)
        if not moments:
            return np.zeros(self.program.num_weights, np.float32)
        return self.program.pack_trained(moments)

    @property
    def epoch(self) -> int:
        """Number of epochs trained."""
        return len(self._curves[1])

    @property
    def epochs_done(self) -> int:
        """Number of epochs trained so far; unlike `epoch`, also correct in other threads while `advance` runs."""
        behind, progress = self._live
        return behind + int(progress[0])

    @property
    def ended(self) -> bool:
        """Whether training has ended: it diverged, or its patience is exhausted."""
        curve, waited = self._curves[1], self._arrays["state"][2]
        diverged = bool(curve) and not math.isfinite(curve[-1])
        return diverged or (self.how.patience is not None and waited >= self.how.patience)

    def advance(self, epochs: int) -> None:
        """Trains until `epochs` epochs are completed or training ends.

        Raises:
            Stopped: the training was stopped on request.
        """
        size = max(len(self.rows.x), 1)
        while self.epoch < epochs and not self.ended:
            self._call(min(epochs - self.epoch, max(1, _ORDER_NUMBERS // size)))

    def step_losses(self, steps: int) -> NDArray[np.float64]:
        """Trains one epoch and returns the loss of each of its first `steps` steps, before their updates.

        Raises:
            Stopped: the training was stopped on request.
        """
        losses = np.full(steps, np.nan)
        self._call(1, losses)
        return losses

    def _call(self, count: int, step_losses: NDArray[np.float64] | None = None) -> None:
        how, rows, first = self.how, len(self.rows.x), self.epoch
        steps = -(-rows // how.batch_size)
        numbers = np.minimum(np.arange(first * steps, (first + count) * steps), len(how.rates) - 1)
        decay = how.weight_decay[numbers] if isinstance(how.weight_decay, np.ndarray) else how.weight_decay
        losses = np.zeros(0) if step_losses is None else step_losses
        found: dict[str, Any] = {
            "order": np.concatenate([how.order(first + e) for e in range(count)]),
            "coefficients": optimizers.step_coefficients(
                how.optimizer, how.rates[numbers], decay, first * steps, how.constants
            ),
            "train_curve": np.zeros(count),
            "curve": np.zeros(count),
            "step_losses": losses,
            "progress": np.zeros(3, np.int64),
        }
        self._live = (first, found["progress"])
        control = {
            "rows": rows,
            "batch": how.batch_size,
            "steps": steps,
            "first_epoch": first,
            "epochs": count,
            "patience": -1 if how.patience is None else how.patience,
            "loss": LOSSES.index(how.loss),
            "optimizer": OPTIMIZERS.index(how.optimizer),
            "rated": len(self._arrays.get("rate_factors", _ONCE)),
            "seed": how.seed & 0xFFFFFFFF,
            "weighted": int(self.rows.weight is not None),
            "step_losses": len(losses),
            "targets": self.rows.y.shape[1],
            "validation_rows": len(self.rows.x_validation),
        }
        if self.references is not None:
            control["units"], control["columns"] = self.program.output.width, self.references.targets.shape[1]
            control["references"] = len(self.references.rows)
        run_program(self.program, self._arrays | found, control)
        done = int(found["progress"][0])
        self._curves[0].extend(found["train_curve"][:done].tolist())
        self._curves[1].extend(found["curve"][:done].tolist())
        if found["progress"][2]:
            raise Stopped

    def _best(self) -> dict[str, Array]:
        """The weights of the best epoch, with the reference rows if predictions refer to any."""
        best = self.program.unpack(self._arrays["best_weights"], self._arrays["best_statistics"])
        if (found := self.references) is None:
            return best
        represented = predict(self.program, best, self.rows.x[found.kept])
        return best | reference_weights(represented, found.targets[found.kept], found.classes)

    def snapshot(self) -> Snapshot:
        """The state of the training run."""
        program, arrays = self.program, self._arrays
        blank = {name: np.zeros(place.shape, np.float32) for name, place in program.variables.items()}
        best_loss, reference, waited = arrays["state"].tolist()
        best, outputs = self._best(), arrays["best_outputs"].copy()
        if self.references is not None:
            outputs = predict(program, best, self.rows.x_validation)
        return Snapshot(
            weights=program.unpack(arrays["weights"], arrays["statistics"]),
            first=program.unpack(arrays["first"]) if len(arrays["first"]) else blank,
            second=program.unpack(arrays["second"]) if len(arrays["second"]) else blank,
            best=best,
            outputs=outputs,
            best_loss=best_loss,
            reference=reference,
            waited=int(waited),
            train_curve=tuple(self._curves[0]),
            curve=tuple(self._curves[1]),
        )


def _rate(program: Program, factor: Callable[[str, tuple[int, ...]], float]) -> dict[str, Array]:
    """Bounds of segments of weights with equal learning-rate multipliers, and these multipliers."""
    bounds, factors = [0], list[float]()
    trained = [(name, place) for name, place in program.variables.items() if place.start < program.num_weights]
    for name, place in sorted(trained, key=lambda each: each[1].start):
        here = factor(name, place.shape)
        if not factors or here != factors[-1]:
            factors.append(here)
            bounds.append(place.stop)
        bounds[-1] = place.stop
    return {"rated_segments": np.array(bounds, np.int64), "rate_factors": np.array(factors, np.float32)}


def predict(program: Program, weights: Weights, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Raw outputs of a network for all rows, shape `(num_rows, num_outputs)`.

    Those of a network that predicts from learned neighbours are representations if the weights have no reference rows.
    """
    flat, statistics = program.pack(weights)
    references, control = given_references(weights, program.output.width)
    outputs = np.zeros((len(x), program.num_outputs if references else program.output.width), np.float32)
    arrays = blank_arrays(program) | references
    arrays |= {
        "weights": flat,
        "statistics": statistics,
        "x_validation": np.ascontiguousarray(x, np.float32),
        "outputs": outputs,
        "curve": np.zeros(1),
        "stop": np.zeros(1, np.int32),
    }
    run_program(program, arrays, {"validation_rows": len(x), "outputs": outputs.shape[1], **control})
    return outputs


def blank_arrays(program: Program) -> dict[str, Array]:
    """Arguments of every call that depend only on the program."""
    code, numbers = program.code
    arena = {name: np.zeros(program.arena, np.float32) for name in ("values", "errors", "slopes")}
    return {"code": code, "reals": numbers, **arena, "penalty": np.zeros(1, np.float32), "clock": CLOCK_CYCLES}


def run_program(program: Program, arrays: Mapping[str, Array], control: Mapping[str, int]) -> None:
    """Calls the compiled function.

    Args:
        program: the network.
        arrays: arrays by the names in `frame.ARRAYS`; results are written into them. Omitted ones are empty.
        control: values by the names in `frame.CONTROL`; omitted ones are 0 or derived from the program.
    """
    values = {
        "instructions": len(program.instructions),
        "weights": program.num_weights,
        "statistics": program.num_statistics,
        "features": program.input.width,
        "outputs": program.num_outputs,
        "chunk": program.rows,
        "input_at": program.input.start,
        "output_at": program.output.start,
        "members": program.output.members,
        "rated": 1,
        **control,
    }
    once: dict[str, Array] = {"rated_segments": np.array([0, program.num_weights], np.int64), "rate_factors": _ONCE}
    whole = np.array([values.get(name, 0) for name in CONTROL], np.int64)
    load()(*addresses({**_EMPTY, **once, **arrays, "control": whole}))
