"""The runs in a folder and the candidates of a run as rows of plain values, and rows as text, JSON and CSV. Does not
import pandas.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evonas.display.scores import clock, format_score
from evonas.io.printable import printable
from evonas.reporting.rundata import RunData
from evonas.runs.directory import is_run
from evonas.runs.reader import RunReader
from genomes.errors import InputError

__all__ = ["candidate_rows", "csv_text", "find_candidate", "json_text", "list_runs", "run_row", "table_text"]

_LONGEST_CELL = 44


def list_runs(folder: str | Path) -> list[dict[str, Any]]:
    """One row per run directly in a folder, sorted by name; the row of an unreadable run holds the reason.

    Raises:
        InputError: the folder does not exist.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"folder must be one with run directories, but {folder} is not: check the path")
    return [run_row(path) for path in sorted(folder.iterdir()) if is_run(path)]


def run_row(directory: Path) -> dict[str, Any]:
    """The row of a run: state, objective, best score, networks and data."""
    try:
        with RunReader(directory) as run:
            best = run.ranked(1) if run.best(1) else None
            state = "running" if run.owner not in (None, os.getpid()) else run.stop or "killed"
            return {
                "run": directory.name,
                "state": state,
                "objective": run.objective.name,
                "score": None if best is None else best.evaluation.scores.get(run.objective.name),
                "trained": run.evaluated,
                "failed": run.failed,
                "generations": run.generations,
                "seconds": round(run.seconds, 1),
                "strategy": run.settings.strategy,
                "seed": run.settings.seed,
                "data": Path(run.source["path"]).name if "path" in run.source else "",
                "target": ", ".join(run.problem_json.get("target_names", ())),
            }
    except InputError as error:
        return {"run": directory.name, "state": f"not readable: {error}"}


def candidate_rows(run: RunData) -> list[dict[str, Any]]:
    """One row per candidate, the best first, those without a score last; `rank` numbers those with a score."""
    order = sorted(range(len(run.records)), key=lambda k: (math.isnan(run.losses[k]), run.losses[k], k))
    rows = []
    for rank, index in enumerate(order, 1):
        record = run.records[index]
        evaluation = record.evaluation
        rows.append(
            {
                "rank": None if record.loss is None else rank,
                "network": index + 1,
                "generation": record.generation + 1,
                "status": evaluation.status.value,
                run.objective.name: evaluation.scores.get(run.objective.name),
                **{name: score for name, score in sorted(evaluation.scores.items()) if name != run.objective.name},
                "parameters": evaluation.parameters,
                "epochs": evaluation.epochs,
                "seconds": round(evaluation.train_seconds, 3),
                "operator": record.operator,
                "digest": record.digest[:12],
            }
        )
    return rows


def find_candidate(run: RunData, name: str) -> int:
    """The index of a candidate, given its number in the run (from 1) or a prefix of its digest.

    Raises:
        InputError: no candidate matches, or several do.
    """
    if name.isdecimal() and 1 <= int(name) <= len(run.records):
        return int(name) - 1
    found = sorted({run.places[digest] for digest in run.places if digest.startswith(name.lower())})
    if len(name) >= 4 and len(found) == 1:
        return found[0]
    what = "several match" if len(found) > 1 else "none matches"
    raise InputError(
        f"ID must be the number of a network, from 1 to {len(run.records)}, or a prefix of one digest, not "
        f"{name!r}: {what}; evonas show {run.directory} lists them"
    )


def table_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as aligned text, without control characters; long cells are truncated."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    numeric = {name for name in names if all(_is_number(row.get(name)) for row in rows)}
    cells = [[_cell(name, row.get(name)) for name in names] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    lines = []
    for line in (names, *cells):
        parts = zip(names, line, widths, strict=True)
        words = (cell.rjust(width) if name in numeric else cell.ljust(width) for name, cell, width in parts)
        lines.append("  ".join(words).rstrip())
    return "\n".join(lines)


def json_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as JSON, one object per line; numbers that are not finite are null."""
    return "\n".join(json.dumps({name: _finite(value) for name, value in row.items()}) for row in rows)


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name == "seconds":
        return clock(value) if value >= 60 else f"{value:.1f}"
    text = format_score(value) if isinstance(value, float) else printable(value)
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
