"""`evonas evaluate`: scores the final model of a run or an exported model on labelled rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from evonas.cli.data_options import FileFlags
from evonas.cli.option_groups import with_option_groups
from evonas.cli.options import AsJson, BuildOption
from evonas.cli.predict import ModelArgument
from evonas.cli.tables import AsCsv, check_one, show_rows

__all__ = ["evaluate"]


@with_option_groups
def evaluate(
    model: ModelArgument,
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="Rows with their targets: a table, a folder with images of each class or .npz arrays."
        ),
    ],
    *,
    build: BuildOption = None,
    file: FileFlags,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Score a run's final model, or a model file, on labelled rows.

    Prints all metrics of the task, in the target's units. A model file of an older version needs its card next to it.
    """
    from evonas.api.predictor import open_predictor
    from evonas.deploy.new_rows import read_new_rows
    from evonas.deploy.prediction import score_table
    from evonas.display.scores import format_score
    from evonas.io.console import say, without_library_messages

    check_one(as_json, as_csv)
    with without_library_messages():
        predictor = open_predictor(model, build)
        rows = read_new_rows(data, predictor, file.reading())
        found = score_table(predictor, rows.x, rows.targets)
    if as_json:
        typer.echo(json.dumps({"rows": len(rows), "scores": found}))
        return
    if as_csv:
        show_rows([{"metric": name, "score": score} for name, score in found.items()], False, True, "")
        return
    say(f"{len(rows):,} rows")
    say("\n".join(f"{name:12} {format_score(score)}" for name, score in found.items()))
