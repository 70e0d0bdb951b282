"""Summaries of a run, as text and as JSON values."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from textwrap import wrap
from typing import Any

from evonas.devices import TRAINERS
from evonas.display.baseline_summaries import (
    baseline_rows,
    baseline_values,
    champion_test_scores,
    ours_of,
    verdict_of,
)
from evonas.display.in_training import retraining_words, training_lines
from evonas.display.scores import clock, command, format_score, parameter_words, plural, scores_words
from evonas.display.start_summary import ask_mode
from evonas.io.printable import printable
from evonas.runs.finalists import Finalist
from evonas.runs.genome_files import fixed_parameters, network_facts
from evonas.runs.progress import Stop, describe_stop
from evonas.runs.reader import RunReader
from evonas.runs.records import Record
from evonas.runs.trainer_counts import count_trainers
from genomes.encodings import describe, space_from_json

__all__ = ["finalist_lines", "is_late", "shows_test_scores", "summary_lines", "summary_values"]


# The start.


def times_line(run: RunReader) -> str:
    """Line on how the time was spent."""
    return "Time: " + ", ".join(f"{name} {seconds:,.1f} s" for name, seconds in run.times.split.items())


# The state and the end.


def summary_lines(run: RunReader, test: Mapping[str, float] | None = None) -> list[str]:
    """Lines on why the run stopped, its cost, and its best network compared with the baselines.

    Args:
        run: the run.
        test: test scores of the best network, if known; otherwise those of its re-training.
    """
    return list(map(printable, _summary_lines(run, test)))


def _summary_lines(run: RunReader, test: Mapping[str, float] | None) -> list[str]:
    spent = f"{plural(run.generations, 'generation')}, {plural(run.evaluated, 'network')} trained"
    by = f"; {run.settings.trainer} trainer{ask_mode(run)}" if run.settings.trainer in TRAINERS else ""
    lines = [_state(run), *(f"  {line}" for line in training_lines(run.in_training))]
    lines += [f"{spent} ({run.failed} failed) in {clock(run.seconds)}", f"{times_line(run)}{by}"]
    if run.infeasible:
        lines.append(f"{plural(run.infeasible, 'network')} over the limits, not trained")
    if (ways := count_trainers(record.evaluation for record in run.records())).total:
        lines.append(str(ways))
    best = _leader(run)
    if best is None:
        reasons = Counter(record.evaluation.reason for record in run.records()).most_common(3)
        return [
            *lines,
            "No network has a score yet",
            *_limit_lines(run),
            *(f"  {count} x {reason}" for reason, count in reasons),
        ]
    space = space_from_json(run.space_json)
    genome = space.genome_from_json(best.genome)
    drawing = describe(space, genome).splitlines()
    size = parameter_words(best.evaluation.parameters, fixed_parameters(run.problem_json, space, genome))
    how = f"{drawing[-1]}; best after {plural(best.evaluation.best_epoch, 'epoch')}"
    scores = scores_words(best.evaluation.scores, run.objective.name)
    return [
        *lines,
        "",
        f"Best network, of generation {best.generation + 1}, with {size}:",
        *(f"  {line}" for line in drawing[:-1]),
        *wrap(how, 98, initial_indent="  ", subsequent_indent="  "),
        "",
        f"Validation: {scores}",
        *finalist_lines(run),
        *_final_model_lines(run),
        *_ensemble_lines(run),
        *_baseline_lines(run, test or champion_test_scores(run)),
        *_front_lines(run),
    ]


def _limit_lines(run: RunReader) -> list[str]:
    """A line on the network that exceeds the limits least, if all exceed them."""
    over = [record.evaluation for record in run.records() if "violation" in record.evaluation.scores]
    if not over or run.evaluated:
        return []
    least = min(over, key=lambda evaluation: evaluation.scores["violation"])
    reason = least.reason.removeprefix("over the limit: ")
    return wrap(f"The limits are too strict: the network that exceeds them least has {reason}. Raise them", 98)


def shows_test_scores(run: RunReader) -> bool:
    """Whether the line on the final model has its test scores."""
    model = run.final_model
    return model is not None and bool(run.final_test.scores_of(model))


def _final_model_lines(run: RunReader) -> list[str]:
    """Lines on the final model and its test scores; empty if it is a single network."""
    model = run.final_model
    if model is None:
        return []
    scores = run.final_test.scores_of(model)
    test = f"; test {scores_words(scores, run.objective.name)}" if scores else ""
    return ["", *wrap(f"Final model: {model.note}{test}", 98, subsequent_indent="  ")]


def _ensemble_lines(run: RunReader) -> list[str]:
    """Lines on the networks trained for an ensemble; empty if none were requested."""
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
    """Lines that compare the best network with the baselines, or why there are none; empty if none were requested."""
    found = run.baselines.found
    if found is None:
        return []
    rows = baseline_rows(run, test)
    if not rows:
        return ["", f"No baselines: {found.missing}"] if found.missing else []
    cells = [
        ("", "validation", "test", ""),
        *((name, _or_dash(v), _or_dash(t), about) for name, v, t, about in rows),
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["", f"Baselines of scikit-learn on the same rows, {run.objective.name}:"]
    lines += ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    if found.missing:
        lines.append(f"  ({found.missing})")
    validation = run.ranked(1).evaluation.scores if run.final_model is None else {}
    verdict = verdict_of(run.objective, validation, test, found, ours_of(run))
    return [*lines, *([f"  {verdict.words}"] if verdict is not None else [])]


def _or_dash(score: float | None) -> str:
    return "-" if score is None else format_score(score)


def finalist_lines(run: RunReader) -> list[str]:
    """The finalists as a table, or their progress; empty before any were requested."""
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
    # The median of several; the exported network is one of them, see `RunReader.ranked`.
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
    seeds = plural(len(finalists[0].retrainings), "other seed")
    return [
        "",
        f"Finalists, trained again from {seeds} (the best one's median is the best network):",
        *([f"  ({short})"] if short else []),
        *("  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows),
    ]


def _measure(value: float | None) -> str:
    """Formats a score, or a count without decimals."""
    return f"{value:,.0f}" if value is not None and value.is_integer() and value >= 1 else format_score(value)


def _means(finalist: Finalist) -> tuple[tuple[float | None, float | None], ...]:
    return (finalist.mean, finalist.spread), (finalist.test_mean, finalist.test_spread)


def _spread_words(mean: float | None, spread: float | None) -> str:
    return format_score(mean) + ("" if spread is None else f" ± {spread:.2g}")


def _front_lines(run: RunReader, most: int = 10) -> list[str]:
    """Lines on the front of a run with several objectives."""
    names = run.settings.objectives or ()
    if len(names) < 2:
        return []
    front = run.front()
    lines = ["", f"Front of {', '.join(names)}, {plural(len(front), 'network')}:"]
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
        "final_model": _final_model_values(run),
        "baselines": baseline_values(run, test or champion_test_scores(run)),
    }


def _final_model_values(run: RunReader) -> dict[str, Any] | None:
    """Returns the networks of the final model; None if it is the best network itself."""
    model = run.final_model
    if model is None:
        return None
    members = [{"digest": record.digest, "seed": record.seed} for record in model.members]
    return {"members": members, "all_rows": model.all_rows, "test_scores": run.final_test.scores_of(model)}


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
    """The best network, if any has a score."""
    return run.ranked(1) if run.best(1) else None


def is_late(run: RunReader) -> bool:
    """Whether there was no time left to write the best network."""
    bound = run.budget.seconds
    return bound is not None and run.seconds >= bound and run.stop != Stop.INTERRUPTED and bool(run.best(1))


def _state(run: RunReader) -> str:
    # While finalists are trained, the search already has a reason for its end.
    if (owner := run.owner) is not None and (run.stop is None or owner != os.getpid()):
        return f"Running, as process {owner}: {_phase(run)}"
    if run.stop is None:
        return "Stopped: it was killed"
    return f"Stopped: {describe_stop(run.stop, run.budget)}"


def _phase(run: RunReader) -> str:
    """Current phase of a running search, as committed."""
    if (finals := run.retrainings_progress) is not None:
        return f"finalists, {retraining_words(*finals, run.retrainings.stopped)}"
    last = run.summaries()[-1:]
    if not last:
        return "about to train the first generation"
    (now,) = last
    if run.settings.asynchronous:
        return f"generation {now.generation + 1}, {plural(run.evaluated, 'network')} trained"
    return f"generation {now.generation + 1}, {now.evaluations} of {now.candidates} networks trained"
