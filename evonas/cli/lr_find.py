"""`evonas lr-find`: the learning-rate range test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from evonas.cli.options import (
    ArchitectureOption,
    AsJson,
    CommentOption,
    DateOrderOption,
    DecimalOption,
    DropOption,
    EncodingOption,
    GrayscaleOption,
    ImageSizeOption,
    MissingOption,
    SeparatorOption,
    SeriesIdOption,
    SeriesOption,
    SkipRowsOption,
    SplitOption,
    TargetOption,
    ThousandsOption,
    TimeOption,
    check_target,
    option,
)
from evonas.io.printable import printable

__all__ = ["lr_find"]


def lr_find(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="The table; .npz arrays; or a folder with images of each class.")
    ],
    target: TargetOption = None,
    genome: Annotated[
        Path | None,
        option(
            "The network: a genome as JSON, a population.json or a run directory, whose best is taken [one in the "
            "middle of the space].",
            "FILE",
        ),
    ] = None,
    space: Annotated[Path | None, option("Search space as TOML; `evonas space` prints the default.", "FILE")] = None,
    output: Annotated[
        Path | None, option("Plot to write, ending in .html, .png or .svg.", "FILE", "--output", "-o")
    ] = None,
    low: Annotated[float, option("The first rate [1e-6].", "X")] = 1e-6,
    high: Annotated[float, option("The last rate [10].", "X")] = 10.0,
    steps: Annotated[int, option("Steps of each training [300].", "N")] = 300,
    seeds: Annotated[int, option("Trainings that are averaged [3].", "N")] = 3,
    seed: Annotated[int, option("Random seed [0].", "N")] = 0,
    task: Annotated[str | None, option("regression, binary or multiclass [inferred from the target].", "TASK")] = None,
    drop: DropOption = None,
    image_size: ImageSizeOption = None,
    grayscale: GrayscaleOption = False,
    architecture: ArchitectureOption = None,
    series: SeriesOption = False,
    series_id: SeriesIdOption = None,
    time_column: TimeOption = None,
    split: SplitOption = None,
    separator: SeparatorOption = None,
    encoding: EncodingOption = None,
    decimal: DecimalOption = None,
    thousands: ThousandsOption = None,
    skip_rows: SkipRowsOption = None,
    comment: CommentOption = None,
    missing: MissingOption = None,
    date_order: DateOrderOption = None,
    as_json: AsJson = False,
) -> None:
    """Find a learning rate: train a network while the rate grows.

    The loss first stays, then falls, then explodes. The rate at which it
    falls fastest is a good one to train with.
    """
    from evonas.range_test.plot import check_plot_path, text_plot, write_plot

    check_target(data, target)
    if output is not None:
        check_plot_path(output)

    from evonas.range_test.find import find_learning_rate

    curve = find_learning_rate(
        data,
        target,
        genome=genome,
        space=space,
        low=low,
        high=high,
        steps=steps,
        seeds=seeds,
        seed=seed,
        task=task,
        drop=drop or (),
        image_size=image_size,
        grayscale=grayscale,
        architecture=architecture or "",
        series=series,
        series_id=series_id or "",
        time_column=time_column or "",
        split=split or "",
        separator=separator or "",
        encoding=encoding or "",
        decimal=decimal or "",
        thousands=thousands or "",
        skip_rows=skip_rows or 0,
        comment=comment or "",
        missing=missing or None,
        date_order=date_order or "",
    )
    suggested = curve.suggested
    if output is not None:
        write_plot(curve, output)
    if as_json:
        values = {"suggested": suggested, "rates": curve.rates, "losses": curve.losses, "smoothed": curve.smoothed}
        typer.echo(json.dumps(values | {"plot": None if output is None else str(output)}))
        return
    typer.echo("\n".join(text_plot(curve)))
    typer.echo(f"\nSuggested learning rate: {suggested:g}")
    if output is not None:
        typer.echo(f"Plot: {printable(output)}")
