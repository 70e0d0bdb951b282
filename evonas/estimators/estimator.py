"""`EvolutionEstimator`: base class of `EvolutionClassifier` and `EvolutionRegressor`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from evonas.api.options import RunOptions
from evonas.api.resolve import chosen_space, space_and_numbers
from evonas.api.resolved_settings import DEFAULT_QUANTILES
from evonas.api.result import SearchResult
from evonas.config import DEFAULT_GENERATIONS, Budget, Settings
from evonas.data.arrays import feature_columns
from evonas.data.frames import as_frame, is_table
from evonas.data.prepare import prepare_arrays
from evonas.data.prepare_samples import Samples, prepare_samples
from evonas.data.prepared import PreparedData
from evonas.data.quantiles import with_quantiles
from evonas.deploy.fitted_network import FittedNetwork
from evonas.estimators.checks import as_rows, check_labels, check_numbers, check_sample_weight
from evonas.estimators.results import results_of
from evonas.estimators.run_directory import run_directory
from evonas.estimators.samples import first_samples, flatten, kind_of_samples, rows_at
from evonas.estimators.seeds import seed_of
from evonas.interruption import Interruption
from evonas.io.console import say_lines
from evonas.machine import assigned_threads
from evonas.runs.progress import Generation, Progress
from evonas.runs.reader import RunReader
from evonas.runs.schema import DATABASE
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["EvolutionEstimator"]

#: Table size in cells up to which "auto" trains in this process, which starts faster and needs no isolation.
_SMALL_CELLS = 100_000
#: Time limit of a search without explicit bounds, in addition to its generations.
_DEFAULT_TIME = "2m"


class EvolutionEstimator(BaseEstimator):  # type: ignore[misc]
    """An estimator that searches in `fit` and predicts with the best network."""

    _task = "regression"

    def __init__(
        self,
        *,
        generations: int | None = None,
        evaluations: int | None = None,
        time: str | float | None = None,
        population: int = 20,
        epochs: int = 50,
        patience: int | None = 10,
        objective: str | None = None,
        folds: int | None = None,
        validation_fraction: float | None = None,
        strategy: str = "evolution",
        space: Any = None,
        settings: RunOptions | None = None,
        random_state: Any = None,
        verbose: int = 0,
        run_dir: str | Path | None = None,
        in_process: bool | str = "auto",
    ) -> None:
        """Stores the arguments unchanged. scikit-learn requires them spelt out in every constructor.

        Args:
            generations, evaluations, time: bounds of the search, as in `evonas.search`; by default 10 generations or 2
                minutes, whichever ends first.
            population: number of networks that survive a generation.
            epochs: maximum number of epochs per network.
            patience: number of epochs without improvement after which training stops; None for no early stopping.
            objective: a metric, such as "mae" or "accuracy"; by default rmse or log_loss.
            folds: number of cross-validation folds; None uses a single split.
            validation_fraction: share of validation rows in that split; None for a fifth, or less above 10,000 rows.
            strategy: a key of `evonas.strategies.STRATEGIES`.
            space: search space, as in `evonas.search`.
            settings: further fields of `evonas.Settings`.
            random_state: random seed.
            verbose: 1 prints one line per generation, 2 also one per network.
            run_dir: directory of the run, which is resumed if it exists; None for a temporary one.
            in_process: whether to train in this process rather than in a worker; "auto" does so for tables of at most
                100,000 cells.
        """
        self.generations = generations
        self.evaluations = evaluations
        self.time = time
        self.population = population
        self.epochs = epochs
        self.patience = patience
        self.objective = objective
        self.folds = folds
        self.validation_fraction = validation_fraction
        self.strategy = strategy
        self.space = space
        self.settings = settings
        self.random_state = random_state
        self.verbose = verbose
        self.run_dir = run_dir
        self.in_process = in_process

    # ---------------------------------------------------------------- results

    @property
    def best_model_(self) -> Any:
        """The best `keras.Model`, from raw columns to predictions, like `SearchResult.best_model`.

        Its input is `network_.preparation.inputs(rows)` for a DataFrame, or a float32 array.
        """
        check_is_fitted(self)
        labels = np.asarray(getattr(self, "classes_", ()))
        kinds = {"b": "boolean", "i": "integer", "u": "integer", "f": "number"}
        return self.network_.model(tuple(map(str, labels.tolist())), kinds.get(labels.dtype.kind, "text"))

    @property
    def best_estimator_(self) -> Any:
        """This estimator, which predicts with the best network."""
        check_is_fitted(self)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    # ---------------------------------------------------------------- fitting

    def _search(self, rows: Any, y: NDArray[Any], sample_weight: Any, groups: Any) -> None:
        """Searches and stores the results."""
        from evonas.api.prepared_search import search_prepared
        from evonas.api.resume import resume
        from evonas.execution.launch import local_evaluator, worker_for

        threads = assigned_threads()  # other fits of a cross-validation may run in parallel
        seed = seed_of(self.random_state)
        space, forms = space_and_numbers(self.space, None)
        data = self._prepare_data(rows, y, seed=seed, forms=forms, sample_weight=sample_weight, groups=groups)
        space = chosen_space(space, self.space is not None, "", data.problem)
        chosen: dict[str, Any] = {
            "population": self.population,
            "epochs": self.epochs,
            "patience": self.patience,
            "objective": self.objective,
            "cv": self.folds,
            "strategy": self.strategy,
            "seed": seed,
            "finalists": 0,
            **(self.settings or {}),
        }
        settings = Settings(**chosen)
        if settings.objective == "pinball":
            data = with_quantiles(data, settings.quantiles or DEFAULT_QUANTILES)
        bounds: dict[str, Any] = {
            "generations": self.generations,
            "evaluations": self.evaluations,
            "time": self.time,
        }
        common: dict[str, Any] = {
            "on_generation": _report if self.verbose else None,
            "on_part": _report_part if self.verbose > 1 else None,
            "interruption": Interruption(quiet=not self.verbose),
            "evaluator": partial(local_evaluator, data, threads)
            if self._in_this_process(data)
            else partial(worker_for, threads=threads),
        }
        with run_directory(self.run_dir) as directory:
            if (directory / DATABASE).exists():
                kept = {name: value for name, value in chosen.items() if name not in ("objective", "seed")}
                result = resume(directory, data=data, baseline=False, **bounds, **kept, **common)
            else:
                unbounded = all(bound is None for bound in bounds.values())
                budget = (
                    Budget.from_bounds(DEFAULT_GENERATIONS, None, _DEFAULT_TIME)
                    if unbounded
                    else Budget.from_bounds(**bounds)
                )
                result = search_prepared(data, space=space, settings=settings, budget=budget, out=directory, **common)
            self._store_results(result, data)

    def _prepare_data(
        self, rows: Any, y: NDArray[Any], *, seed: int, forms: Any, sample_weight: Any, groups: Any
    ) -> PreparedData:
        """Splits and encodes rows and targets; `forms` are the encodings of numbers that the space allows."""
        dealt: dict[str, Any] = {
            "seed": seed,
            "test_share": 0.0,
            "validation_share": self.validation_fraction,
            "folds": self.folds,
            "task": self._task,
            "sample_weight": sample_weight,
            "class_weight": self._class_weights(),
            "groups": groups,
        }
        if self._samples:
            return prepare_samples({"training": Samples(self._samples, rows)}, {"training": y}, **dealt)
        # Columns of an array are not treated as identifiers.
        return prepare_arrays(rows if self._table else rows.to_numpy(), y, numbers=forms, **dealt)

    def _store_results(self, result: SearchResult, data: PreparedData) -> None:
        space: Any = result.space
        best = result.best
        with RunReader(result.run_dir) as run:
            weights, objective, records = run.weights(best), run.objective, list(run.records())
        genome = space.genome_from_json(best.genome)
        self.network_ = FittedNetwork.from_genome(space, genome, weights, data, result.temperature)
        self.best_score_ = -objective.loss(best.evaluation.scores[objective.name])
        self.best_params_ = space.values(genome)
        self.cv_results_ = results_of(records, space, objective)
        self.best_index_ = int(self.cv_results_["rank_test_score"].argmin())
        self.history_ = result.history
        self.run_dir_ = None if self.run_dir is None else result.run_dir

    def _in_this_process(self, data: PreparedData) -> bool:
        """Whether to train in this process; with "auto", only for small tables, whose networks do not need Keras."""
        if self.in_process not in (True, False, "auto"):
            raise InputError(f"in_process must be True, False or 'auto', not {self.in_process!r}: choose one")
        if self.in_process == "auto" and data.problem.sample_shape:
            return False
        rows = sum(len(split.y_train) for split in data.splits)
        return self.in_process is True or (
            self.in_process == "auto" and rows * max(1, data.problem.for_views().num_features) <= _SMALL_CELLS
        )

    def _class_weights(self) -> Any:
        """The class weights by class index, as `evonas.data.sample_weights.ClassWeight`."""
        return None

    # ---------------------------------------------------------------- rows

    def _check(
        self, X: Any, y: Any, sample_weight: Any, groups: Any, numeric: bool
    ) -> tuple[Any, NDArray[Any], NDArray[np.float64] | None, NDArray[Any] | None]:
        """Validates rows, targets, weights and groups as scikit-learn does; rows with weight 0 are left out.

        Returns rows as a DataFrame, or as an array for images, series and texts.
        """
        if y is None:
            raise InputError(f"{type(self).__name__} requires y to be passed, but the target y is None: pass it")
        rows = self._rows(X, reset=True)
        targets = check_numbers(y, self) if numeric else check_labels(y, self)
        check_consistent_length(rows, targets)
        given = None if groups is None else np.asarray(groups)
        check_consistent_length(rows, given)
        if sample_weight is None:
            return rows, targets, None, given
        weight = check_sample_weight(sample_weight, len(rows), self)
        there = np.flatnonzero(weight)
        return rows_at(rows, there), targets[there], weight[there], None if given is None else given[there]

    def _rows(self, X: Any, reset: bool = False) -> Any:
        """Validates raw rows: a table with columns of any kind, or a numeric array; NaN is a missing value.

        Images, series and texts are returned as an array as in `evonas.data.prepare_samples.Samples`.
        """
        if reset:
            self._samples = kind_of_samples(X, self.space)
            if self._samples:
                self._table = False
                return first_samples(self, self._samples, X)
        if self._samples:
            return X  # checked by the preparation
        table = is_table(X)
        X = flatten(X)
        X = as_frame(X, "X") if table else as_rows(X)
        if reset:
            self._table = table
        if not self._table:  # columns of an array are matched by position, as in scikit-learn
            least = 2 if reset else 1
            checked = validate_data(
                self, X, reset=reset, ensure_all_finite="allow-nan", dtype="numeric", ensure_min_samples=least
            )
            return feature_columns(checked, "X")
        if not table:
            return self._name(X)
        if not len(X) or not X.shape[1]:
            what = "sample" if X.shape[1] else "feature"
            raise InputError(f"Found array with 0 {what}(s) (shape={X.shape}) while a minimum of 1 is required.")
        validate_data(self, X=X, reset=reset, skip_check_array=True)
        rows = feature_columns(X, "X")
        if reset:
            self._columns = tuple(rows.columns)
        return rows

    def _name(self, X: Any) -> pd.DataFrame:
        """The rows of an array as a table, for an estimator fitted on a table: columns are matched by position."""
        import pandas as pd

        array = np.asarray(X.toarray() if hasattr(X, "toarray") else X)
        if array.ndim != 2:
            raise InputError(f"Expected 2D array, got {array.ndim}D array instead. Reshape your data: rows by columns")
        validate_data(self, X=array, reset=False, skip_check_array=True)
        frame = pd.DataFrame(array, columns=list(self._columns))
        return frame.infer_objects() if array.dtype == object else frame

    def _predictions(self, X: Any) -> NDArray[np.float64]:
        check_is_fitted(self)
        return self.network_.predictions(self._rows(X))


def _report(generation: Generation) -> None:
    best = generation.best
    score = "none has a score" if best is None or best.loss is None else f"best loss {best.loss:.6g}"
    seconds = f"{generation.seconds:.0f} s"
    say_lines(f"generation {generation.number}: {generation.trained} networks trained, {score}, {seconds}")


def _report_part(progress: Progress) -> None:
    for evaluation in progress.part:
        scores = ", ".join(f"{name} {score:.6g}" for name, score in evaluation.scores.items())
        say_lines(f"  network {progress.evaluated}: {scores or evaluation.reason}, {progress.seconds:.0f} s")
