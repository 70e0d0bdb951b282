"""`results.csv` and `population.json`: the results as a table, and genomes for other runs."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from evonas.evaluation import beginning_to_text
from evonas.io.atomic import write_atomically, write_new
from evonas.runs.directory import is_report
from evonas.runs.records import Record
from genomes.codec import VERSION, canonical_json

__all__ = ["population_text", "results_csv", "write_report"]

_COLUMNS = ("generation", "index", "status")
_DETAILS = (
    "best_epoch",
    "epochs",
    "parameters",
    "train_seconds",
    "operator",
    "parents",
    "origin",
    "digest",
    "genome",
    "reason",
)


def results_csv(records: Iterable[Record]) -> str:
    """One line per evaluation; a column for each score that any of them has."""
    rows = [_row(record) for record in records]
    scores = sorted({name for row in rows for name in row if name not in _COLUMNS + _DETAILS})
    text = io.StringIO()
    writer = csv.DictWriter(text, (*_COLUMNS, *scores, *_DETAILS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def population_text(records: Sequence[Record], space: Mapping[str, Any], objective: str) -> str:
    """The genomes with their scores, best first, one per line, in the format of `genomes.read_population`."""
    members = [
        {
            "genome": record.genome,
            "score": record.evaluation.scores[objective],
            "operator": record.operator,
            "parents": list(record.parents),
            "origin": str(record.origin or ""),
        }
        for record in records
    ]
    lines = ",\n".join(json.dumps(member, allow_nan=False) for member in members)
    header = json.dumps({"encoding": "population", "version": VERSION, "space": space}, allow_nan=False)
    return f'{header[:-1]}, "genomes": [\n{lines}\n]}}\n'


def _row(record: Record) -> dict[str, Any]:
    evaluation = record.evaluation
    return {
        "generation": record.generation,
        "index": record.index,
        "status": evaluation.status.value,
        **{name: repr(score) for name, score in evaluation.scores.items()},
        "best_epoch": evaluation.best_epoch,
        "epochs": evaluation.epochs,
        "parameters": evaluation.parameters,
        "train_seconds": f"{evaluation.train_seconds:.3f}",
        "operator": record.operator,
        "parents": " ".join(record.parents),
        "origin": beginning_to_text(record.origin, record.reduction),
        "digest": record.digest,
        "genome": canonical_json(record.genome),
        "reason": evaluation.reason,
    }


def write_report(path: Path, content: bytes) -> None:
    """Writes a report; an existing file is replaced only if evonas wrote it."""
    if not os.path.lexists(path):
        with suppress(FileExistsError):
            write_new(path, lambda file: file.write(content))
    elif is_report(path):
        write_atomically(path, content)
