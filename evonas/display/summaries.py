"""Sentences and values about a run, for people and for machines: the one place that words them."""

from __future__ import annotations

import math
import os
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from evonas.config import Budget
from evonas.data.encoding.bag_of_words import BagOfWords
from evonas.data.encoding.preprocessor import Number, Preparation, view_of
from evonas.data.encoding.samples import SamplePreparation
from evonas.data.prepared import PreparedData
from evonas.devices import TRAINERS
from evonas.display.baseline_summaries import baseline_rows, baseline_values, champion_test_scores, verdict_of
from evonas.display.in_training import retraining_words, training_lines
from evonas.display.trainer_counts import count_trainers
from evonas.evolution.loop import Stop, describe_stop
from evonas.io.printable import printable
from evonas.runs.finalists import Finalist
from evonas.runs.genome_files import network_facts
from evonas.runs.reader import DATA_NAME, RunReader
from evonas.runs.records import Record
from genomes.encodings import describe, short_name, space_from_json

if TYPE_CHECKING:
    from evonas.tasks.export import Exported

__all__ = ["best_words", "clock", "command", "format_score", "score_of", "scores_words", "start_lines", "start_values"]
__all__ += [
    "exported_lines",
    "exported_values",
    "finalist_lines",
    "next_lines",
    "summary_lines",
    "summary_values",
    "test_line",
]

_KINDS = {"number": "numeric", "flag": "yes/no", "present": "present or missing"}
_TASKS = {"regression": "regression", "binary": "binary classification", "multiclass": "classification"}


def format_score(score: float | None) -> str:
    """Five significant digits, none of them lost before the point, no exponent where people would not write one."""
    if score is None or not math.isfinite(score):
        return "none"
    if score == 0 or not 1e-4 <= abs(score) < 1e15:
        return f"{score:.4g}"
    return f"{score:,.{max(0, 4 - math.floor(math.log10(abs(score))))}f}"


def clock(seconds: float) -> str:
    """A duration as `0:07`, `12:30` or `1:02:03`."""
    minutes, rest = divmod(round(min(seconds, 1e12)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def scores_words(scores: Mapping[str, float], first: str) -> str:
    """All metrics, the objective first."""
    names = [first, *sorted(scores.keys() - {first})]
    return ", ".join(f"{name} {format_score(scores[name])}" for name in names if name in scores)


def score_of(record: Record | None, objective: str) -> float | None:
    """The objective's score of an evaluation that may not be there."""
    return None if record is None else record.evaluation.scores.get(objective)


def best_words(record: Record | None) -> str:
    """A network in a few words."""
    if record is None:
        return "none yet"
    return f"{short_name(record.genome)}, {record.evaluation.parameters:,} parameters"


def command(name: str, run: RunReader, *options: str) -> str:
    """A command about the run, to be pasted into a shell."""
    return shlex.join(["evonas", name, str(run.directory), *options])


# The start.


def start_lines(run: RunReader, budget: Budget) -> list[str]:
    """What was read, what is searched and until when."""
    data = PreparedData.load(run.directory / DATA_NAME)
    problem, settings = data.problem, run.settings
    lines = []
    if data.preparation is not None:
        lines.append(f"{_source(run)}{_columns(data.preparation)}")
    lines += [f"  {note}" for note in data.notes]
    labels = f" ({_shorten(problem.classes)})" if problem.classes else ""
    names = _shorten(tuple(map(repr, problem.target_names)))
    lines.append(f"Task: {_TASKS[problem.task]} of {names}{labels} from {problem.for_views().num_features} features")
    rows = _rows(data)
    parts = f"{rows['training']:,} training, {rows['validation']:,} validation"
    if len(data.splits) > 1:
        parts = f"{rows['training'] + rows['validation']:,} in {len(data.splits)} folds"
    lines.append(f"Rows: {parts}, {rows['test']:,} test, which the search never sees")
    wins = "lowest" if run.objective.direction == "min" else "highest"
    lines.append(
        f"Search: {settings.strategy}, population {settings.population}, at most {settings.epochs} epochs a network; "
        f"{wins} {run.objective.name} wins; seed {settings.seed}"
    )
    if settings.trainer in TRAINERS:
        lines.append(f"Trainer: {settings.trainer}, {TRAINERS[settings.trainer]}{_turn(run)}")
    first = run.source.get("first_generation")
    if first and not run.evaluated:
        lines.append(
            f"The time is short: the first {_count(first['networks'], 'network')} are small ones, which take some "
            f"{first['seconds']:.1f} s of one core in at most {_count(first['epochs'], 'epoch')}"
        )
    if run.evaluated:
        lines.append(
            f"Going on after {_count(run.generations, 'generation')} and {_count(run.evaluated, 'network')} "
            f"in {clock(run.seconds)}"
        )
    lines += [f"Until: {_budget(budget, run.objective.name)}", f"Run directory: {run.directory}"]
    return list(map(printable, lines))


def start_values(run: RunReader, budget: Budget) -> dict[str, Any]:
    """The same as JSON values."""
    data = PreparedData.load(run.directory / DATA_NAME)
    return {
        "run_dir": str(run.directory),
        "source": run.source,
        "task": data.problem.task,
        "targets": list(data.problem.target_names),
        "classes": list(data.problem.classes),
        "features": data.problem.for_views().num_features,
        "shape": list(data.problem.sample_shape),
        "rows": _rows(data),
        "folds": len(data.splits) if len(data.splits) > 1 else None,
        "not_used": list(data.notes),
        "objective": run.objective.name,
        "direction": run.objective.direction,
        "settings": run.settings.model_dump(),
        "budget": budget.model_dump(),
        "evaluated": run.evaluated,
    }


def _source(run: RunReader) -> str:
    return f"{Path(run.source['path']).name}: " if "path" in run.source else ""


def _columns(preparation: Preparation) -> str:
    if isinstance(preparation, SamplePreparation):
        return f"{preparation.describe()} to learn from"
    kinds: dict[str, str] = {}
    for step in preparation.steps:
        if view_of(step) != "standard":
            continue  # of a column that gives its number, too
        if isinstance(step, Number):
            kind = _KINDS.get(step.part, "date")
        else:
            kind = "text" if isinstance(step, BagOfWords) else "categorical"
        kinds.setdefault(step.column, kind)
    counts = ", ".join(f"{count} {kind}" for kind, count in Counter(kinds.values()).most_common())
    return f"{_count(len(kinds), 'column')} to learn from ({counts})"


def _rows(data: PreparedData) -> dict[str, int]:
    split = data.splits[0]
    test = 0 if data.x_test is None else len(data.x_test)
    return {"training": len(split.x_train), "validation": len(split.x_validation), "test": test}


def _budget(budget: Budget, objective: str) -> str:
    bounds = [
        budget.generations and _count(budget.generations, "generation"),
        budget.evaluations and _count(budget.evaluations, "network"),
        budget.seconds and clock(budget.seconds),
        budget.target is not None and f"{objective} {budget.target:g}",
    ]
    given = [bound for bound in bounds if bound]
    return (" or ".join(given) + (", whichever comes first" if len(given) > 1 else "")) or "stopped by hand"


def _turn(run: RunReader) -> str:
    """How networks are proposed, where that is not a generation at once."""
    if not run.settings.asynchronous:
        return ""
    return f", asynchronously ({run.settings.window} out)" if run.settings.window else ", asynchronously"


def _split(run: RunReader) -> str:
    """Where the time went."""
    return "Time: " + ", ".join(f"{name} {seconds:,.1f} s" for name, seconds in run.times.split.items())


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _shorten(names: tuple[str, ...], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


# The state and the end.


def summary_lines(run: RunReader, test: Mapping[str, float] | None = None) -> list[str]:
    """Why the run stopped, what it has spent, and the best network compared with baselines.

    Args:
        run: the run.
        test: scores of the best network on the test rows, if they are known; else those of its re-training.
    """
    return list(map(printable, _summary_lines(run, test)))


def _summary_lines(run: RunReader, test: Mapping[str, float] | None) -> list[str]:
    spent = f"{_count(run.generations, 'generation')}, {_count(run.evaluated, 'network')} trained"
    by = f"; {run.settings.trainer} trainer{_turn(run)}" if run.settings.trainer in TRAINERS else ""
    lines = [_state(run), *(f"  {line}" for line in training_lines(run.in_training))]
    lines += [f"{spent} ({run.failed} failed) in {clock(run.seconds)}", f"{_split(run)}{by}"]
    if run.infeasible:
        lines.append(f"{_count(run.infeasible, 'network')} over the limits, not trained")
    if (ways := count_trainers(record.evaluation for record in run.records())).total:
        lines.append(str(ways))
    best = _leader(run)
    if best is None:
        reasons = Counter(record.evaluation.reason for record in run.records()).most_common(3)
        return [*lines, "No network has a score yet", *(f"  {count} x {reason}" for reason, count in reasons)]
    space = space_from_json(run.space_json)
    drawing = describe(space, space.genome_from_json(best.genome)).splitlines()
    how = f"{drawing[-1]}; best after {_count(best.evaluation.best_epoch, 'epoch')}"
    scores = scores_words(best.evaluation.scores, run.objective.name)
    return [
        *lines,
        "",
        f"Best network, of generation {best.generation + 1}, with {best.evaluation.parameters:,} parameters:",
        *(f"  {line}" for line in drawing[:-1]),
        *wrap(how, 98, initial_indent="  ", subsequent_indent="  "),
        "",
        f"Validation: {scores}",
        *finalist_lines(run),
        *_ensemble_lines(run),
        *_baseline_lines(run, test or champion_test_scores(run)),
        *_front_lines(run),
    ]


def _ensemble_lines(run: RunReader) -> list[str]:
    """How many networks were trained for an ensemble; nothing where none were wanted."""
    wanted = run.settings.ensemble
    if not wanted or not run.finalists:
        return []
    planned = len(run.finalists[0].retrainings)
    trained = sum(len(run.retrainings.trained(each.record.digest)) for each in run.finalists)
    return [
        "",
        f"For an ensemble: {trained} re-trainings of the finalists, the best one from up to {planned + wanted} seeds; "
        f"{command('export', run, '-o', 'ensemble.keras', '--ensemble', str(wanted))}",
    ]


def _baseline_lines(run: RunReader, test: Mapping[str, float]) -> list[str]:
    """The best network compared with the baselines, or why there are none; empty if none were wanted."""
    found = run.baselines.found
    if found is None:
        return []
    rows = baseline_rows(run, test)
    if not rows:
        return ["", f"No baselines: {found.missing}"] if found.missing else []
    cells = [
        ("", "validation", "test", ""),
        *((name, format_score(v), format_score(t), about) for name, v, t, about in rows),
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["", f"Baselines of scikit-learn on the same rows, {run.objective.name}:"]
    lines += ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    if found.missing:
        lines.append(f"  ({found.missing})")
    verdict = verdict_of(run.objective, run.ranked(1).evaluation.scores, test, found)
    return [*lines, *([f"  {verdict.words}"] if verdict is not None else [])]


def finalist_lines(run: RunReader) -> list[str]:
    """The finalists as a table, or how far they are; nothing before any are asked for."""
    return list(map(printable, _finalist_lines(run)))


def _finalist_lines(run: RunReader) -> list[str]:
    progress, finalists = run.retrainings_progress, run.finalists
    stopped = run.retrainings.stopped
    short = f"the time was too short for {stopped} of {progress[1]} re-trainings" if progress and stopped else ""
    if not finalists:
        if progress is None:
            stale = run.retrainings.asked is not None
            return ["", f"Finalists: none since the search continued; {command('finalists', run)}"] if stale else []
        if progress[0] == progress[1]:
            return ["", f"Finalists: none, {short}; {command('finalists', run)}"] if short else []
        return ["", f"Finalists: {retraining_words(*progress, stopped)}"]
    # The median of several: what is exported is one of them, see `RunReader.ranked`.
    rows = [("", run.objective.name, "search", "gap", "test")]
    for rank, finalist in enumerate(finalists, 1):
        gap = (
            "none" if finalist.gap is None else f"{'+' if finalist.gap >= 0 else '-'}{format_score(abs(finalist.gap))}"
        )
        failed = f" ({finalist.failed} failed)" if finalist.failed else ""
        failed += f" ({len(finalist.scores)} trained)" if finalist.stopped else ""
        mean, test = (_spread_words(*each) for each in _means(finalist))
        rows.append((f"{rank}.", mean + failed, format_score(finalist.search_score), gap, test))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    seeds = _count(len(finalists[0].retrainings), "other seed")
    return [
        "",
        f"Finalists, trained again from {seeds} (the best one's median is the best network):",
        *([f"  ({short})"] if short else []),
        *("  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows),
    ]


def _measure(value: float | None) -> str:
    """A score, or a count without digits that it has not."""
    return f"{value:,.0f}" if value is not None and value.is_integer() and value >= 1 else format_score(value)


def _means(finalist: Finalist) -> tuple[tuple[float | None, float | None], ...]:
    return (finalist.mean, finalist.spread), (finalist.test_mean, finalist.test_spread)


def _spread_words(mean: float | None, spread: float | None) -> str:
    return format_score(mean) + ("" if spread is None else f" ± {spread:.2g}")


def _front_lines(run: RunReader, most: int = 10) -> list[str]:
    """The front of a run with several objectives."""
    names = run.settings.objectives or ()
    if len(names) < 2:
        return []
    front = run.front()
    lines = ["", f"Front of {', '.join(names)}, {_count(len(front), 'network')}:"]
    leaders = [finalist.champion for finalist in run.finalists]
    ranking = dict.fromkeys(record.digest for record in (*leaders, *run.best(run.evaluated)))
    ranks = {digest: rank for rank, digest in enumerate(ranking, start=1)}
    for record in front[:most]:
        values = ", ".join(f"{name} {_measure(record.evaluation.value_of(name))}" for name in names)
        lines.append(f"  rank {ranks[record.digest]}: {values}")
    return [*lines, f"  and {len(front) - most} more"] if len(front) > most else lines


def summary_values(run: RunReader, test: Mapping[str, float] | None = None) -> dict[str, Any]:
    """The same as JSON values."""
    best = _leader(run)
    return {
        "run_dir": str(run.directory),
        "running": run.owner not in (None, os.getpid()),
        "trainer": run.settings.trainer,
        "trained": None
        if not (ways := count_trainers(each.evaluation for each in run.records())).total
        else asdict(ways),
        "asynchronous": bool(run.settings.asynchronous),
        "stop": run.stop,
        "generations": run.generations,
        "evaluated": run.evaluated,
        "failed": run.failed,
        "infeasible": run.infeasible,
        "front": [{"scores": dict(record.evaluation.scores), "digest": record.digest} for record in run.front()],
        "seconds": run.seconds,
        "times": run.times.split,
        "budget": run.budget.model_dump(),
        "objective": run.objective.name,
        "direction": run.objective.direction,
        "best": None
        if best is None
        else {
            "score": best.evaluation.scores[run.objective.name],
            "scores": dict(best.evaluation.scores),
            "generation": best.generation + 1,
            "digest": best.digest,
            "parameters": best.evaluation.parameters,
            "best_epoch": best.evaluation.best_epoch,
            "genome": best.genome,
            "seed": best.seed,
            **_facts(run, best),
        },
        "finalists": [_finalist_values(finalist) for finalist in run.finalists],
        "in_training": list(run.in_training),
        "baselines": baseline_values(run, test or champion_test_scores(run)),
    }


def _facts(run: RunReader, record: Record) -> dict[str, Any]:
    space = space_from_json(run.space_json)
    return network_facts(run.problem_json, space, space.genome_from_json(record.genome))


def _finalist_values(finalist: Finalist) -> dict[str, Any]:
    return {
        "digest": finalist.record.digest,
        "generation": finalist.record.generation + 1,
        "parameters": finalist.record.evaluation.parameters,
        "search_score": finalist.search_score,
        "scores": list(finalist.scores),
        "mean": finalist.mean,
        "spread": finalist.spread,
        "gap": finalist.gap,
        "failed": finalist.failed,
        "stopped": finalist.stopped,
        "test_scores": list(finalist.test_scores),
        "test_mean": finalist.test_mean,
        "test_spread": finalist.test_spread,
    }


def _leader(run: RunReader) -> Record | None:
    """What counts as the best network, if any has a score."""
    return run.ranked(1) if run.best(1) else None


def is_late(run: RunReader) -> bool:
    """Whether the time was over before the best network could be written."""
    bound = run.budget.seconds
    return bound is not None and run.seconds >= bound and run.stop != Stop.INTERRUPTED and bool(run.best(1))


def test_line(scores: Mapping[str, float], objective: str) -> str:
    """Scores on the test split."""
    return f"Test, which the search never saw: {scores_words(scores, objective)}"


def exported_lines(exported: Exported, objective: str) -> list[str]:
    """A Keras file: its scores and where it is."""
    lines = []
    if exported.test_scores:
        lines.append(test_line(exported.test_scores, objective))
    lines.append(f"Model: {exported.path} ({exported.note})")
    lines += [] if exported.card is None else [f"Card: {exported.card}"]
    return list(map(printable, lines))


def exported_values(exported: Exported | None) -> dict[str, Any]:
    """The same as JSON values."""
    if exported is None:
        return {"model": None, "validation_scores": None, "test_scores": None}
    return {
        "model": str(exported.path),
        "card": None if exported.card is None else str(exported.card.with_suffix(".json")),
        "retrained": exported.retrained,
        "validation_scores": dict(exported.validation_scores),
        "test_scores": dict(exported.test_scores),
        "temperature": exported.temperature,
        "calibration": {part: dict(values) for part, values in exported.calibration.items()},
    }


def next_lines(run: RunReader) -> list[str]:
    """What to do next."""
    more = () if run.stop in (None, "interrupted") else ("--generations", "+10")
    build = run.source.get("build")
    if build is not None and build.get("trial"):
        return ["", f"Go on:   in Python, by the same search of {printable(build['name'])} in this directory"]
    # The file is not named as the run names it: whoever made the run would have it run by whoever pastes this.
    own = () if build is None else ("--build", f"FILE.py:{build['name']}")
    again = run.source.get("space_class")
    lines = ["", f"Go on:   {command('resume', run, *more, *own)}"]
    if again is not None:
        lines = ["", f"Go on:   in Python, evonas.resume({str(run.directory)!r}, space=...) with the space of {again}"]
    recorded = run.source.get("strategy", {"entry_point": True})
    if not recorded.get("entry_point"):
        more_space = "" if again is None else ", space=..."
        given = f"strategy={run.settings.strategy}{more_space}"
        lines = ["", f"Go on:   in Python, evonas.resume({str(run.directory)!r}, {given})"]
    if run.best(1):
        lines.append(f"Export:  {command('export', run, '-o', 'best.keras', *own)}")
    return list(map(printable, lines))


def _state(run: RunReader) -> str:
    # The search has a reason to have stopped already while its finalists are trained.
    if (owner := run.owner) is not None and (run.stop is None or owner != os.getpid()):
        return f"Running, as process {owner}: {_phase(run)}"
    if run.stop is None:
        return "Stopped: it was killed"
    return f"Stopped: {describe_stop(run.stop, run.budget)}"


def _phase(run: RunReader) -> str:
    """What a run that searches does now, as far as it has committed it."""
    if (finals := run.retrainings_progress) is not None:
        return f"finalists, {retraining_words(*finals, run.retrainings.stopped)}"
    last = run.summaries()[-1:]
    if not last:
        return "about to train the first generation"
    (now,) = last
    if run.settings.asynchronous:
        return f"generation {now.generation + 1}, {_count(run.evaluated, 'network')} trained"
    return f"generation {now.generation + 1}, {now.evaluations} of {now.candidates} networks trained"
