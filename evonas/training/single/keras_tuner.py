"""`TunerTrial`: builds and fits a user's model for hyperparameters, as KerasTuner does. Implements `Trial`.

The score is the mean over executions of the best epoch's score; the weights of the best epoch of all are kept.
"""

from __future__ import annotations

import copy
import json
import math
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from evonas.evaluation import Evaluation, Status, Weights
from evonas.training.native.keras_fit import prepare_fit
from evonas.training.native.refusal import Refused
from evonas.training.replicates import member_seed
from evonas.training.single.fit_dispatch import dispatch_fit, train
from evonas.training.single.fitting import assign_recorded, named_values, values_of
from evonas.training.single.streamed import open_streams
from evonas.training.single.trials import Headway, headway_callback
from genomes.errors import InputError

__all__ = ["Kept", "TooLarge", "TunerTrial", "build_trial_model", "evaluation_of", "hook_callback", "rebuilt"]

#: Name, among the weights, of the JSON text that describes how the model was built.
_BUILT = "~built"


class TooLarge(Exception):
    """A model has more parameters than allowed; the message has their number."""


@dataclass(frozen=True, eq=False)
class TunerTrial:
    """Builds and fits a model for each set of hyperparameters.

    Attributes:
        build: `build(hp)`, which returns a `keras.Model`.
        fit: `fit(hp, model, *args, **kwargs)`, which returns a history, a number or a mapping of them; None is
            `model.fit`.
        hyperparameters: creates `hp` from genes and a seed.
        objective: an `evonas.tuner.objectives.TunerObjective`.
        arguments, named: arguments of `fit`.
        executions: number of training runs with different seeds.
        compiling: arguments of `compile` that replace the model's own; empty to keep them.
        max_parameters: larger models are not trained; None means no limit.
        retries: number of retries of a trial that raises.
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
    retries: int = 0

    @property
    def independent(self) -> bool:
        """Whether trials may run in threads; not if user code calls fit."""
        return self.fit is None

    def refusal(self, hp: Any, seed: int) -> str:
        """Why the model of the hyperparameters is not trained natively; empty if it is."""
        if self.fit is not None:
            return "fit is user-defined"
        named = {name: value for name, value in self.named.items() if name != "callbacks"}
        callbacks = _copies(self.named.get("callbacks"), "trial")
        given = prepare_fit(
            build_trial_model(self.build, hp, seed, self.compiling), self.arguments, named | {"callbacks": callbacks}
        )
        return given.reason if isinstance(given, Refused) else ""

    def __call__(self, genes: Mapping[str, Any], seed: int, headway: Headway) -> Evaluation:
        """See `Trial`.

        Raises:
            InputError: the training does not log the objective.
        """
        for left in range(self.retries, -1, -1):
            hp, kept = self.hyperparameters(genes, seed), Kept(self.objective)
            try:
                given = self.execute(hp, seed, headway, kept, self.arguments, self.named)
            except TooLarge as error:
                return Evaluation(Status.FAILED, reason=str(error), parameters=kept.parameters, notes=hp.report())
            except InputError:
                raise
            except Exception:
                if not left:
                    raise
                traceback.print_exc()
            else:
                return evaluation_of(given, self.objective, kept, hp.report())
        raise AssertionError

    def execute(
        self,
        hp: Any,
        seed: int,
        headway: Headway,
        kept: Kept,
        arguments: Sequence[Any],
        named: Mapping[str, Any],
        watching: Sequence[keras.callbacks.Callback] = (),
    ) -> list[Any]:
        """Builds and fits a model for each execution.

        Args:
            hp: hyperparameters for building.
            seed: seed of everything random.
            headway: called after each epoch.
            kept: keeps the weights of the best epoch.
            arguments, named: arguments of `fit`.
            watching: additional callbacks.

        Returns:
            The return value of each fit.

        Raises:
            TooLarge: the model has more parameters than allowed.
        """
        given = []
        for execution in range(self.executions):
            model = build_trial_model(self.build, hp, member_seed(seed, 0, execution), self.compiling)
            if self.max_parameters is not None and model.built and model.count_params() > self.max_parameters:
                kept.parameters = model.count_params()
                raise TooLarge(f"{model.count_params()} parameters, at most {self.max_parameters}: not trained")
            more = {name: open_streams(value) for name, value in named.items()}
            copies = _copies(more.pop("callbacks", None), f"trial_{seed}", f"execution_{execution}")
            more["callbacks"] = [
                *copies,
                headway_callback(headway, execution, self.executions),
                *watching,
                kept.callback(),
            ]
            values = tuple(map(open_streams, arguments))
            if self.fit is None:
                given.append(train(model, *values, **{"verbose": 0, **more}))
            else:
                with dispatch_fit(model):
                    given.append(self.fit(hp, model, *values, **more))
            if kept.weights is None:
                kept.keep(model)
        return given


@dataclass(frozen=True)
class _Result:
    """Results of one execution: metrics at the best epoch (counted from 0), and the curves of objective and loss."""

    metrics: Mapping[str, float]
    epoch: int = 0
    curve: tuple[float, ...] = ()
    train_curve: tuple[float, ...] = ()


def evaluation_of(given: Any, objective: Any, kept: Kept, notes: Mapping[str, Any]) -> Evaluation:
    """Result of a trial.

    Args:
        given: a history, a number, a mapping of numbers, or a list of these, one per execution.
        objective: the objective.
        kept: the kept weights.
        notes: notes of the trial.

    Raises:
        InputError: the value has none of these forms, or lacks the objective.
    """
    several = isinstance(given, (list, tuple)) and len(given) > 0
    results = [_result(one, objective) for one in (given if several else [given])]
    metrics = {name: [result.metrics.get(name, math.nan) for result in results] for name in results[0].metrics}
    best = min(results, key=lambda result: objective.loss(result.metrics[objective.name]))
    return Evaluation(
        Status.OK,
        scores={name: float(np.mean(values)) for name, values in metrics.items()},
        best_epoch=best.epoch + 1 if best.curve else 0,
        epochs=len(best.curve),
        curve=best.curve,
        train_curve=best.train_curve,
        parameters=kept.parameters,
        weights=kept.weights,
        notes=notes,
    )


def build_trial_model(build: Callable[[Any], Any], hp: Any, seed: int, compiling: Mapping[str, Any]) -> keras.Model:
    """Builds the model of the hyperparameters, seeding everything random in it.

    Raises:
        InputError: the build function does not return a model.
    """
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    model = build(hp)
    if not isinstance(model, keras.Model):
        raise InputError(f"build must return a keras.Model, not {type(model).__name__}: end it with `return model`")
    if compiling:
        optimizer, loss = (model.optimizer, model.loss) if model.compiled else ("rmsprop", None)
        model.compile(**{"optimizer": optimizer, "loss": loss, **copy.deepcopy(dict(compiling))})
    return model


def rebuilt(trial: TunerTrial, hp: Any, weights: Weights, seed: int) -> keras.Model:
    """Rebuilds the model of the hyperparameters with the kept weights, in this process."""
    values = dict(weights)
    config = values.pop(_BUILT, None)
    model = build_trial_model(trial.build, hp, member_seed(seed, 0, 0), trial.compiling)
    if not model.built and config is not None:
        model.build_from_config(json.loads(config.tobytes()))
    assign_recorded(model.weights, values)
    return model


def _copies(callbacks: Any, *folders: str) -> list[Any]:
    """Copies the user's callbacks for one training run. Those that log into a folder get a subfolder per run."""
    try:
        several = isinstance(callbacks, (list, tuple))
        copies = copy.deepcopy(list(callbacks) if several else [] if callbacks is None else [callbacks])
        for each in copies:
            if isinstance(getattr(each, "log_dir", None), (str, os.PathLike)):
                each.log_dir = os.path.join(each.log_dir, *folders)
        return copies
    except Exception as error:
        raise InputError(
            f"callbacks must be copyable, since each trial uses a copy, but copying raised {error}"
        ) from None


class Kept:
    """Keeps the weights of the best epoch of a trial; of the last epoch if the objective is not logged.

    Attributes:
        weights: the kept weights; None before the first epoch.
        parameters: number of trainable parameters of the last model.
    """

    def __init__(self, objective: Any) -> None:
        """Keeps nothing yet."""
        self.weights: Weights | None = None
        self.parameters = 0
        self._objective, self._loss = objective, math.inf

    def callback(self) -> keras.callbacks.Callback:
        """A callback that examines every epoch."""

        class Keeping(keras.callbacks.Callback):  # type: ignore[misc]
            def on_epoch_end(callback, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
                self.note(callback.model, logs or {})

            def on_native_epoch_end(callback, epoch: int, logs: Mapping[str, Any], training: Any) -> None:
                self.note(training.model, logs, training.named_weights)

        return Keeping()

    def note(self, model: keras.Model, logs: Mapping[str, Any], weights: Callable[[], Any] | None = None) -> None:
        """Examines the model after an epoch.

        Args:
            model: the model in training.
            logs: logs of the epoch.
            weights: returns its weights with their values, if the model does not have them yet.
        """
        value = self._objective.value(logs)
        loss = -math.inf if value is None else self._objective.loss(value)
        if value is None or self.weights is None or loss < self._loss:
            self._loss = loss
            self.keep(model, weights)

    def keep(self, model: keras.Model, given: Callable[[], Any] | None = None) -> None:
        """Keeps the current weights of the model or the given ones, as in `note`."""
        self.parameters = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
        weights = values_of(model.weights) if given is None else named_values(given())
        config = None if not hasattr(model, "get_build_config") else model.get_build_config()
        if config:
            text = json.dumps(config, default=list).encode()
            weights[_BUILT] = np.frombuffer(text, np.uint8)
        self.weights = weights


def _result(given: Any, objective: Any) -> _Result:
    """Parses the return value of `fit`."""
    if isinstance(given, (int, float, np.number)) and not isinstance(given, bool):
        return _Result({objective.name: float(given)})
    logs = getattr(given, "history", given)
    if not isinstance(logs, Mapping):
        raise InputError(
            f"fit must return a history, a number or a mapping of numbers, not {type(given).__name__}: return what "
            "model.fit returns"
        )
    if not objective.given and objective.name not in logs:
        raise InputError("objective must be given if fit returns no number: name one of its logs, such as val_loss")
    if isinstance(given, Mapping):
        return _Result({**_numbers(logs), objective.name: _objective_value(logs, objective)})
    length = max((len(values) for values in logs.values()), default=0)
    epochs = [
        {name: values[number] for name, values in logs.items() if number < len(values)} for number in range(length)
    ]
    curve = [_objective_value(epoch, objective) for epoch in epochs]
    if not curve:
        raise InputError(f"fit must train for at least one epoch to have {objective.name}: raise epochs")
    best = min(range(length), key=lambda number: objective.loss(curve[number]))
    return _Result(
        {**_numbers(epochs[best]), objective.name: curve[best]},
        best,
        tuple(curve),
        tuple(float(value) for value in logs.get("loss", ())),
    )


def _objective_value(logs: Mapping[str, Any], objective: Any) -> float:
    value = objective.value(logs)
    if value is None:
        names = ", ".join(part.name for part in objective.parts) or objective.name
        validated = any(name.startswith("val_") for name in logs)
        wants_rows = "val_" in names and not validated
        fix = "pass validation_data to search" if wants_rows else "compile the model with that metric, or name another"
        raise InputError(f"objective {names} must be among the training's logs ({', '.join(logs)}): {fix}")
    return float(value)


def _numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in logs.items() if np.ndim(value) == 0 and value is not None}


def hook_callback(tuner: Any, trial: Any) -> keras.callbacks.Callback:
    """A callback that calls the tuner's hooks: `on_epoch_begin(trial, model, epoch, logs)` and the like."""

    class Hooks(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            tuner.on_epoch_begin(trial, self.model, epoch, logs=logs)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            tuner.on_epoch_end(trial, self.model, epoch, logs=logs)

        def on_batch_begin(self, batch: int, logs: Any = None) -> None:
            tuner.on_batch_begin(trial, self.model, batch, logs)

        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            tuner.on_batch_end(trial, self.model, batch, logs)

    return Hooks()
