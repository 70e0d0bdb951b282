"""Support for subclasses of `Evolution`: validation of their methods, and the trial that calls these.

Methods of a subclass may change its state, as in KerasTuner, so such trials run in this process.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evonas.evaluation import Evaluation, Status
from evonas.tuner.hyperparameters import HyperParameters
from evonas.tuner.names import is_called
from evonas.tuner.trial import Trial
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.training.single.keras_tuner import Kept, TunerTrial
    from evonas.training.single.trials import Headway
    from evonas.tuner.tuner import Evolution

__all__ = ["Running", "SubclassTrial", "check_subclass", "overridden"]

#: Methods that are called during a trial.
_IN_TRIALS = (
    *("run_trial", "pre_create_trial", "on_trial_begin", "on_trial_end"),
    *("on_epoch_begin", "on_epoch_end", "on_batch_begin", "on_batch_end"),
)
_HOOKS = (*_IN_TRIALS, "on_search_begin", "on_search_end")
_BY_CALLBACK = frozenset(("on_epoch_begin", "on_epoch_end", "on_batch_begin", "on_batch_end"))


def check_subclass(cls: type, base: type) -> None:
    """Rejects subclasses with KerasTuner methods that would never be called, or with misspelt hooks.

    Raises:
        InputError: the class has such a method; the message names it.
    """
    mine = (kind for kind in cls.__mro__ if kind not in base.__mro__)
    for kind in mine:
        for name in vars(kind):
            if not is_called(name):
                raise InputError(
                    f"{cls.__name__} must not define {name!r}, which KerasTuner calls but evonas never would: override "
                    "run_trial, build or fit instead (docs/kerastuner.md lists what is called)"
                )
            if not hasattr(base, name) and (near := difflib.get_close_matches(name, _HOOKS, n=1, cutoff=0.9)):
                raise InputError(
                    f"{cls.__name__} must not define {name!r}, which nothing would call: did you mean {near[0]!r}?"
                )


def overridden(tuner: Evolution, base: type) -> frozenset[str]:
    """The trial hooks that the tuner overrides."""
    return frozenset(
        name for name in _IN_TRIALS if name in vars(tuner) or getattr(type(tuner), name) is not getattr(base, name)
    )


@dataclass(eq=False)
class Running:
    """A running trial.

    Attributes:
        trial: trial as the user's methods see it.
        spec: default steps of a trial.
        seed: seed of all randomness.
        headway: function that is called after each epoch.
        kept: keeper of the weights of the best epoch.
        given: hooks that are called by a callback.
    """

    trial: Trial
    spec: TunerTrial
    seed: int
    headway: Headway
    kept: Kept
    given: frozenset[str] = frozenset()

    def execute(self, tuner: Evolution, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> list[Any]:
        """The default implementation of `run_trial`: builds and fits once per execution."""
        from evonas.training.single.keras_tuner import hook_callback

        watching = [hook_callback(tuner, self.trial)] if self.given & _BY_CALLBACK else []
        hp = self.trial.hyperparameters
        return self.spec.execute(hp, self.seed, self.headway, self.kept, arguments, named, watching)


@dataclass(eq=False)
class SubclassTrial:
    """Calls the methods of a tuner for each set of hyperparameters. Implements `Trial`.

    Attributes:
        tuner: tuner whose methods are called.
        spec: default steps of a trial.
        given: overridden hooks.
        number: number of the next trial.
        first: genes and evaluation of a trial that was run before the search began.
    """

    tuner: Evolution
    spec: TunerTrial
    given: frozenset[str]
    number: int = 0
    first: tuple[Mapping[str, Any], Evaluation] | None = field(default=None, repr=False)

    def __call__(self, genes: Mapping[str, Any], seed: int, headway: Headway) -> Evaluation:
        """See `Trial`."""
        if self.first is not None and dict(self.first[0]) == dict(genes):
            return self.first[1]
        return self.run(self.spec.hyperparameters(genes, seed), seed, headway)

    def run(self, hp: HyperParameters, seed: int, headway: Headway) -> Evaluation:
        """Runs the trial with these hyperparameters."""
        tuner, digits = self.tuner, len(str(self.tuner.max_trials))
        trial = Trial(hp, f"{self.number:0{digits}d}")
        self.number += 1
        self._hook("pre_create_trial")
        tuner.oracle.begin(trial)
        self._hook("on_trial_begin", trial)
        try:
            return self._evaluate(trial, seed, headway)
        except Exception as error:
            trial.status, trial.message = "FAILED", f"{type(error).__name__}: {error}"
            raise
        finally:
            try:
                if trial.status != "RUNNING":
                    self._hook("on_trial_end", trial)
            finally:
                tuner.oracle.end(trial)

    def _evaluate(self, trial: Trial, seed: int, headway: Headway) -> Evaluation:
        from evonas.training.single.keras_tuner import Kept, TooLarge, evaluation_of

        tuner, spec, hp = self.tuner, self.spec, trial.hyperparameters
        for left in range(spec.retries, -1, -1):
            kept = Kept(spec.objective)
            tuner.running = Running(trial, spec, seed, headway, kept, self.given)
            try:
                given = tuner.run_trial(trial, *spec.arguments, **spec.named)
            except TooLarge as error:
                trial.status, trial.message = "FAILED", str(error)
                return Evaluation(Status.FAILED, reason=str(error), parameters=kept.parameters, notes=hp.report())
            except InputError:
                raise
            except Exception:
                if not left:
                    raise
                continue
            finally:
                tuner.running = None
            break
        reported = trial.metrics.metrics
        found = evaluation_of(
            dict(reported) if given is None and reported else given, spec.objective, kept, hp.report()
        )
        trial.metrics.metrics.update(found.scores)
        trial.score, trial.best_step = found.scores[spec.objective.name], max(0, found.best_epoch - 1)
        trial.status = "COMPLETED"
        return found

    def _hook(self, name: str, *arguments: Any) -> None:
        if name in self.given:
            try:
                getattr(self.tuner, name)(*arguments)
            except InputError:
                raise
            except Exception as error:
                raise InputError(f"{name} must not raise, but it did: {type(error).__name__}: {error}") from error
