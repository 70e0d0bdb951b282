"""`UserModelTraining`: trains a user's model epoch by epoch without Keras, then writes the result back into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.training.native.keras_model import LoweredModel
from evonas.training.native.kernels.instructions import CLIPS, LOSSES, OPTIMIZERS
from evonas.training.native.training import Stopped, blank_arrays, run_program
from evonas.training.optimizers import moments, nadam_decay

__all__ = ["TrainingData", "UserModelTraining"]

Array = NDArray[Any]
_NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Training and validation rows in the form that the kernels take: float32, contiguous, two-dimensional.

    Attributes:
        x, y: features and targets.
        x_validation, y_validation: empty without validation.
        weight: weight of each training row; None if all have the same weight.
    """

    x: Array
    y: Array
    x_validation: Array
    y_validation: Array
    weight: Array | None = None


class UserModelTraining:
    """A model in training. It starts from the weights and the optimizer state of the Keras model.

    Attributes:
        model: the Keras model; only `write` changes it.
        outputs: outputs for the training rows in the last epoch, in its order, before each step; empty by default.
        validation_outputs: outputs for the validation rows after the last epoch.
        stop: setting it to 1, from any thread, ends training within a step.
    """

    def __init__(
        self,
        model: keras.Model,
        lowered: LoweredModel,
        data: TrainingData,
        batch_size: int,
        seed: int,
        keep_outputs: bool = False,
    ) -> None:
        """Does not start training.

        Args:
            model: a compiled model.
            lowered: the same model, lowered for this batch size.
            data: the data to train on.
            batch_size: number of rows per step.
            seed: seed of dropout.
            keep_outputs: whether to keep `outputs`.
        """
        self.model, self._lowered, self._data = model, lowered, data
        program, rule = lowered.program, lowered.rule
        self._steps = -(-len(data.x) // batch_size)
        self._names = {id(variable): name for name, variable in lowered.variables.items()}
        self._trained = [(self._names[id(variable)], variable) for variable in model.trainable_variables]
        self._iterations = int(keras.ops.convert_to_numpy(model.optimizer.iterations))
        weights, statistics = program.pack(lowered.weights())
        width, held = program.output.width, len(data.x_validation)
        kept = moments(rule.kernel)
        self.stop = np.zeros(1, np.int32)
        self.outputs = np.zeros((len(data.x) if keep_outputs else 0, width), np.float32)
        self.validation_outputs = np.zeros((held, width), np.float32)
        self._arrays = blank_arrays(program) | {
            "weights": weights,
            "gradients": np.zeros(len(weights), np.float32),
            "first": self._moment(rule.first, 0.0) if kept[0] else _NOTHING,
            "second": self._moment(rule.second, rule.blank) if kept[1] else _NOTHING,
            "statistics": statistics,
            "best_weights": weights.copy(),
            "best_statistics": statistics.copy(),
            "best_outputs": np.zeros((held, width), np.float32),
            "outputs": self.validation_outputs,
            "train_outputs": self.outputs,
            "x": data.x,
            "y": data.y,
            "weight": _NOTHING if data.weight is None else data.weight,
            "x_validation": data.x_validation,
            "y_validation": data.y_validation,
            "segments": self._segments(),
            "limits": np.array([lowered.loss.knee, rule.limit], np.float32),
            "min_delta": np.zeros(1),
            "state": np.full(3, -np.inf),  # no loss is lower, so that best weights are kept by callbacks only
            "stop": self.stop,
        }
        self._control = {
            "rows": len(data.x),
            "batch": batch_size,
            "steps": self._steps,
            "epochs": 1,
            "patience": -1,
            "loss": LOSSES.index(lowered.loss.kind),
            "optimizer": OPTIMIZERS.index(rule.kernel),
            "seed": seed & 0xFFFFFFFF,
            "weighted": int(data.weight is not None),
            "targets": data.y.shape[1],
            "validation_rows": held,
            "clip": CLIPS.index(rule.clip),
            "segments": len(self._arrays["segments"]) - 1,
            "keep_outputs": int(keep_outputs),
        }

    def epoch(self, order: NDArray[np.int32]) -> tuple[float, float]:
        """Trains one epoch. Returns its training loss and the validation loss after it, penalties included.

        Args:
            order: order of the rows.

        Raises:
            Stopped: the training was stopped on request.
        """
        found: dict[str, Any] = {
            "order": order,
            "coefficients": self._lowered.rule.coefficients(self._iterations, self._steps),
            "train_curve": np.zeros(1),
            "curve": np.zeros(1),
            "progress": np.zeros(3, np.int64),
        }
        first = self._iterations // self._steps
        run_program(self._lowered.program, self._arrays | found, self._control | {"first_epoch": first})
        if found["progress"][2]:
            raise Stopped
        self._iterations += self._steps
        return float(found["train_curve"][0]), float(found["curve"][0]) + self.penalty

    @property
    def penalty(self) -> float:
        """The penalties that the current weights add to the loss."""
        return self._lowered.penalty(self._arrays["weights"])

    def weights(self) -> list[Array]:
        """Copies of the weights, as `keras.Model.get_weights`."""
        return [values for _, values in self.named_weights()]

    def named_weights(self) -> list[tuple[Any, Array]]:
        """The model's weights, and copies of their current values."""
        program = self._lowered.program
        values = program.unpack(self._arrays["weights"], self._arrays["statistics"])
        return [
            (variable, values[self._names[id(variable)]] if id(variable) in self._names else _value(variable))
            for variable in self.model.weights
        ]

    def assign(self, weights: list[Array]) -> None:
        """Sets the weights, as `keras.Model.set_weights`."""
        values = dict(self._lowered.constants)
        for variable, value in zip(self.model.weights, weights, strict=True):
            if id(variable) in self._names:
                values[self._names[id(variable)]] = value
        self._arrays["weights"][:], self._arrays["statistics"][:] = self._lowered.program.pack(values)

    def write(self, optimizer: bool = True) -> None:
        """Writes everything into the Keras model, so that it can be used or trained further, as if trained by `fit`.

        Args:
            optimizer: whether to write the optimizer's state, too.
        """
        for variable, values in self.named_weights():
            if id(variable) in self._names:
                variable.assign(values)
        if not optimizer:
            return
        held = self.model.optimizer
        if not held.built:
            held.build(self.model.trainable_variables)
        held.iterations.assign(self._iterations)
        rule, places = self._lowered.rule, self._lowered.program.variables
        for attribute, name in ((rule.first, "first"), (rule.second, "second")):
            if attribute:
                for slot, (each, _) in zip(getattr(held, attribute), self._trained, strict=True):
                    place = places[each]
                    slot.assign(self._arrays[name][place.start : place.stop].reshape(place.shape))
        if hasattr(held, "_u_product"):
            decays = nadam_decay(np.arange(1, self._iterations + 1, dtype=np.float32), np.float32(rule.constants.beta1))
            held._u_product.assign(np.prod(decays, dtype=np.float32))

    def _moment(self, attribute: str, blank: float) -> Array:
        program, optimizer = self._lowered.program, self.model.optimizer
        flat = np.full(program.num_weights, blank, np.float32)
        if optimizer.built and attribute:
            for slot, (name, _) in zip(getattr(optimizer, attribute), self._trained, strict=True):
                place = program.variables[name]
                flat[place.start : place.stop] = _value(slot).reshape(-1)
        return flat

    def _segments(self) -> NDArray[np.int64]:
        """Bounds of the variables whose gradient norms are clipped; a single segment for the global norm."""
        program = self._lowered.program
        whole = [0, program.num_weights]
        if self._lowered.rule.clip == "norm" and not self._lowered.rule.globally:
            starts = {program.variables[name].start for name, _ in self._trained}
            whole = [*sorted(starts), program.num_weights]
        return np.array(whole, np.int64)


def _value(variable: Any) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(variable.value)).copy()
