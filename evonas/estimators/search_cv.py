"""`EvolutionSearchCV`: an evolutionary counterpart of scikit-learn's `RandomizedSearchCV` for Keras models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics import check_scoring, get_scorer
from sklearn.model_selection import check_cv
from sklearn.utils.validation import check_is_fitted

from evonas.api.fit_arguments import digest_of, parts_of
from evonas.api.options import RunOptions
from evonas.api.trials import TrialSearch, may_stay_here, run_trials, trains_natively
from evonas.estimators.checks import plain_labels
from evonas.estimators.parameters import Parameters, read_parameters
from evonas.estimators.results import mask_columns, ranks
from evonas.estimators.run_directory import run_directory
from evonas.estimators.seeds import seed_of
from evonas.evaluation import Status
from evonas.execution_options import Execution
from evonas.interruption import Interruption
from evonas.io.console import say_lines
from evonas.objective import Objective
from evonas.runs.progress import Progress
from evonas.runs.reader import RunReader
from evonas.runs.trainer_counts import count_trainers
from evonas.seeds import RandomStream, stream_rng
from evonas.user_model import Build
from genomes.errors import InputError

__all__ = ["EvolutionSearchCV"]

#: Maximum number of scores that a run stores per trial.
_MOST_SCORES = 100


class EvolutionSearchCV(BaseEstimator):  # type: ignore[misc]
    """Searches the parameters of a function that builds compiled Keras models, by cross-validation.

        >>> from scipy.stats import loguniform
        >>> def build_model(units, rate): ...  # returns a compiled keras.Model
        >>> space = {"units": [16, 32], "rate": loguniform(1e-4, 1e-2)}
        >>> search = EvolutionSearchCV(build_model, space, n_iter=10)
        >>> search.fit(x, y, epochs=100, callbacks=[EarlyStopping(patience=10)])            # doctest: +SKIP
        >>> search.best_params_, search.best_score_, search.best_model_                     # doctest: +SKIP

    Models are trained in a worker process, and results are committed one by one. A model whose training fails or
    diverges has score NaN and the last rank.

    Attributes:
        best_params_, best_score_, best_index_: the parameters with the best mean score, that score and its index.
        best_estimator_: model trained with them on all rows (`refit`), with `predict`, `predict_proba` and `score`.
        best_model_: `keras.Model` of `best_estimator_`.
        cv_results_: columns by name: "params", "param_units", "split0_test_score", "mean_test_score", ...;
            `mean_fit_time` includes scoring, and `mean_score_time` is 0.
        scorer_: the scorer or scorers.
        n_splits_: number of folds.
        refit_time_: duration of the final training in seconds.
        classes_: labels of a classifier.
        trained_: number of models trained natively, and why Keras trained the others.
        run_dir_: the run directory; None if it was temporary.
    """

    def __init__(
        self,
        build_model: Callable[..., Any],
        space: Any,
        *,
        n_iter: int = 10,
        scoring: Any = None,
        cv: Any = None,
        refit: bool | str = True,
        verbose: int = 0,
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        strategy: str = "evolution",
        settings: RunOptions | None = None,
        run_dir: str | Path | None = None,
        in_process: bool | None = None,
        execution: Any = None,
    ) -> None:
        """Stores the arguments unchanged, as scikit-learn requires.

        Args:
            build_model: `build_model(**parameters)`, which returns a compiled `keras.Model`. Its loss determines
                whether it is a classifier; labels are passed as class indices or one-hot, as the loss requires.
            space: name -> a frozen scipy distribution, a list, a range, an array, or a gene of
                `genomes.HyperparameterSpace`. `build_model` receives plain Python ints, floats, ... Names that it does
                not accept are passed to `fit` if they are `epochs`, `batch_size` etc., or `fit__...`.
            n_iter: number of parameter sets to try.
            scoring: as in scikit-learn, one or several. None means accuracy for classifiers, else the negative loss.
            cv: number of folds or a splitter, as in scikit-learn.
            refit: whether to train on all rows at the end; with several scores, the name of the ranking one.
            verbose: 1 prints one line per parameter set.
            random_state: random seed.
            error_score: NaN, or "raise" to stop at the first exception.
            return_train_score: whether to score the training rows too.
            strategy: a key of `evonas.strategies.STRATEGIES`.
            settings: settings of the strategy, fields of `evonas.Settings` such as `{"population": 8}`.
            run_dir: directory of the run, which is resumed if it exists; None for a temporary one.
            in_process: whether to train in this process; None does so if Keras is loaded already and models are trained
                natively. `settings={"trainer": "single"}` trains everything with Keras.
            execution: "processes" or "ray", or an `evonas.Execution` with the number of workers: where models are
                trained if not in this process.
        """
        self.build_model = build_model
        self.space = space
        self.n_iter = n_iter
        self.scoring = scoring
        self.cv = cv
        self.refit = refit
        self.verbose = verbose
        self.random_state = random_state
        self.error_score = error_score
        self.return_train_score = return_train_score
        self.strategy = strategy
        self.settings = settings
        self.run_dir = run_dir
        self.in_process = in_process
        self.execution = execution

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None, **fit_params: Any
    ) -> EvolutionSearchCV:
        """Searches, then trains the best on all rows.

        Args:
            X: an array, a table, or a mapping, tuple or list of arrays, with `num_samples` rows each.
            y: targets or labels, shape `(num_samples,)` or `(num_samples, num_targets)`; for classifiers also one-hot,
                in which case `predict` is one-hot too.
            sample_weight: training weights, split together with the rows.
            groups: groups of the rows, for splitters that use them.
            **fit_params: arguments of `keras.Model.fit`: `epochs`, `validation_data`, `callbacks` (copied for each
                model), `class_weight`, ...

        Raises:
            InputError: an argument is invalid, or all of the first models fail in the same way.
        """
        from evonas.training.single.cross_validation import CrossValidationTrial

        if isinstance(self.n_iter, bool) or not isinstance(self.n_iter, (int, np.integer)) or self.n_iter < 1:
            raise InputError(f"n_iter must be a whole number of at least 1, not {self.n_iter!r}: raise it")
        seed = seed_of(self.random_state)
        parameters = read_parameters(self.space, seed)
        if y is None:
            raise InputError("y must be given, the target of each row of X, not None: pass it")
        targets = np.asarray(plain_labels(y))
        count = len(targets)
        if sample_weight is not None:
            fit_params["sample_weight"] = sample_weight
        dealt = _stratification_labels(targets)
        splitter = check_cv(self.cv, targets if dealt is None else dealt, classifier=dealt is not None)
        by = dealt if dealt is not None or self.cv is None or isinstance(self.cv, (int, np.integer)) else targets
        splits = list(splitter.split(np.zeros(count), by, groups))
        scorers, chosen = self._scorers()
        many = len(splits) + 1
        if many * len(scorers) * (2 if self.return_train_score else 1) > _MOST_SCORES:
            raise InputError(
                f"folds times scores must be at most {_MOST_SCORES} per trial, not {len(splits)} folds of "
                f"{len(scorers)} scores: use fewer"
            )
        trial = CrossValidationTrial(
            build=self.build_model,
            parameters=parameters,
            x=X if isinstance(X, (Mapping, tuple)) or hasattr(X, "iloc") else np.asarray(X),
            y=targets,
            classes=np.unique(targets) if targets.ndim == 1 or targets.shape[1:] == (1,) else None,
            splits=splits,
            scorers=scorers,
            chosen=chosen,
            arguments={name: value for name, value in fit_params.items() if value is not None},
            by_row=frozenset(
                name
                for name in ("sample_weight",)
                if fit_params.get(name) is not None and len(fit_params[name]) == count
            ),
            train_scores=self.return_train_score,
            raises=isinstance(self.error_score, str) and self.error_score == "raise",
        )
        self._search(trial, parameters, chosen, seed, [X, targets, fit_params, splits])
        self.scorer_ = self._show_scorers()
        self.n_splits_ = len(splits)
        self.multimetric_ = len(scorers) > 1
        if self.refit:
            self._refit(trial, seed)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Predictions of the best model: targets or labels."""
        return np.asarray(self._fit().predict(X))

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Probabilities of the classes, shape `(num_samples, num_classes)`."""
        return np.asarray(self._fit().predict_proba(X))

    def score(self, X: Any, y: Any) -> float:
        """The score of the best model on these rows, by the scorer of the search."""
        estimator = self._fit()
        scorers, chosen = self._scorers()
        scorer = scorers[chosen]
        return float(estimator.score(X, y) if scorer is None else scorer(estimator, X, y))

    @property
    def best_model_(self) -> Any:
        """The best `keras.Model`, trained on all rows."""
        return self._fit().model_

    @property
    def classes_(self) -> Any:
        """The labels of a classifier."""
        return self._fit().classes_

    @property
    def history_(self) -> Any:
        """Logs of the final training: name -> values by epoch."""
        return self._fit().history_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        estimator = getattr(self, "best_estimator_", None)
        if estimator is not None:
            of = estimator.__sklearn_tags__()
            tags.estimator_type, tags.classifier_tags, tags.regressor_tags = (
                of.estimator_type,
                of.classifier_tags,
                of.regressor_tags,
            )
        return tags

    def _fit(self) -> Any:
        check_is_fitted(self, "cv_results_")
        if not hasattr(self, "best_estimator_"):
            raise InputError("refit must be on to have a trained model, not False: fit with refit=True")
        return self.best_estimator_

    def _scorers(self) -> tuple[dict[str, Any], str]:
        """Name -> scorer, and the name of the one that ranks."""
        given = self.scoring
        if given is None:
            return {"score": None}, "score"
        if isinstance(given, str) or callable(given):
            return {"score": get_scorer(given) if isinstance(given, str) else given}, "score"
        named = dict(given) if isinstance(given, Mapping) else {str(name): name for name in given}
        scorers = {name: get_scorer(one) if isinstance(one, str) else one for name, one in named.items()}
        if self.refit is True or (self.refit and self.refit not in scorers):
            raise InputError(
                f"refit must be the name of the score that ranks, one of {', '.join(scorers)}, not {self.refit!r}"
            )
        return scorers, self.refit if isinstance(self.refit, str) else next(iter(scorers))

    def _show_scorers(self) -> Any:
        scorers, chosen = self._scorers()
        if len(scorers) > 1:
            return scorers
        scorer = scorers[chosen]
        return check_scoring(_ScoreProxy(), None) if scorer is None else scorer

    def _search(self, trial: Any, parameters: Parameters, chosen: str, seed: int, given: list[Any]) -> None:
        build = Build.from_function(self.build_model)
        identity = {
            "build": build.digest,
            "options": digest_of(parameters.identity),
            "data": digest_of(given),
            "score": chosen,
        }
        score = f"mean_test_{chosen}"
        execution = Execution.from_arguments(self.execution)
        if self.execution is not None and self.in_process:
            raise InputError("execution must be left out with in_process: models are trained in this process")
        here = bool(self.in_process) if self.execution is not None else self.in_process
        here = self._trains_here(trial, parameters, seed) if here is None else here
        search = TrialSearch(
            trial=trial,
            name=build.name,
            parts=self._parts(trial),
            space=parameters.space,
            objective=Objective(score, "max"),
            identity=identity,
            settings={"strategy": self.strategy, "seed": seed, "keep": 1, **(self.settings or {})},
            initial=[],
            evaluations=int(self.n_iter),
            in_process=here,
            execution=execution,
        )
        with run_directory(self.run_dir) as directory:
            report = partial(_report, score=score, count=self.n_iter) if self.verbose else None
            run_trials(search, directory, on_part=report, interruption=Interruption(quiet=not self.verbose))
            with RunReader(directory) as run:
                records = list(run.records())
        found = [parameters(search.space.genome_from_json(record.genome)) for record in records]
        self.cv_results_ = _results(records, found, trial)
        self.trained_ = count_trainers(record.evaluation for record in records)
        if self.verbose:
            say_lines(self.trained_)
        self.run_dir_ = None if self.run_dir is None else directory
        self._genomes = [search.space.genome_from_json(record.genome) for record in records]
        self.best_index_ = int(self.cv_results_[f"rank_test_{chosen}"].argmin())
        self.best_params_ = self.cv_results_["params"][self.best_index_]
        self.best_score_ = float(self.cv_results_[score][self.best_index_])

    def _trains_here(self, trial: Any, parameters: Parameters, seed: int) -> bool:
        """Whether models are trained natively, which is safe and fast in this process."""
        if not may_stay_here(self.settings or {}):
            return False
        try:
            return not trial.refusal(parameters.space.sample(stream_rng(RandomStream.PROBE, seed)), seed)
        except Exception:  # the trial raises it again and reports it
            return False

    def _parts(self, trial: Any) -> dict[str, Any]:
        """The user's objects by their names in messages."""
        scorers = {f"scoring {name!r}": scorer for name, scorer in trial.scorers.items() if callable(scorer)}
        return {"build_model": self.build_model, **scorers, **parts_of((), trial.arguments), "X": trial.x}

    def _refit(self, trial: Any, seed: int) -> None:
        import time

        if np.isnan(self.best_score_):
            raise InputError(
                "a model must have a finite score to be trained on all rows, but none has: fix build_model"
            )
        started = time.perf_counter()
        from evonas.training.single.fit_dispatch import FitMode, use_mode

        with use_mode(FitMode(trains_natively(self.settings or {}))):
            self.best_estimator_ = trial.fit_estimator(self._genomes[self.best_index_], seed, None)
        self.refit_time_ = time.perf_counter() - started


class _ScoreProxy(BaseEstimator):  # type: ignore[misc]
    """A stand-in for an estimator, to be scored by its `score` method."""

    def fit(self, X: Any, y: Any) -> _ScoreProxy:
        return self

    def score(self, X: Any, y: Any) -> float:
        raise NotImplementedError


def _stratification_labels(targets: NDArray[Any]) -> NDArray[Any] | None:
    """Labels for stratification, shape `(num_samples,)`, if the targets look like classes; else None.

    These are texts, booleans, few distinct integers, or one-hot columns.
    """
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if targets.ndim == 2 and targets.dtype.kind in "biuf" and np.isin(targets, (0, 1)).all():
        return np.asarray(targets.argmax(axis=1)) if (targets.sum(axis=1) == 1).all() else None
    if targets.ndim != 1:
        return None
    if targets.dtype.kind in "OSUb":
        return targets
    if targets.dtype.kind not in "iu":
        return None
    labels = np.unique(targets)
    few = len(labels) == 2 or (len(labels) <= 20 and len(targets) >= 10 * len(labels))
    return targets if few else None


def _results(records: list[Any], found: list[dict[str, Any]], trial: Any) -> dict[str, Any]:
    """The `cv_results_`, with rows in the order in which parameters were tried."""
    seconds = np.array([record.evaluation.train_seconds for record in records]) / len(trial.splits)
    zeros = np.zeros(len(records))
    results: dict[str, Any] = {
        "mean_fit_time": seconds,
        "std_fit_time": zeros,
        "mean_score_time": zeros.copy(),
        "std_score_time": zeros.copy(),
        "params": found,
    }
    results |= mask_columns(found)
    for part in ("test", "train") if trial.train_scores else ("test",):
        for name in trial.scorers:
            keys = [f"split{number}_{part}_{name}" for number in range(len(trial.splits))]
            for key in keys:
                results[key] = np.array([record.evaluation.scores.get(key, np.nan) for record in records])
            table = np.stack([results[key] for key in keys])
            ok = np.array([record.evaluation.status is Status.OK for record in records])
            results[f"mean_{part}_{name}"] = np.where(ok, table.mean(axis=0), np.nan)
            results[f"std_{part}_{name}"] = np.where(ok, table.std(axis=0), np.nan)
            if part == "test":
                results[f"rank_test_{name}"] = ranks(results[f"mean_test_{name}"])
    return results


def _report(progress: Progress, score: str, count: int) -> None:
    (last,) = progress.part[-1:]
    outcome = f"{last.scores[score]:.6g}" if last.status is Status.OK else f"failed: {last.reason}"
    say_lines(f"{progress.evaluated} of {count}: {outcome}")
