"""`evonas predict`: new rows, by the best network of a run or by an exported model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from evonas.cli.options import (
    BuildOption,
    CommentOption,
    DecimalOption,
    EncodingOption,
    MissingOption,
    SeparatorOption,
    SkipRowsOption,
    ThousandsOption,
    option,
    reading_of,
)

__all__ = ["ModelArgument", "predict"]

ModelArgument = Annotated[
    Path, typer.Argument(metavar="DIR|MODEL", help="Run directory, or a .keras file of evonas.", show_default=False)
]


def predict(
    model: ModelArgument,
    data: Annotated[
        Path,
        typer.Argument(metavar="NEW", help="New rows: a table, a folder of images or .npz arrays, as run reads them."),
    ],
    output: Annotated[
        Path | None,
        option("CSV, JSON lines (.jsonl) or Parquet to write [CSV on standard output].", "FILE", "--output", "-o"),
    ] = None,
    build: BuildOption = None,
    separator: SeparatorOption = None,
    encoding: EncodingOption = None,
    decimal: DecimalOption = None,
    thousands: ThousandsOption = None,
    skip_rows: SkipRowsOption = None,
    comment: CommentOption = None,
    missing: MissingOption = None,
) -> None:
    """Predict the rows of a table.

    One row a row, in their order: the targets of a regression, or the label and the
    probability of each class; of images, behind the names of their files. A run of evonas's
    own networks needs no Keras.
    """
    from evonas.reporting.tables import check_table_place, write_table

    if output is not None:
        check_table_place(output)

    from evonas.api.predictor import open_predictor
    from evonas.deploy.new_rows import read_new_rows
    from evonas.deploy.prediction import prediction_table
    from evonas.io.console import say_data

    reading = reading_of(separator, encoding, decimal, thousands, skip_rows, comment, missing, None)
    predictor = open_predictor(model, build)
    rows = read_new_rows(data, predictor, reading)
    predicted = prediction_table(predictor, rows.x, rows.names)
    if output is None:
        say_data(predicted.to_csv(index=False, lineterminator="\n").removesuffix("\n"))
        return
    write_table(predicted, output)
    print(f"{len(predicted):,} rows predicted: {output}", file=sys.stderr)
