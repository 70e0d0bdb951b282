"""`evonas predict`: predicts new rows with the final model of a run or an exported model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from evonas.cli.data_options import FileFlags
from evonas.cli.option_groups import with_option_groups
from evonas.cli.options import BuildOption, option
from evonas.cli.tables import AsCsv, AsLines, check_one
from genomes.errors import InputError

__all__ = ["ModelArgument", "predict"]

ModelArgument = Annotated[
    Path, typer.Argument(metavar="DIR|MODEL", help="Run directory, or a .keras file of evonas.", show_default=False)
]


@with_option_groups
def predict(
    model: ModelArgument,
    data: Annotated[
        Path,
        typer.Argument(
            metavar="NEW", help="New rows: a table, a folder of images, one image or .npz arrays, as for run."
        ),
    ],
    output: Annotated[
        Path | None,
        option(
            "New file: .csv, .tsv, .json, .jsonl, .parquet, .feather or .xlsx [CSV on standard output].",
            "FILE",
            "--output",
            "-o",
        ),
    ] = None,
    *,
    build: BuildOption = None,
    file: FileFlags,
    as_json: AsLines = False,
    as_csv: AsCsv = False,
) -> None:
    """Predict the rows of a table.

    One line per row, in order: the targets of a regression, or the label and the probability of each class; for images,
    preceded by file names. A run of evonas's own networks needs no Keras.
    """
    from evonas.reporting.tables import check_table_place, write_table

    check_one(as_json, as_csv)
    if output is not None and (as_json or as_csv):
        raise InputError("--json and --csv must be left out with --output, whose ending sets the format: leave one out")
    if output is not None:
        check_table_place(output)

    from evonas.api.predictor import open_predictor
    from evonas.deploy.new_rows import read_new_rows
    from evonas.deploy.prediction import prediction_table
    from evonas.io.console import say_data, without_library_messages
    from evonas.reporting.listing import json_text

    with without_library_messages():
        predictor = open_predictor(model, build)
        rows = read_new_rows(data, predictor, file.reading())
        predicted = prediction_table(predictor, rows.x, rows.names)
    if as_json:
        lines: Any = predicted.to_dict("records")
        say_data(json_text(lines))
        return
    if output is None:
        say_data(predicted.to_csv(index=False, lineterminator="\n").removesuffix("\n"))
        return
    write_table(predicted, output)
    print(f"{len(predicted):,} rows predicted: {output}", file=sys.stderr)
