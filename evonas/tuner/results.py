"""What a tuner's run holds, read: the hyperparameters as they are known by now, and trials that are done."""

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
    """The hyperparameters as the run has them: `fit` and trials may have asked for more than `build`.

    Args:
        run: of a tuner.
        codec: of the tuner that reads it.
    """
    trial = run.source.get("trial", {})
    found = GeneCodec(from_json(trial.get("hyperparameters")), codec.tuned, codec.pinned)
    return found.extend(from_json(trial.get("late", [])))


def hyperparameters_of(run: RunReader, record: Record, codec: GeneCodec) -> HyperParameters:
    """What a trial was built with, in full.

    Args:
        run, record: of the trial.
        codec: as `read_codec` gives it.

    Raises:
        InputError: the run was changed.
    """
    values = record.evaluation.notes.get("values", {})
    if not isinstance(values, dict):
        raise InputError(f"values of a trial must be as evonas wrote them, not {values!r:.80}: restore the run")
    return codec.restore_trial(values, codec.space.genome_from_json(record.genome), record.seed)


def done_trials(run: RunReader, codec: GeneCodec, digits: int, best: int | None = None) -> list[Trial]:
    """The finished trials in order; or that many of the best, best first.

    Args:
        run: of a tuner.
        codec: as `read_codec` gives it.
        digits: of their numbers.
        best: how many of the best.
    """
    records = list(run.records())
    places = {(record.generation, record.index): index for index, record in enumerate(records)}
    chosen = records if best is None else list(run.best(best))
    return [_finished_trial(run, each, codec, f"{places[each.generation, each.index]:0{digits}d}") for each in chosen]


def _finished_trial(run: RunReader, record: Record, codec: GeneCodec, trial_id: str) -> Trial:
    evaluation = record.evaluation
    ok = evaluation.status is Status.OK
    trial = Trial(hyperparameters_of(run, record, codec), trial_id, "COMPLETED" if ok else "FAILED")
    trial.metrics.metrics.update(evaluation.scores)
    trial.score = evaluation.scores.get(run.objective.name) if ok else None
    trial.best_step, trial.message = max(0, evaluation.best_epoch - 1), evaluation.reason or None
    return trial


def print_results(name: str, best: Iterable[Trial], failed: Iterable[Record]) -> None:
    """Prints trials, and why others have failed.

    Args:
        name: of the objective.
        best: with a score.
        failed: without one.
    """
    for trial in best:
        say_lines("", f"Trial {trial.trial_id}: {name} {trial.score:.6g}")
        for key, value in trial.hyperparameters.values.items():
            say_lines(f"  {key}: {value}")
    for record in failed:
        say_lines("", f"Trial failed: {record.evaluation.reason}")


def print_space(known: Iterable[Hyperparameter], extended: bool) -> None:
    """Prints hyperparameters; extended, also the conditions under which they are active."""
    for each in known:
        settings = ", ".join(f"{name}={value!r}" for name, value in each.get_config().items() if name != "name")
        say_lines(f"{each.name} ({each.kind}): {settings}")
        if extended and each.conditions:
            say_lines("  where " + " and ".join(f"{name} is one of {list(some)}" for name, some in each.conditions))
