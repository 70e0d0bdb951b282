"""`Evolution`: KerasTuner's interface to evonas's search."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evonas.arguments import callbacks_of, digest_of
from evonas.building import Build
from evonas.config import Settings
from evonas.evaluation import Status
from evonas.interruption import Interruption
from evonas.objective import Objective
from evonas.runs.reader import RunReader
from evonas.runs.records import Record
from evonas.runs.schema import DATABASE
from evonas.trials import TrialSearch, run_trials
from evonas.tuner.arguments import hypermodel_of, portable
from evonas.tuner.coding import Coding
from evonas.tuner.discovery import discovered, discovered_in_fit
from evonas.tuner.hyperparameters import HyperParameters
from evonas.tuner.objectives import objective_of
from evonas.tuner.reading import from_json, read_hyperparameters, to_json
from genomes.errors import InputError

__all__ = ["Evolution"]

#: Trials whose weights are kept, the best ones.
_KEPT = 20


class Evolution:
    """Evolves the hyperparameters of a build function that was written for KerasTuner.

        >>> tuner = Evolution(build_model, objective="val_accuracy", max_trials=20)         # doctest: +SKIP
        >>> tuner.search(x, y, epochs=10, validation_data=(x_val, y_val))                   # doctest: +SKIP
        >>> best = tuner.get_best_models()[0]                                               # doctest: +SKIP

    Everything is committed as it comes, and a new tuner of the same directory and project goes on with it.

    Attributes:
        hypermodel: has `build(hp)`, and `fit(hp, model, ...)`.
        project_dir: the run directory.
    """

    def __init__(
        self,
        hypermodel: Any,
        objective: Any = None,
        max_trials: int = 10,
        *,
        seed: int | None = 0,
        executions_per_trial: int = 1,
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
        strategy: str = "evolution",
        in_process: bool = False,
        **settings: Any,
    ) -> None:
        """Finds the hyperparameters by calling `build`, in this process.

        Args:
            hypermodel: `build(hp)`, which returns a `keras.Model`; or an object with such a method and, if it likes,
                `fit(hp, model, *args, **kwargs)`, such as a `keras_tuner.HyperModel`.
            objective: name of a log ("val_accuracy"), an `Objective(name, direction)`, a list of these, whose sum is
                minimised, or None where `fit` returns a number to be minimised.
            max_trials: sets of hyperparameters in all.
            seed: of everything random; None is 0.
            executions_per_trial: trainings of each; the score is their mean.
            max_model_size: parameters that a model may have.
            optimizer, loss, metrics: to compile each model with, in place of its own.
            hyperparameters: `HyperParameters` whose entries take the place of those of the same name.
            tune_new_entries: whether what `hyperparameters` does not hold is searched; else it keeps its default.
            allow_new_entries: whether `build` may ask for what `hyperparameters` does not hold.
            directory: where projects are; this folder unless given.
            project_name: of the run directory in it; "untitled_project" unless given.
            overwrite: whether `search` deletes a project of that name first; else it goes on with it.
            strategy: a key of `evonas.strategies.STRATEGIES`.
            in_process: whether to train in this process, for what cannot be sent to another one.
            **settings: of the strategy, such as `population=8`; see `evonas.Settings`.

        Raises:
            InputError: something given cannot be used.
        """
        for name, value in (("max_trials", max_trials), ("executions_per_trial", executions_per_trial)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise InputError(f"{name} must be a whole number of at least 1, not {value!r}: raise it")
        self.hypermodel = hypermodel_of(hypermodel)
        self.objective = objective_of(objective)
        self.max_trials, self.executions_per_trial, self.seed = int(max_trials), int(executions_per_trial), seed or 0
        self.project_dir = Path(directory or ".") / (project_name or "untitled_project")
        compiling = {"optimizer": optimizer, "loss": loss, "metrics": metrics}
        self._compiling = {name: value for name, value in compiling.items() if value is not None}
        self._max_parameters, self._in_process = max_model_size, in_process
        self._settings = {"strategy": strategy, "seed": self.seed, "keep": min(self.max_trials, _KEPT), **settings}
        Settings(**self._settings)  # refuses what is none
        given = () if hyperparameters is None else read_hyperparameters(hyperparameters)
        known = discovered(self.hypermodel.build, given)
        new = [each.name for each in known if each.name not in {one.name for one in given}]
        if not allow_new_entries and new:
            raise InputError(f"hyperparameters must hold all that build asks for, but not {', '.join(new)}: add them")
        self._tuned = None if tune_new_entries else frozenset(one.name for one in given)
        self._coding = Coding(known, self._tuned)
        self._coding.space  # noqa: B018  # refuses where there is nothing to search
        self._overwrite = overwrite and self._exists

    def search(self, *args: Any, **kwargs: Any) -> None:
        """Trains until `max_trials` sets of hyperparameters are tried; those of an earlier search count.

        Args:
            *args, **kwargs: of `fit`: `x`, `y`, `epochs`, `validation_data`, `validation_split`, `callbacks`, ...
                Each trial uses copies of the callbacks. A `tf.data.Dataset` is read once, and given batch by batch.
                `verbose=0` prints nothing, neither here nor in the trials.

        Raises:
            InputError: something given cannot be used, or every first trial fails alike.
            Interrupted: Ctrl-C; another `search` goes on.
        """
        quiet = kwargs.get("verbose") == 0
        if self.hypermodel.fits:
            known = discovered_in_fit(self.hypermodel.fit, self._coding.known, args, kwargs)
            self._coding = Coding(known, self._tuned)
        trial = self._trial(args, kwargs)
        users = [self.hypermodel.given, *callbacks_of(kwargs)]
        build = Build.of(self.hypermodel.source)
        identity = {
            "build": build.digest,
            "hyperparameters": to_json(self._coding.known),
            "data": digest_of([trial.arguments, trial.named]),
            "executions": self.executions_per_trial,
        }
        first = self._coding.genome(HyperParameters.of(self._coding.known).values)
        search = TrialSearch(
            trial=trial,
            name=build.name,
            users=users,
            space=self._coding.space,
            objective=Objective(self.objective.name, self.objective.direction),
            identity=identity,
            settings=self._settings,
            initial=[] if first is None else [first],
            evaluations=self.max_trials,
            in_process=self._in_process,
        )
        overwrite, self._overwrite = self._overwrite, False
        run_trials(
            search,
            self.project_dir,
            overwrite=overwrite,
            on_part=None if quiet else self._report,
            interruption=Interruption(quiet=quiet),
        )

    def get_best_models(self, num_models: int = 1) -> list[Any]:
        """The best models, best first, built in this process, with the weights of their best epoch.

        Raises:
            InputError: there are none, or the weights of so many are not kept (20 are, unless `keep` says otherwise).
        """
        from evonas.training.tuning import rebuilt

        models = []
        with self._read() as run:
            for record in run.best(num_models):
                hp = self._recorded(run).filled(self._genes(run, record), record.seed)
                models.append(rebuilt(self._trial((), {}), hp, run.weights(record), record.seed))
        return models

    def get_best_hyperparameters(self, num_trials: int = 1) -> list[HyperParameters]:
        """The hyperparameters of the best trials, best first: `tuner.hypermodel.build(best[0])`."""
        with self._read() as run:
            coding = self._recorded(run)
            return [coding.filled(self._genes(run, record), record.seed) for record in run.best(num_trials)]

    @property
    def remaining_trials(self) -> int:
        """Trials that a `search` would still do."""
        if self._overwrite or not self._exists:
            return self.max_trials
        with self._read() as run:
            return max(0, self.max_trials - run.evaluated)

    def results_summary(self, num_trials: int = 10) -> None:
        """Prints the best trials."""
        with self._read() as run:
            print(f"Results in {self.project_dir}: {run.evaluated} trials, {run.failed} of them without a score")
            print(f"Best {min(num_trials, run.evaluated - run.failed)} by {self._shown}:")
            for record in run.best(num_trials):
                score = record.evaluation.scores[self.objective.name]
                print(f"\nTrial {record.generation}.{record.index}: {self.objective.name} {score:.6g}")
                for name, value in self._recorded(run).values(self._genes(run, record)).items():
                    print(f"  {name}: {value}")
            for record in [each for each in run.records() if each.evaluation.status is not Status.OK][:3]:
                print(f"\nTrial {record.generation}.{record.index} failed: {record.evaluation.reason}")

    def search_space_summary(self, extended: bool = False) -> None:
        """Prints the hyperparameters.

        Args:
            extended: whether to say under which conditions they are there.
        """
        print(f"Search space: {len(self._coding.known)} hyperparameters")
        for each in self._coding.known:
            settings = ", ".join(f"{name}={value!r}" for name, value in each.get_config().items() if name != "name")
            print(f"{each.name} ({each.kind}): {settings}")
            if extended and each.conditions:
                print("  where " + " and ".join(f"{name} is one of {list(some)}" for name, some in each.conditions))

    @property
    def _exists(self) -> bool:
        return (self.project_dir / DATABASE).exists()

    @property
    def _shown(self) -> str:
        parts = [f"{part.name} ({part.direction})" for part in self.objective.parts]
        return " and ".join(parts) or f"{self.objective.name} ({self.objective.direction})"

    def _trial(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        from evonas.training.tuning import TunerTrial

        opened = partial(portable, in_process=self._in_process)
        return TunerTrial(
            build=self.hypermodel.build,
            fit=self.hypermodel.fit if self.hypermodel.fits else None,
            hyperparameters=self._coding.filled,
            objective=self.objective,
            arguments=tuple(map(opened, args)),
            named={name: opened(value) for name, value in kwargs.items()},
            executions=self.executions_per_trial,
            compiling=self._compiling,
            max_parameters=self._max_parameters,
        )

    def _read(self) -> RunReader:
        if self._overwrite or not self._exists:
            raise InputError(f"results must be searched for first, but {self.project_dir} holds none: call search")
        return RunReader(self.project_dir)

    def _recorded(self, run: RunReader) -> Coding:
        """The hyperparameters as the run has them: `fit` may have asked for more than `build`."""
        return Coding(from_json(run.source.get("trial", {}).get("hyperparameters")), self._tuned)

    def _genes(self, run: RunReader, record: Record) -> Mapping[str, Any]:
        return self._recorded(run).space.genome_from_json(record.genome)

    def _report(self, progress: Any) -> None:
        (last,) = progress.part[-1:]
        score = last.scores.get(self.objective.name)
        outcome = f"{self.objective.name} {score:.6g}" if last.status is Status.OK else f"failed: {last.reason}"
        best = progress.best
        so_far = "" if best is None else f", best so far {best.evaluation.scores[self.objective.name]:.6g}"
        print(f"Trial {progress.evaluated} of {self.max_trials}: {outcome}{so_far}", flush=True)
