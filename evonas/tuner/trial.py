"""`Trial`: a set of hyperparameters with its results, and `Oracle`, which gives access to all trials; both have
KerasTuner's interface.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evonas.io.console import say_lines
from evonas.tuner.hyperparameters import HyperParameters
from evonas.tuner.names import missing_attribute_message
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.tuner.objectives import TunerObjective
    from evonas.tuner.tuner import Evolution

__all__ = ["Metrics", "Oracle", "Trial"]


class Metrics:
    """The scores of a trial, by name."""

    def __init__(self, values: Mapping[str, float]) -> None:
        """Stores values at the best epoch."""
        self.metrics = dict(values)

    def exists(self, name: str) -> bool:
        """Whether there is a score of that name."""
        return name in self.metrics

    def get_best_value(self, name: str) -> float | None:
        """The value at the best epoch, the mean over executions; None if there is none."""
        return self.metrics.get(name)

    get_last_value = get_best_value


class Trial:
    """One trial.

    Attributes:
        trial_id: number of the trial, as text.
        hyperparameters: hyperparameters with their values.
        score: score of the objective; None until it is known.
        best_step: epoch with the best score, from 0.
        status: "RUNNING", "COMPLETED" or "FAILED".
        message: reason of a failure.
        metrics: scores by name.
    """

    def __init__(self, hyperparameters: HyperParameters, trial_id: str, status: str = "RUNNING") -> None:
        """Creates a trial, by default a running one."""
        self.hyperparameters, self.trial_id, self.status = hyperparameters, trial_id, status
        self.score: float | None = None
        self.best_step = 0
        self.message: str | None = None
        self.metrics = Metrics({})

    def summary(self) -> None:
        """Prints hyperparameters and score."""
        say_lines(f"Trial {self.trial_id} summary")
        say_lines("Hyperparameters:")
        self.display_hyperparameters()
        for line in [f"Score: {self.score}"] * (self.score is not None) + [self.message] * (self.message is not None):
            say_lines(line)

    def display_hyperparameters(self) -> None:
        """Prints names and values."""
        for name, value in self.hyperparameters.values.items():
            say_lines(f"{name}: {value}")

    def get_state(self) -> dict[str, Any]:
        """The trial as JSON values."""
        return {
            "trial_id": self.trial_id,
            "hyperparameters": self.hyperparameters.get_config(),
            "metrics": dict(self.metrics.metrics),
            "score": self.score,
            "best_step": self.best_step,
            "status": self.status,
            "message": self.message,
        }


class Oracle:
    """The information that KerasTuner's oracle gives about a search; evonas's strategies make its decisions."""

    def __init__(self, tuner: Evolution) -> None:
        """Creates the oracle of a tuner."""
        self._tuner = tuner
        self._live: dict[str, Trial] = {}
        self._told: dict[str, dict[str, float]] = {}

    @property
    def objective(self) -> TunerObjective:
        """The objective that ranks trials."""
        return self._tuner.objective

    @property
    def max_trials(self) -> int:
        """Total number of trials."""
        return self._tuner.max_trials

    @property
    def seed(self) -> int:
        """The seed of all randomness."""
        return self._tuner.seed

    @property
    def directory(self) -> str:
        """The directory of projects."""
        return self._tuner.directory

    @property
    def project_name(self) -> str:
        """The name of the run directory in it."""
        return self._tuner.project_name

    @property
    def allow_new_entries(self) -> bool:
        """Whether `build` may request hyperparameters that were not given."""
        return self._tuner.allow_new_entries

    @property
    def tune_new_entries(self) -> bool:
        """Whether such hyperparameters are searched."""
        return self._tuner.tune_new_entries

    @property
    def max_retries_per_trial(self) -> int:
        """How often a failing trial is retried."""
        return self._tuner.max_retries_per_trial

    @property
    def max_consecutive_failed_trials(self) -> int | None:
        """Number of consecutive trials without a score after which the search ends."""
        return self._tuner.max_consecutive_failed_trials

    @property
    def hyperparameters(self) -> HyperParameters:
        """The space, with defaults."""
        return self.get_space()

    @property
    def trials(self) -> dict[str, Trial]:
        """All trials so far, by trial number."""
        return {each.trial_id: each for each in self._tuner.done_trials()} | self._live

    @property
    def start_order(self) -> list[str]:
        """The trial numbers, in the order in which the trials began."""
        return list(self.trials)

    def get_space(self) -> HyperParameters:
        """The space, with defaults."""
        return HyperParameters.from_space(self._tuner.known)

    def get_trial(self, trial_id: str) -> Trial:
        """The trial with that number. Raises KeyError if there is none."""
        return self.trials[trial_id]

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """The best trials with a score, best first."""
        return self._tuner.done_trials(num_trials)

    def remaining_trials(self) -> int:
        """The number of trials that another `search` would run."""
        return self._tuner.remaining_trials

    def update_trial(self, trial_id: str, metrics: Mapping[str, float], step: int = 0) -> str:
        """Reports scores of the running trial, for a `run_trial` that returns none.

        Raises:
            InputError: no such trial is running.
        """
        if trial_id not in self._live:
            raise InputError(f"trial_id must be that of the running trial, not {trial_id!r}: call it in run_trial")
        self._told.setdefault(trial_id, {}).update({name: float(value) for name, value in metrics.items()})
        self._live[trial_id].metrics.metrics.update(self._told[trial_id])
        return self._live[trial_id].status

    def begin(self, trial: Trial) -> None:
        """Marks the trial as running."""
        self._live[trial.trial_id] = trial

    def end(self, trial: Trial) -> dict[str, float]:
        """Ends the trial; returns the scores passed to `update_trial`."""
        self._live.pop(trial.trial_id, None)
        return self._told.pop(trial.trial_id, {})

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(missing_attribute_message("Oracle", name))
