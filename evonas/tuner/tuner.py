"""`Evolution`: KerasTuner's interface to evonas's search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from evonas.api.fit_arguments import digest_of, parts_of
from evonas.api.options import TunerOptions
from evonas.api.trials import TrialSearch, may_stay_here, run_trials
from evonas.config import Settings
from evonas.evaluation import Evaluation, Status
from evonas.execution_options import Execution
from evonas.interruption import Interruption
from evonas.io.batch_streams import Streams
from evonas.io.console import say_lines
from evonas.objective import Objective
from evonas.quantities import duration
from evonas.runs.reader import RunReader
from evonas.seeds import unchanged_random
from evonas.tuner import subclassing
from evonas.tuner.arguments import Hypermodel, hypermodel_of, portable
from evonas.tuner.checks import (
    check_arguments,
    check_hypermodel,
    check_place,
    check_project,
    check_trials,
    warn_ignored,
)
from evonas.tuner.discovery import discover, discover_in_fit
from evonas.tuner.encoding import GeneCodec
from evonas.tuner.hyperparameters import HyperParameters
from evonas.tuner.kinds import Hyperparameter
from evonas.tuner.names import missing_attribute_message
from evonas.tuner.objectives import objective_of
from evonas.tuner.outcome import Outcome
from evonas.tuner.reading import from_json, read_hyperparameters, to_json
from evonas.tuner.subclassing import Running, SubclassTrial
from evonas.tuner.trial import Oracle, Trial
from evonas.user_model import Build
from genomes import HyperparameterSpace
from genomes.errors import InputError

__all__ = ["Evolution"]

#: Number of best trials whose weights are kept.
_KEPT = 20


class Evolution(Outcome):
    """Searches the hyperparameters of a build function that was written for KerasTuner.

        >>> tuner = Evolution(build_model, objective="val_accuracy", max_trials=20)         # doctest: +SKIP
        >>> tuner.search(x, y, epochs=10, validation_data=(x_val, y_val))                   # doctest: +SKIP
        >>> best = tuner.get_best_models()[0]                                               # doctest: +SKIP

    Results are committed immediately, and a new tuner with the same directory and project continues the search. It may
    be subclassed like KerasTuner's tuners: `run_trial` and the `on_...` methods are called in this process.

    Attributes:
        hypermodel: object with `build(hp)` and `fit(hp, model, ...)`; None if `run_trial` needs none.
        project_dir: run directory.
        oracle: access to trials and the space.
    """

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_trials: int = 10,
        *,
        seed: int | None = 0,
        executions_per_trial: int = 1,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int | None = None,
        max_model_size: int | None = None,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Any = None,
        hyperparameters: Any = None,
        tune_new_entries: bool = True,
        allow_new_entries: bool = True,
        directory: str | Path | None = None,
        project_name: str | None = None,
        overwrite: bool = False,
        time: str | float | None = None,
        strategy: str = "evolution",
        in_process: bool | None = None,
        execution: str | Execution | None = None,
        distribution_strategy: Any = None,
        logger: Any = None,
        tuner_id: str | None = None,
        **settings: Unpack[TunerOptions],
    ) -> None:
        """Discovers the hyperparameters by calling `build` in this process.

        Args:
            hypermodel: `build(hp)`, which returns a `keras.Model`; or an object with such a method and optionally
                `fit(hp, model, *args, **kwargs)`, such as a `keras_tuner.HyperModel`.
            objective: name in the logs ("val_accuracy"), an `Objective(name, direction)`, a list of these, whose sum is
                minimised, or None if `fit` returns a number to minimise.
            max_trials: total number of trials.
            seed: seed of all randomness; None is 0.
            executions_per_trial: training runs per trial; the score is their mean.
            max_retries_per_trial: how often a failing trial is retried.
            max_consecutive_failed_trials: consecutive trials without a score after which the search ends; None for no
                bound.
            max_model_size: maximum number of parameters of a model.
            optimizer, loss, metrics: replacements for those that each model is compiled with.
            hyperparameters: `HyperParameters` whose entries override those of the same name.
            tune_new_entries: whether hyperparameters outside `hyperparameters` are searched; otherwise they keep their
                defaults.
            allow_new_entries: whether `build` may request hyperparameters outside `hyperparameters`.
            directory: directory of projects, by default the current folder.
            project_name: name of the run directory in it, by default "untitled_project".
            overwrite: whether `search` first deletes a project of that name; otherwise it is resumed.
            time: wall-clock bound of the search, such as "10m" or seconds.
            strategy: a key of `evonas.strategies.STRATEGIES`.
            in_process: whether to train in this process, for objects that cannot be sent to another one; None does so
                if a subclass overrides methods called in trials, and if the model with default values is trained
                natively. `trainer="single"` trains everything with Keras.
            execution: "processes" or "ray", or an `evonas.Execution` with the number of workers: where trials run if
                not in this process; if the space may grow, they run one at a time.
            distribution_strategy, logger, tuner_id: accepted for compatibility with KerasTuner; ignored with a warning.
            **settings: settings of the strategy, such as `population=8`; see `evonas.Settings`.

        Raises:
            InputError: an argument is invalid.
        """
        warn_ignored(distribution_strategy=distribution_strategy, logger=logger, tuner_id=tuner_id)
        check_arguments(settings)
        check_trials(max_trials, executions_per_trial, max_retries_per_trial, max_consecutive_failed_trials)
        given = subclassing.overridden(self, Evolution)
        check_place(in_process, execution, given)
        self._execution = Execution.from_arguments(execution)
        self._hooks, self._in_process = given, bool(in_process or given)
        self._asks_place = in_process is None and not given and execution is None
        check_hypermodel(hypermodel, given)
        self.hypermodel: Hypermodel | None = None if hypermodel is None else hypermodel_of(hypermodel)
        self.objective = objective_of(objective)
        self.max_trials, self.executions_per_trial, self.seed = int(max_trials), int(executions_per_trial), seed or 0
        self.max_retries_per_trial = int(max_retries_per_trial)
        self.max_consecutive_failed_trials = max_consecutive_failed_trials
        self.directory, self.project_name = str(directory or "."), project_name or "untitled_project"
        self.project_dir = Path(self.directory) / self.project_name
        if not self._exists:
            check_project(self.project_dir, overwrite)
        self.max_model_size, self.optimizer, self.loss, self.metrics = max_model_size, optimizer, loss, metrics
        self.allow_new_entries, self.tune_new_entries = allow_new_entries, tune_new_entries
        self.distribution_strategy, self.logger, self.tuner_id = distribution_strategy, logger, tuner_id
        self._seconds = None if time is None else duration(time)
        kept = min(self.max_trials, _KEPT)
        self._settings: dict[str, Any] = {"strategy": strategy, "seed": self.seed, "keep": kept, **settings}
        Settings(**self._settings)  # refuses invalid ones
        self._overwrite = overwrite and self._exists
        self.oracle = Oracle(self)
        self.running: Running | None = None
        self._codec = self._discover_codec(() if hyperparameters is None else read_hyperparameters(hyperparameters))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Rejects KerasTuner methods that would never be called."""
        super().__init_subclass__(**kwargs)
        subclassing.check_subclass(cls, Evolution)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(missing_attribute_message("Tuner", name))

    # ---------------------------------------------------------------- to be overridden

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> Any:
        """Builds and fits a model for the trial's hyperparameters, `executions_per_trial` times.

        Args:
            trial: trial with `hyperparameters` and `trial_id`.
            *args, **kwargs: arguments passed on to `fit`, those of `search` or others.

        Returns:
            A history, a number, a mapping of numbers with the objective, or a list of these.

        Raises:
            InputError: no trial is running.
        """
        if self.running is None or self.running.trial is not trial:
            raise InputError("run_trial must be called by search, in a trial: call search")
        return self.running.execute(self, args, kwargs)

    def save_model(self, trial_id: str, model: Any, step: int = 0) -> None:
        """Keeps the weights of a model for the running trial, for a `run_trial` with a custom training loop."""
        if self.running is None or self.running.trial.trial_id != trial_id:
            raise InputError(f"trial_id must be that of the running trial, not {trial_id!r}: call it in run_trial")
        self.running.kept.keep(model)

    # ---------------------------------------------------------------- searching

    def search(self, *args: Any, **kwargs: Any) -> None:
        """Runs trials until there are `max_trials`, including those of an earlier search.

        Args:
            *args, **kwargs: arguments of `fit`: `x`, `y`, `epochs`, `validation_data`, `validation_split`, `callbacks`,
                ... Each trial uses copies of the callbacks. Generators and `tf.data.Dataset`s are read here, batch by
                batch, while trials train on them. `verbose=0` prints nothing, neither here nor in the trials.

        Raises:
            InputError: an argument is invalid, or all of the first trials fail in the same way.
            Interrupted: Ctrl-C was pressed; another `search` continues.
        """
        quiet = kwargs.get("verbose") == 0
        self.on_search_begin()
        with Streams() as streams:
            if self.hypermodel is not None and self.hypermodel.fits and not self._hooks:
                known = discover_in_fit(self.hypermodel.fit, self._codec.known, args, kwargs)
                self._codec = GeneCodec(known, self._codec.tuned, self._codec.pinned)
            overwrite, self._overwrite = self._overwrite, False
            search = self._trial_search(args, kwargs, streams, overwrite)
            run_trials(
                search,
                self.project_dir,
                overwrite=overwrite,
                on_part=None if quiet else self._report,
                interruption=Interruption(quiet=quiet),
            )
        if not quiet and (ways := self.trained).total:
            say_lines(ways)
        self.on_search_end()

    def _trial_search(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], streams: Streams, overwrite: bool
    ) -> TrialSearch:
        parts = parts_of(args, kwargs)
        self._in_process = self._in_process or (self._asks_place and self._trains_here(args, kwargs))
        if not self._in_process:
            args = tuple(portable(f"argument {index + 1}", value, streams) for index, value in enumerate(args))
            kwargs = {
                name: value if name == "callbacks" else portable(name, value, streams) for name, value in kwargs.items()
            }
            if streams.serves and self._execution.place == "ray":
                raise InputError(
                    "data must be arrays with execution ray, not data sets or generators, which are read in this "
                    "process alone: leave execution out, or give arrays"
                )
        spec = self._spec(args, kwargs)
        trial: Any = spec
        if self._hooks:
            trial = SubclassTrial(self, spec, self._hooks)
            if "run_trial" in self._hooks:
                self._reveal(trial, overwrite)
            if self._exists and not overwrite:
                with RunReader(self.project_dir) as run:
                    trial.number = run.evaluated
        codec = self._codec
        build = Build.from_function(type(self) if self.hypermodel is None else self.hypermodel.source)
        identity = {
            "build": build.digest,
            "hyperparameters": to_json(codec.known),
            "tuned": None if codec.tuned is None else sorted(codec.tuned),
            "data": digest_of([args, kwargs]),
            "executions": self.executions_per_trial,
            **({"tuner": Build.from_function(type(self)).digest} if type(self) is not Evolution else {}),
        }
        first = codec.genome(HyperParameters.from_space(codec.known).values)
        return TrialSearch(
            trial=trial,
            name=build.name,
            parts=({} if self.hypermodel is None else {"hypermodel": self.hypermodel.given}) | parts,
            space=codec.space,
            objective=Objective(self.objective.name, self.objective.direction),
            identity=identity,
            settings=self._settings,
            initial=[] if first is None else [first],
            evaluations=self.max_trials,
            in_process=self._in_process,
            seconds=self._seconds,
            most_failures=self.max_consecutive_failed_trials,
            grown=self._extended_space,
            execution=self._execution,
        )

    def _trains_here(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Whether the model with default values is trained natively, which is safe and fast in this process."""
        if self.hypermodel is None or not may_stay_here(self._settings):
            return False
        codec = self._codec
        try:
            hp = HyperParameters.from_space(codec.known, pinned=codec.pinned)
            with unchanged_random():
                return not self._spec(args, kwargs).refusal(hp, self.seed)
        except Exception:  # a trial raises it again and reports it
            return False

    def _reveal(self, trial: SubclassTrial, overwrite: bool) -> None:
        """Runs the first trial, with default values, to discover the hyperparameters of `run_trial`; or reads its
        record.
        """
        codec = self._codec
        if self._exists and not overwrite:
            with RunReader(self.project_dir) as run:
                recorded = from_json(run.source.get("trial", {}).get("hyperparameters", []))
            names = {(each.name, each.conditions) for each in recorded}
            if all((each.name, each.conditions) in names for each in codec.known):
                self._codec = GeneCodec(recorded, codec.tuned, codec.pinned)
            return
        hp = HyperParameters.from_space(codec.known, pinned=codec.pinned)
        try:
            found = trial.run(hp, self.seed, lambda epoch=0, epochs=0, parameters=0: None)
        except InputError:
            raise
        except Exception as error:
            if not hp.space:
                raise
            found = Evaluation(Status.FAILED, reason=f"the trial raised {type(error).__name__}: {error!s:.300}")
        self._check_new(hp.new)
        self._codec = GeneCodec(tuple(hp.space), codec.tuned, codec.pinned)
        first = self._codec.genome(hp.values)
        if first is not None:
            trial.first = (first, found)

    def _extended_space(self, late: Sequence[Any]) -> HyperparameterSpace:
        """The space including hyperparameters revealed by trials."""
        found = from_json(late)
        self._check_new(found)
        return self._codec.extend(found).space

    def _check_new(self, found: Sequence[Hyperparameter]) -> None:
        new = dict.fromkeys(each.name for each in found if each.name not in self._codec.pinned)
        if not self.allow_new_entries and new:
            raise InputError(f"hyperparameters must hold all that build asks for, but not {', '.join(new)}: add them")

    # ---------------------------------------------------------------- internals

    def _discover_codec(self, given: Sequence[Hyperparameter]) -> GeneCodec:
        """The hyperparameters that `build` requests."""
        pinned = frozenset(each.name for each in given)
        hypermodel = self.hypermodel
        known: tuple[Hyperparameter, ...] = tuple(given)
        if hypermodel is not None:
            declared = HyperParameters.from_space(given, pinned=pinned)
            hypermodel.declare_hyperparameters(declared)
            known = discover(hypermodel.build, declared.space, pinned=pinned)
        codec = GeneCodec(known, None if self.tune_new_entries else pinned, pinned)
        new = [each.name for each in known if each.name not in pinned]
        if not self.allow_new_entries and new:
            raise InputError(f"hyperparameters must hold all that build asks for, but not {', '.join(new)}: add them")
        if "run_trial" not in self._hooks:
            codec.space  # noqa: B018  # refuses if there is nothing to search
        return codec

    def _spec(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The specification of a trial."""
        from evonas.training.single.keras_tuner import TunerTrial

        hypermodel = self.hypermodel
        compiling = {"optimizer": self.optimizer, "loss": self.loss, "metrics": self.metrics}
        return TunerTrial(
            build=_no_model if hypermodel is None else hypermodel.build,
            fit=hypermodel.fit if hypermodel is not None and hypermodel.fits else None,
            hyperparameters=self._codec.fill,
            objective=self.objective,
            arguments=args,
            named=kwargs,
            executions=self.executions_per_trial,
            compiling={name: value for name, value in compiling.items() if value is not None},
            max_parameters=self.max_model_size,
            retries=self.max_retries_per_trial,
        )

    def _report(self, progress: Any) -> None:
        (last,) = progress.part[-1:]
        score = last.scores.get(self.objective.name)
        outcome = f"{self.objective.name} {score:.6g}" if last.status is Status.OK else f"failed: {last.reason}"
        best = progress.best
        so_far = "" if best is None else f", best so far {best.evaluation.scores[self.objective.name]:.6g}"
        say_lines(f"Trial {progress.evaluated} of {self.max_trials}: {outcome}{so_far}")


def _no_model(hp: Any) -> Any:
    raise InputError("hypermodel must be given if run_trial calls super().run_trial(), which builds a model: give it")
