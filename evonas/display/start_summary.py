"""What a run begins with, in sentences and as values."""

from __future__ import annotations

from collections.abc import Sized
from pathlib import Path
from typing import Any

from evonas.config import Budget
from evonas.devices import TRAINERS
from evonas.display.scores import clock, plural
from evonas.io.printable import printable
from evonas.runs.reader import RunReader

__all__ = ["ask_mode", "start_lines", "start_values"]

_TASKS = {"regression": "regression", "binary": "binary classification", "multiclass": "classification"}


def start_lines(run: RunReader, budget: Budget) -> list[str]:
    """What was read, what is searched and until when."""
    data = run.data()
    problem, settings = data.problem, run.settings
    lines = []
    if data.preparation is not None:
        lines.append(f"{_source(run)}{data.preparation.summary()}")
    lines += [f"  {note}" for note in data.notes]
    labels = f" ({_shorten(problem.classes)})" if problem.classes else ""
    names = _shorten(tuple(map(repr, problem.target_names)))
    lines.append(f"Task: {_TASKS[problem.task]} of {names}{labels} from {problem.for_views().num_features} features")
    rows = _rows(data.splits[0].x_train, data.splits[0].x_validation, data.x_test)
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
        lines.append(f"Trainer: {settings.trainer}, {TRAINERS[settings.trainer]}{ask_mode(run)}")
    first = run.source.get("first_generation")
    if first and not run.evaluated:
        lines.append(
            f"The time is short: the first {plural(first['networks'], 'network')} are small ones, which take some "
            f"{first['seconds']:.1f} s of one core in at most {plural(first['epochs'], 'epoch')}"
        )
    if run.evaluated:
        lines.append(
            f"Continuing after {plural(run.generations, 'generation')} and {plural(run.evaluated, 'network')} "
            f"in {clock(run.seconds)}"
        )
    lines += [f"Until: {_budget(budget, run.objective.name)}", f"Run directory: {run.directory}"]
    return list(map(printable, lines))


def start_values(run: RunReader, budget: Budget) -> dict[str, Any]:
    """The same as JSON values."""
    data = run.data()
    return {
        "run_dir": str(run.directory),
        "source": run.source,
        "task": data.problem.task,
        "targets": list(data.problem.target_names),
        "classes": list(data.problem.classes),
        "features": data.problem.for_views().num_features,
        "shape": list(data.problem.sample_shape),
        "rows": _rows(data.splits[0].x_train, data.splits[0].x_validation, data.x_test),
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


def _rows(training: Sized, validation: Sized, test: Sized | None) -> dict[str, int]:
    return {"training": len(training), "validation": len(validation), "test": 0 if test is None else len(test)}


def _budget(budget: Budget, objective: str) -> str:
    bounds = [
        budget.generations and plural(budget.generations, "generation"),
        budget.evaluations and plural(budget.evaluations, "network"),
        budget.seconds and clock(budget.seconds),
        budget.target is not None and f"{objective} {budget.target:g}",
    ]
    given = [bound for bound in bounds if bound]
    return (" or ".join(given) + (", whichever comes first" if len(given) > 1 else "")) or "stopped by hand"


def ask_mode(run: RunReader) -> str:
    """How networks are proposed, where that is not a generation at once."""
    if not run.settings.asynchronous:
        return ""
    return f", asynchronously ({run.settings.window} out)" if run.settings.window else ", asynchronously"


def _shorten(names: tuple[str, ...], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
