"""`TunerTrial`: builds and fits a user's model for hyperparameters, as KerasTuner does. Meets `Trial`.

The score is that of the best epoch, and the mean over executions; the weights kept are those of the best epoch of all.
"""

from __future__ import annotations

import copy
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from evonas.evaluation import Evaluation, Status, Weights
from evonas.training.combine import member_seed
from evonas.training.fitting import assign, values_of
from evonas.training.trials import Headway, headway_callback
from genomes.errors import InputError

__all__ = ["Batches", "TunerTrial", "rebuilt"]

#: Among the weights: how the model was built, as JSON text.
_BUILT = "~built"


@dataclass(frozen=True, eq=False)
class TunerTrial:
    """What a tuner does for each set of hyperparameters.

    Attributes:
        build: `build(hp)`, which returns a `keras.Model`.
        fit: `fit(hp, model, *args, **kwargs)`, which returns a history, a number or a mapping of them; None is
            `model.fit`.
        hyperparameters: makes `hp` of genes and a seed.
        objective: an `evonas.tuner.objectives.TunerObjective`.
        arguments, named: of `fit`.
        executions: trainings from different seeds.
        compiling: arguments of `compile` in place of the model's own; none leaves it as it is.
        max_parameters: larger models are not trained; None is no limit.
    """

    build: Callable[[Any], Any]
    fit: Callable[..., Any] | None
    hyperparameters: Callable[[Mapping[str, Any], int], Any]
    objective: Any
    arguments: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)
    executions: int = 1
    compiling: Mapping[str, Any] = field(default_factory=dict)
    max_parameters: int | None = None

    def __call__(self, genes: Mapping[str, Any], seed: int, headway: Headway) -> Evaluation:
        """See `Trial`.

        Raises:
            InputError: the objective is not among what the training logs.
        """
        keeping = _best_epoch(self.objective)
        results: list[_Result] = []
        for execution in range(self.executions):
            hp = self.hyperparameters(genes, seed)
            model = built(self.build, hp, member_seed(seed, 0, execution), self.compiling)
            if self.max_parameters is not None and model.built and model.count_params() > self.max_parameters:
                reason = f"{model.count_params()} parameters, at most {self.max_parameters}: not trained"
                return Evaluation(Status.FAILED, reason=reason, parameters=model.count_params())
            named = dict(self.named)
            copies = _copies(named.pop("callbacks", None), f"trial_{seed}", f"execution_{execution}")
            callbacks = [*copies, headway_callback(headway), keeping]
            named["callbacks"] = callbacks
            named.setdefault("verbose", 0)
            arguments = tuple(map(_opened, self.arguments))
            named = {name: _opened(value) for name, value in named.items()}
            given = model.fit(*arguments, **named) if self.fit is None else self.fit(hp, model, *arguments, **named)
            results.append(_result(given, self.objective))
            if keeping.weights is None:
                keeping.keep(model)
        metrics = {name: [result.metrics.get(name, math.nan) for result in results] for name in results[0].metrics}
        best = min(results, key=lambda result: self.objective.loss(result.metrics[self.objective.name]))
        return Evaluation(
            Status.OK,
            scores={name: float(np.mean(values)) for name, values in metrics.items()},
            best_epoch=best.epoch + 1 if best.curve else 0,
            epochs=len(best.curve),
            curve=best.curve,
            train_curve=best.train_curve,
            parameters=sum(int(np.prod(variable.shape)) for variable in model.trainable_variables),
            weights=keeping.weights,
        )


@dataclass(frozen=True)
class _Result:
    """Of one execution: metrics at the best epoch (its number from 0), and the objective and the loss of all."""

    metrics: Mapping[str, float]
    epoch: int = 0
    curve: tuple[float, ...] = ()
    train_curve: tuple[float, ...] = ()


def built(build: Callable[[Any], Any], hp: Any, seed: int, compiling: Mapping[str, Any]) -> keras.Model:
    """The model of the hyperparameters, everything random in it from the seed.

    Raises:
        InputError: what is built is no model.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model = build(hp)
    if not isinstance(model, keras.Model):
        raise InputError(f"build must return a keras.Model, not {type(model).__name__}: end it with `return model`")
    if compiling:
        optimizer, loss = (model.optimizer, model.loss) if model.compiled else ("rmsprop", None)
        model.compile(**{"optimizer": optimizer, "loss": loss, **copy.deepcopy(dict(compiling))})
    return model


def rebuilt(trial: TunerTrial, hp: Any, weights: Weights, seed: int) -> keras.Model:
    """The model of the hyperparameters with the weights that were kept, in this process."""
    values = dict(weights)
    config = values.pop(_BUILT, None)
    model = built(trial.build, hp, seed, trial.compiling)
    if not model.built and config is not None:
        model.build_from_config(json.loads(config.tobytes()))
    assign(model.weights, values)
    return model


@dataclass(frozen=True, eq=False)
class Batches:
    """What a data set gave, batch by batch: it goes to another process where the data set itself cannot."""

    batches: Sequence[Any]


def _opened(value: Any) -> Any:
    """What `fit` takes: batches as a data set again."""
    if isinstance(value, (tuple, list)) and any(isinstance(part, Batches) for part in value):
        return type(value)(map(_opened, value))
    if not isinstance(value, Batches):
        return value
    batches = value.batches

    class Reread(keras.utils.PyDataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return len(batches)

        def __getitem__(self, index: int) -> Any:
            return batches[index]

    return Reread()


def _copies(callbacks: Any, *folders: str) -> list[Any]:
    """The user's callbacks, to be used once. Those that log into a folder are given one in it for each training."""
    try:
        several = isinstance(callbacks, (list, tuple))
        copies = copy.deepcopy(list(callbacks) if several else [] if callbacks is None else [callbacks])
        for each in copies:
            if isinstance(getattr(each, "log_dir", None), (str, os.PathLike)):
                each.log_dir = os.path.join(each.log_dir, *folders)
        return copies
    except Exception as error:
        raise InputError(
            f"callbacks must be such that can be copied, since each trial uses them anew, but that raised {error}"
        ) from None


def _best_epoch(objective: Any) -> Any:
    """A callback that keeps the weights of the best epoch; of the last one where the objective is not logged."""

    class Keeping(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.weights: Weights | None = None
            self._loss = math.inf

        def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
            value = objective.value(logs or {})
            loss = -math.inf if value is None else objective.loss(value)
            if value is None or self.weights is None or loss < self._loss:
                self._loss = loss
                self.keep(self.model)

        def keep(self, model: keras.Model) -> None:
            self.weights = values_of(model.weights)
            config = None if not hasattr(model, "get_build_config") else model.get_build_config()
            if config:
                text = json.dumps(config, default=list).encode()
                self.weights[_BUILT] = np.frombuffer(text, np.uint8)

    return Keeping()


def _result(given: Any, objective: Any) -> _Result:
    """What `fit` returned, read."""
    if isinstance(given, (list, tuple)) and given:
        parts = [_result(part, objective) for part in given]
        names = parts[0].metrics
        return _Result({name: float(np.mean([part.metrics.get(name, math.nan) for part in parts])) for name in names})
    if isinstance(given, (int, float, np.number)) and not isinstance(given, bool):
        return _Result({objective.name: float(given)})
    logs = getattr(given, "history", given)
    if not isinstance(logs, Mapping):
        raise InputError(
            f"fit must return a history, a number or a mapping of numbers, not {type(given).__name__}: return what "
            "model.fit returns"
        )
    if not objective.given and objective.name not in logs:
        raise InputError("objective must be given where fit returns no number: name one of its logs, as val_loss")
    if isinstance(given, Mapping):
        return _Result({**_numbers(logs), objective.name: _required(logs, objective)})
    length = max((len(values) for values in logs.values()), default=0)
    epochs = [
        {name: values[number] for name, values in logs.items() if number < len(values)} for number in range(length)
    ]
    curve = [_required(epoch, objective) for epoch in epochs]
    if not curve:
        raise InputError(f"fit must train for at least one epoch to have {objective.name}: raise epochs")
    best = min(range(length), key=lambda number: objective.loss(curve[number]))
    return _Result(
        {**_numbers(epochs[best]), objective.name: curve[best]},
        best,
        tuple(curve),
        tuple(float(value) for value in logs.get("loss", ())),
    )


def _required(logs: Mapping[str, Any], objective: Any) -> float:
    value = objective.value(logs)
    if value is None:
        names = ", ".join(part.name for part in objective.parts) or objective.name
        mend = "pass validation_data to search" if "val_" in names else "compile the model with that metric"
        raise InputError(f"objective {names} must be among what the training logs ({', '.join(logs)}): {mend}")
    return float(value)


def _numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in logs.items() if np.ndim(value) == 0}
