"""`evonas evaluate`: labelled rows, scored by the best network of a run or by an exported model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from evonas.cli.options import (
    AsJson,
    BuildOption,
    CommentOption,
    DecimalOption,
    EncodingOption,
    MissingOption,
    SeparatorOption,
    SkipRowsOption,
    ThousandsOption,
    reading_of,
)
from evonas.cli.predict import ModelArgument

__all__ = ["evaluate"]


def evaluate(
    model: ModelArgument,
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="Rows with their targets: a table, a folder with images of each class or .npz arrays."
        ),
    ],
    build: BuildOption = None,
    separator: SeparatorOption = None,
    encoding: EncodingOption = None,
    decimal: DecimalOption = None,
    thousands: ThousandsOption = None,
    skip_rows: SkipRowsOption = None,
    comment: CommentOption = None,
    missing: MissingOption = None,
    as_json: AsJson = False,
) -> None:
    """Score the best network of a run, or a model, on labelled rows.

    Every metric of the task, in the target's own units. A model file needs its model card next to it,
    which says what it predicts.
    """
    from evonas.api.predictor import open_predictor
    from evonas.deploy.new_rows import read_new_rows
    from evonas.deploy.prediction import score_table
    from evonas.display.summaries import format_score
    from evonas.io.console import say

    reading = reading_of(separator, encoding, decimal, thousands, skip_rows, comment, missing, None)
    predictor = open_predictor(model, build)
    rows = read_new_rows(data, predictor, reading)
    found = score_table(predictor, rows.x, rows.targets)
    if as_json:
        typer.echo(json.dumps({"rows": len(rows), "scores": found}))
        return
    say(f"{len(rows):,} rows")
    say("\n".join(f"{name:12} {format_score(score)}" for name, score in found.items()))
