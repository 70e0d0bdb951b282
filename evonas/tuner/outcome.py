"""`Outcome`: KerasTuner's interface to the results of a tuner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evonas.evaluation import Status
from evonas.io.console import say_lines
from evonas.runs.reader import RunReader
from evonas.runs.schema import DATABASE
from evonas.runs.trainer_counts import TrainerCounts, count_trainers
from evonas.seeds import unchanged_random
from evonas.tuner.encoding import GeneCodec
from evonas.tuner.hooks import Hooks
from evonas.tuner.hyperparameters import HyperParameters
from evonas.tuner.kinds import Hyperparameter
from evonas.tuner.objectives import TunerObjective
from evonas.tuner.results import done_trials, hyperparameters_of, print_results, print_space, read_codec
from evonas.tuner.trial import Trial
from genomes.errors import InputError

__all__ = ["Outcome"]


class Outcome(Hooks):
    """The part of `Evolution` that reads the results of a search."""

    objective: TunerObjective
    max_trials: int
    project_dir: Path
    _codec: GeneCodec
    _hooks: frozenset[str]
    _overwrite: bool

    def _spec(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        raise NotImplementedError

    def get_best_models(self, num_models: int = 1) -> list[Any]:
        """The best models, best first, built in this process, with the weights of their best epoch.

        Raises:
            InputError: there are no models, or fewer weights are kept (by default 20, see `keep`).
        """
        return [self.load_model(trial) for trial in self.done_trials(num_models)]

    def get_best_hyperparameters(self, num_trials: int = 1) -> list[HyperParameters]:
        """The hyperparameters of the best trials, best first: `tuner.hypermodel.build(best[0])`."""
        return [trial.hyperparameters for trial in self.done_trials(num_trials)]

    def load_model(self, trial: Trial) -> Any:
        """The model of a finished trial, built in this process, with the weights of its best epoch.

        Raises:
            InputError: the weights were not kept (by default those of the 20 best trials, see `keep`).
        """
        from evonas.training.single.keras_tuner import rebuilt

        with self._read() as run:
            record = list(run.records())[int(trial.trial_id)]
            if record.weights is None and "run_trial" in self._hooks:
                raise InputError(
                    f"weights of trial {trial.trial_id} must have been kept to load its model, but were not: let "
                    "run_trial end in super().run_trial(...), or call self.save_model(trial.trial_id, model) there"
                )
            spec = self._spec((), {})
            hp = hyperparameters_of(run, record, read_codec(run, self._codec))
            with unchanged_random():
                return rebuilt(spec, hp, run.weights(record), record.seed)

    @property
    def trained(self) -> TrainerCounts:
        """The number of models trained natively, and why Keras trained the others."""
        with self._read() as run:
            return count_trainers(record.evaluation for record in run.records())

    @property
    def known(self) -> tuple[Hyperparameter, ...]:
        """All hyperparameters known so far."""
        if self._overwrite or not self._exists:
            return self._codec.known
        with self._read() as run:
            return read_codec(run, self._codec).all

    @property
    def remaining_trials(self) -> int:
        """The number of trials that another `search` would run."""
        if self._overwrite or not self._exists:
            return self.max_trials
        with self._read() as run:
            return max(0, self.max_trials - run.evaluated)

    def done_trials(self, best: int | None = None) -> list[Trial]:
        """The finished trials in order, or the `best` ones, best first."""
        if self._overwrite or not self._exists:
            if best is None:
                return []
            raise InputError(f"results require a search first, but {self.project_dir} holds none: call search")
        with self._read() as run:
            return done_trials(run, read_codec(run, self._codec), len(str(self.max_trials)), best)

    def results_summary(self, num_trials: int = 10) -> None:
        """Prints the best trials."""
        with self._read() as run:
            say_lines(f"Results in {self.project_dir}: {run.evaluated} trials, {run.failed} of them without a score")
            if (ways := count_trainers(record.evaluation for record in run.records())).total:
                say_lines(ways)
            say_lines(f"Best {min(num_trials, run.evaluated - run.failed)} by {self._shown}:")
            failed = [each for each in run.records() if each.evaluation.status is not Status.OK][:3]
        print_results(self.objective.name, self.done_trials(num_trials), failed)

    def search_space_summary(self, extended: bool = False) -> None:
        """Prints the hyperparameters.

        Args:
            extended: whether to show the conditions under which they are active.
        """
        known = self.known
        say_lines(f"Search space: {len(known)} hyperparameters")
        print_space(known, extended)

    @property
    def _exists(self) -> bool:
        return (self.project_dir / DATABASE).exists()

    @property
    def _shown(self) -> str:
        parts = [f"{part.name} ({part.direction})" for part in self.objective.parts]
        return " and ".join(parts) or f"{self.objective.name} ({self.objective.direction})"

    @contextmanager
    def _read(self) -> Iterator[RunReader]:
        if self._overwrite or not self._exists:
            raise InputError(f"results require a search first, but {self.project_dir} holds none: call search")
        with RunReader(self.project_dir) as run:
            yield run
