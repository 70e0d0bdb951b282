"""Text about the exported file, and about commands that continue from a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evonas.display.scores import command, scores_words
from evonas.io.printable import printable
from evonas.runs.consistency import must_be_given
from evonas.runs.reader import RunReader

if TYPE_CHECKING:
    from evonas.export_tasks import Exported

__all__ = ["exported_lines", "exported_values", "next_lines", "scored_values", "test_line"]


def test_line(scores: Mapping[str, float], objective: str) -> str:
    """Line with the scores on the test split."""
    return f"Test, which the search never saw: {scores_words(scores, objective)}"


def exported_lines(exported: Exported, objective: str) -> list[str]:
    """Lines about an exported Keras file: its scores and path."""
    lines = []
    if exported.test_scores:
        lines.append(test_line(exported.test_scores, objective))
    lines.append(f"Model: {exported.path} ({exported.note})")
    lines += [] if exported.card is None else [f"Card: {exported.card}"]
    return list(map(printable, lines))


def exported_values(exported: Exported | None) -> dict[str, Any]:
    """The same as JSON values."""
    if exported is None:
        return {"model": None, "scores_of": None, "validation_scores": None, "test_scores": None}
    return {
        "model": str(exported.path),
        "scores_of": "model",
        "card": None if exported.card is None else str(exported.card.with_suffix(".json")),
        "retrained": exported.retrained,
        "validation_scores": dict(exported.validation_scores),
        "test_scores": dict(exported.test_scores),
        "temperature": exported.temperature,
        "calibration": {part: dict(values) for part, values in exported.calibration.items()},
    }


def scored_values(run: RunReader, test_scores: Mapping[str, float]) -> dict[str, Any]:
    """The scores of one model where no file was written, and which model it is, as JSON values.

    A mean of trainings has no validation scores: they are the members', or of rows that these have learned from.
    """
    model = run.final_model
    if model is not None and run.final_test.scores_of(model) == dict(test_scores):
        return {"scores_of": model.note, "validation_scores": None, "test_scores": dict(test_scores)}
    validation = dict(run.ranked(1).evaluation.scores)
    return {"scores_of": "best network", "validation_scores": validation, "test_scores": dict(test_scores)}


def next_lines(run: RunReader) -> list[str]:
    """Suggestions for next steps."""
    more = () if run.stop in (None, "interrupted") else ("--generations", "+10")
    build = run.source.get("build")
    if build is not None and build.get("trial"):
        return ["", f"Continue: in Python, by the same search of {printable(build['name'])} in this directory"]
    # The path of the build file in the run is not shown: pasting it would run code chosen by the author of the run.
    own = () if build is None else ("--build", f"FILE.py:{build['name']}")
    lines = ["", f"Continue: {command('resume', run, *more, *own)}"]
    if objects := _objects(run):
        lines = ["", f"Continue: in Python, evonas.resume({str(run.directory)!r}, {', '.join(objects)})"]
        if "space=..." in objects:
            lines[-1] += f" with the space of {run.source['space_class']}"
    if run.best(1):
        lines.append(f"Export:   {command('export', run, '-o', 'best.keras', *own)}")
    return list(map(printable, lines))


def _objects(run: RunReader) -> list[str]:
    """Arguments of `evonas.resume` that were passed to the run as objects, hence have to be passed again."""
    found = []
    if not run.source.get("strategy", {"entry_point": True}).get("entry_point"):
        found.append(f"strategy={run.settings.strategy}")
    if must_be_given(run):
        found.append("space=...")
    recorded = run.source.get("extensions", {})
    arguments = {"mutation": "mutations=[...]", "layer kind": "layer_kinds=[...]", "metric": "objective=..."}
    for what, argument in arguments.items():
        if not all(each.get("entry_point") for each in recorded.get(what, {}).values()):
            found.append(argument)
    return found
