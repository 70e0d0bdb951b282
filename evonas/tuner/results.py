"""Reading of a tuner's run: the hyperparameters known so far, and the finished trials."""

from __future__ import annotations

from collections.abc import Iterable

from evonas.evaluation import Status
from evonas.io.console import say_lines
from evonas.runs.reader import RunReader
from evonas.runs.records import Record
from evonas.tuner.encoding import GeneCodec
from evonas.tuner.hyperparameters import HyperParameters
from evonas.tuner.kinds import Hyperparameter
from evonas.tuner.reading import from_json
from evonas.tuner.trial import Trial
from genomes.errors import InputError

__all__ = ["done_trials", "hyperparameters_of", "print_results", "print_space", "read_codec"]


def read_codec(run: RunReader, codec: GeneCodec) -> GeneCodec:
    """The hyperparameters in the run: `fit` and trials may have requested more than `build`.

    Args:
        run: run of a tuner.
        codec: codec of the tuner that reads it.
    """
    trial = run.source.get("trial", {})
    found = GeneCodec(from_json(trial.get("hyperparameters")), codec.tuned, codec.pinned)
    return found.extend(from_json(trial.get("late", [])))


def hyperparameters_of(run: RunReader, record: Record, codec: GeneCodec) -> HyperParameters:
    """All hyperparameters of a trial.

    Args:
        run, record: run and record of the trial.
        codec: as `read_codec` gives it.

    Raises:
        InputError: the run was modified.
    """
    values = record.evaluation.notes.get("values", {})
    if not isinstance(values, dict):
        raise InputError(f"values of a trial must be as evonas wrote them, not {values!r:.80}: restore the run")
    return codec.restore_trial(values, codec.space.genome_from_json(record.genome), record.seed)


def done_trials(run: RunReader, codec: GeneCodec, digits: int, best: int | None = None) -> list[Trial]:
    """The finished trials in order, or the `best` ones, best first.

    Args:
        run: run of a tuner.
        codec: as `read_codec` gives it.
        digits: number of digits of trial numbers.
        best: number of best trials; None for all trials.
    """
    records = list(run.records())
    indices = {(record.generation, record.index): index for index, record in enumerate(records)}
    chosen = records if best is None else list(run.best(best))
    return [_finished_trial(run, each, codec, f"{indices[each.generation, each.index]:0{digits}d}") for each in chosen]


def _finished_trial(run: RunReader, record: Record, codec: GeneCodec, trial_id: str) -> Trial:
    evaluation = record.evaluation
    ok = evaluation.status is Status.OK
    trial = Trial(hyperparameters_of(run, record, codec), trial_id, "COMPLETED" if ok else "FAILED")
    trial.metrics.metrics.update(evaluation.scores)
    trial.score = evaluation.scores.get(run.objective.name) if ok else None
    trial.best_step, trial.message = max(0, evaluation.best_epoch - 1), evaluation.reason or None
    return trial


def print_results(name: str, best: Iterable[Trial], failed: Iterable[Record]) -> None:
    """Prints trials, and the reasons of failed ones.

    Args:
        name: name of the objective.
        best: trials with a score.
        failed: records without a score.
    """
    for trial in best:
        say_lines("", f"Trial {trial.trial_id}: {name} {trial.score:.6g}")
        for key, value in trial.hyperparameters.values.items():
            say_lines(f"  {key}: {value}")
    for record in failed:
        say_lines("", f"Trial failed: {record.evaluation.reason}")


def print_space(known: Iterable[Hyperparameter], extended: bool) -> None:
    """Prints hyperparameters, if `extended` with the conditions under which they are active."""
    for each in known:
        settings = ", ".join(f"{name}={value!r}" for name, value in each.get_config().items() if name != "name")
        say_lines(f"{each.name} ({each.kind}): {settings}")
        if extended and each.conditions:
            say_lines("  where " + " and ".join(f"{name} is one of {list(some)}" for name, some in each.conditions))
