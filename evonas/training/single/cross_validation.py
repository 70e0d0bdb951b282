"""`CrossValidationTrial`: fits a user-defined compiled model on every fold and scores it. Implements `Trial`."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Evaluation, Status
from evonas.training.native.keras_fit import prepare_fit
from evonas.training.native.refusal import Refused
from evonas.training.replicates import member_seed
from evonas.training.single.callbacks import classifies, encode_labels, wrap_as_estimator
from evonas.training.single.trials import Headway, headway_callback
from genomes.errors import InputError

__all__ = ["CrossValidationTrial", "rows_of"]

#: Parameters of `fit` that may be searched as if they were parameters of the build function.
_OF_FIT = frozenset(("epochs", "batch_size", "validation_split", "shuffle", "class_weight", "steps_per_epoch"))

RowNumbers = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class CrossValidationTrial:
    """Fits and scores a model for each set of parameters.

    Attributes:
        build: `build(**parameters)`, which returns a compiled `keras.Model`.
        parameters: converts genes to parameters.
        x, y: all rows.
        classes: sorted labels of `y`; None if `y` has several columns.
        splits: training and test rows of each fold.
        scorers: name -> scikit-learn scorer; "score" with None is the estimator's own score.
        chosen: name of the scorer that ranks models.
        arguments: arguments of `fit`.
        by_row: names of the arguments with one value per row.
        train_scores: whether to score the training rows, too.
        raises: whether a model that cannot be trained stops the search.
    """

    build: Callable[..., Any]
    parameters: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    x: Any
    y: Any
    classes: Any
    splits: Sequence[tuple[RowNumbers, RowNumbers]]
    scorers: Mapping[str, Any]
    chosen: str
    arguments: Mapping[str, Any]
    by_row: frozenset[str] = frozenset()
    train_scores: bool = False
    raises: bool = False
    #: Trials may run in threads: user code only builds and scores, in one thread at a time.
    independent: ClassVar[bool] = True

    def __call__(self, genes: Mapping[str, Any], seed: int, headway: Headway) -> Evaluation:
        """See `Trial`. A model that diverges on one fold is not trained on the others."""
        try:
            return self._evaluation(genes, seed, headway)
        except InputError:
            raise
        except Exception as error:
            if not self.raises:
                raise
            raise InputError(f"a model raised {type(error).__name__}: {error} (error_score is 'raise')") from error

    def _evaluation(self, genes: Mapping[str, Any], seed: int, headway: Headway) -> Evaluation:
        scores: dict[str, float] = {}
        found: dict[str, list[float]] = {}
        diverged = False
        estimator: Any = None
        for number, (train, test) in enumerate(self.splits):
            if not diverged:
                watching = headway_callback(headway, number, len(self.splits))
                estimator = self.fit_estimator(genes, member_seed(seed, number, 0), train, watching)
            for part, rows in {"test": test, **({"train": train} if self.train_scores else {})}.items():
                for name, scorer in self.scorers.items():
                    value = math.nan if diverged else self._score(estimator, scorer, rows)
                    scores[f"split{number}_{part}_{name}"] = value
                    found.setdefault(f"{part}_{name}", []).append(value)
            diverged = diverged or math.isnan(found[f"test_{self.chosen}"][-1])
        scores |= {f"mean_{name}": float(np.mean(values)) for name, values in found.items()}
        model = estimator.model_
        parameters = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
        epochs = max((len(values) for values in estimator.history_.values()), default=0)
        if diverged:
            reason = "a fold has no finite score: the training diverged"
            return Evaluation(Status.FAILED, scores, reason, epochs=epochs, parameters=parameters)
        return Evaluation(Status.OK, scores, epochs=epochs, parameters=parameters)

    def fit_estimator(
        self,
        genes: Mapping[str, Any],
        seed: int,
        rows: RowNumbers | None,
        watching: keras.callbacks.Callback | None = None,
    ) -> Any:
        """The trained estimator of the genes.

        Args:
            genes: genes of a genome.
            seed: seed of everything random.
            rows: rows to train on; None for all.
            watching: an additional callback.
        """
        estimator, x, y, arguments = self._ready(genes, seed, rows, [] if watching is None else [watching])
        return estimator.fit(x, y, **arguments)

    def refusal(self, genes: Mapping[str, Any], seed: int) -> str:
        """Why the model of these genes is not trained natively; empty if it is."""
        estimator, x, y, arguments = self._ready(genes, seed, self.splits[0][0], [])
        given = prepare_fit(estimator.model_, (x, estimator.encode_target(y)), arguments)
        return given.reason if isinstance(given, Refused) else ""

    def _ready(self, genes: Mapping[str, Any], seed: int, rows: RowNumbers | None, watching: list[Any]) -> Any:
        """The estimator of the genes' model, the rows, their targets, and the other arguments of its `fit`."""
        parameters, fitting = split_parameters(self.build, self.parameters(genes))
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(seed)
        model = self.build(**parameters)
        if not isinstance(model, keras.Model) or not model.compiled:
            what = "a model that is not compiled" if isinstance(model, keras.Model) else type(model).__name__
            raise InputError(f"build_model must return a compiled keras.Model, not {what}: call compile, and return it")
        arguments = {**self.arguments, **fitting}
        callbacks = [*copy.deepcopy(list(arguments.pop("callbacks", None) or [])), *watching]
        arguments["callbacks"] = [*callbacks, keras.callbacks.TerminateOnNaN()]
        for name in self.by_row:
            if rows is not None:
                arguments[name] = rows_of(arguments[name], rows)
        estimator = wrap_as_estimator(model, self.classes, self.y.shape[1] if self.y.ndim > 1 else 1)
        if classifies(model, self.classes) and "validation_data" in arguments:
            held_x, held_y, *rest = arguments["validation_data"]
            arguments["validation_data"] = (held_x, encode_labels(held_y, self.classes, model), *rest)
        x, y = (values if rows is None else rows_of(values, rows) for values in (self.x, self.y))
        return estimator, x, y, arguments

    def _score(self, estimator: Any, scorer: Any, rows: RowNumbers) -> float:
        x, y = rows_of(self.x, rows), rows_of(self.y, rows)
        losses = estimator.history_.get("loss", ())
        if any(not math.isfinite(loss) for loss in losses[-1:]):
            return math.nan
        if scorer is None:
            return float(estimator.score(x, y))
        return float(scorer(estimator, x, y))


def rows_of(values: Any, rows: RowNumbers) -> Any:
    """Selects rows of an array, a table, or several arrays in a mapping, a list or a tuple."""
    if isinstance(values, Mapping):
        return {name: rows_of(part, rows) for name, part in values.items()}
    if isinstance(values, tuple):
        return tuple(rows_of(part, rows) for part in values)
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    return np.asarray(values)[rows]


def split_parameters(build: Callable[..., Any], given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Separates parameters of the build function from those of `fit`: `fit__batch_size`, or names that only `fit` has.

    Raises:
        InputError: a parameter belongs to neither.
    """
    signature = inspect.signature(build).parameters
    anything = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in signature.values())
    building: dict[str, Any] = {}
    fitting: dict[str, Any] = {}
    for name, value in given.items():
        plain = name.removeprefix("fit__").removeprefix("model__")
        if name.startswith("fit__") or (plain not in signature and plain in _OF_FIT):
            fitting[plain] = value
        elif plain in signature or anything:
            building[plain] = value
        else:
            known = ", ".join(signature) or "none"
            raise InputError(f"space must name parameters of build_model ({known}), not {name!r}: rename it")
    return building, fitting
