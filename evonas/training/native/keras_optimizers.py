"""Converts Keras optimizers to the coefficients of their steps, see `evonas.training.optimizers`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.training import optimizers
from evonas.training.native.refusal import Refusal

__all__ = ["Rule", "rule_of"]

Rates = Callable[[int, int], NDArray[np.float32]]
#: Steps at which a schedule evaluated for all steps at once is compared with single evaluations.
_CHECKED = 8


@dataclass(frozen=True, eq=False)
class Rule:
    """The update rule of an optimizer.

    Attributes:
        name: name of its formula in `optimizers.step_coefficients`.
        kernel: one of `instructions.OPTIMIZERS`.
        constants: constants of the formula.
        rates: first step and count -> learning rates.
        first, second: attributes of the optimizer that hold its moments, if it has any.
        blank: initial value of the second moment.
        weight_decay: share of the weights, times the learning rate, that each step subtracts.
        clip: one of `instructions.CLIPS`.
        limit: limit of the gradients.
        globally: whether the norm is that of all variables together.
    """

    name: str
    kernel: str
    constants: optimizers.Constants
    rates: Rates
    first: str = ""
    second: str = ""
    blank: float = 0.0
    weight_decay: float = 0.0
    clip: str = "none"
    limit: float = 0.0
    globally: bool = False

    def coefficients(self, first: int, count: int) -> NDArray[np.float32]:
        """Coefficients of `count` steps after the first `first` ones, shape `(count, NUM_COEFFICIENTS)`."""
        rates = self.rates(first, count)
        found = optimizers.step_coefficients(self.name, rates, 0.0, first, self.constants)
        if self.weight_decay:
            found[:, 6] = np.float32(1) - np.float32(self.weight_decay) * rates
        return found


def rule_of(optimizer: Any) -> Rule:
    """The rule of a compiled model's optimizer.

    Raises:
        Refusal: the optimizer is of an unsupported kind or has unsupported options.
    """
    make = _RULES.get(type(optimizer))
    if make is None:
        raise Refusal(f"the optimizer {type(optimizer).__name__}")
    for name in ("use_ema", "loss_scale_factor", "gradient_accumulation_steps"):
        if getattr(optimizer, name, None):
            raise Refusal(f"the optimizer has {name}")
    patterns = ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")
    if any(getattr(optimizer, name, None) for name in patterns):
        raise Refusal("the optimizer excludes weights from weight_decay")
    clip, limit, globally = "none", 0.0, False
    for name, kind in (("clipnorm", "norm"), ("global_clipnorm", "norm"), ("clipvalue", "value")):
        if getattr(optimizer, name, None):
            clip, limit, globally = kind, float(getattr(optimizer, name)), name == "global_clipnorm"
    return make(
        optimizer,
        rates=_rates_of(optimizer),
        weight_decay=float(optimizer.weight_decay or 0.0),
        clip=clip,
        limit=limit,
        globally=globally,
    )


def _sgd(optimizer: Any, **options: Any) -> Rule:
    momentum = float(optimizer.momentum)
    name = "sgd" if momentum == 0 else "nesterov" if optimizer.nesterov else "momentum"
    constants = optimizers.Constants(momentum=momentum)
    return Rule(name, name, constants, first="" if momentum == 0 else "momentums", **options)


def _rmsprop(optimizer: Any, **options: Any) -> Rule:
    if optimizer.momentum or optimizer.centered:
        raise Refusal("the optimizer RMSprop has momentum or is centered")
    constants = optimizers.Constants(rho=float(optimizer.rho), epsilon=float(optimizer.epsilon))
    return Rule("rmsprop", "rmsprop", constants, second="_velocities", **options)


def _adagrad(optimizer: Any, **options: Any) -> Rule:
    constants = optimizers.Constants(epsilon=float(optimizer.epsilon))
    blank = float(optimizer.initial_accumulator_value)
    return Rule("adagrad", "rmsprop", constants, second="_accumulators", blank=blank, **options)


def _adam(name: str) -> Callable[..., Rule]:
    def make(optimizer: Any, **options: Any) -> Rule:
        if getattr(optimizer, "amsgrad", False):
            raise Refusal(f"the optimizer {type(optimizer).__name__} has amsgrad")
        beta1, beta2 = float(optimizer.beta_1), float(optimizer.beta_2)
        constants = optimizers.Constants(beta1=beta1, beta2=beta2, epsilon=float(optimizer.epsilon))
        return Rule(name, name, constants, first="_momentums", second="_velocities", **options)

    return make


_RULES: Mapping[type, Callable[..., Rule]] = {
    keras.optimizers.SGD: _sgd,
    keras.optimizers.RMSprop: _rmsprop,
    keras.optimizers.Adagrad: _adagrad,
    keras.optimizers.Adam: _adam("adam"),
    keras.optimizers.AdamW: _adam("adam"),  # differs from Adam in weight decay only
    keras.optimizers.Nadam: _adam("nadam"),
}


def _rates_of(optimizer: Any) -> Rates:
    # Private, since the public `learning_rate` is the rate of the current step, not the schedule.
    rate = optimizer._learning_rate
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return _schedule(rate)
    if not hasattr(rate, "value"):
        raise Refusal("the optimizer's learning rate is a function")
    value = np.float32(keras.ops.convert_to_numpy(rate.value))
    return lambda first, count: np.full(count, value, np.float32)


def _schedule(schedule: Any) -> Rates:
    """The rates of a schedule: for all steps at once if that agrees with single steps, otherwise one by one."""

    def one(step: int) -> float:
        return float(keras.ops.convert_to_numpy(schedule(keras.ops.convert_to_tensor(step, "int32"))))

    def rates(first: int, count: int) -> NDArray[np.float32]:
        steps = np.arange(first, first + count, dtype=np.int32)
        checked = np.unique(np.linspace(0, count - 1, min(_CHECKED, count)).astype(int))
        try:
            given = keras.ops.convert_to_numpy(schedule(keras.ops.convert_to_tensor(steps)))
            found = np.asarray(given, np.float32)
            if found.shape == steps.shape and np.allclose(found[checked], [one(int(steps[at])) for at in checked]):
                return found
        except Exception:  # a schedule that accepts only a single step
            pass
        return np.array([one(int(step)) for step in steps], np.float32)

    return rates
