"""`evonas lr-find`: the learning-rate range test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from evonas.cli.data_options import DataFlags
from evonas.cli.option_groups import with_option_groups
from evonas.cli.options import AsJson, TargetOption, check_target, option
from evonas.io.printable import printable

__all__ = ["lr_find"]


@with_option_groups
def lr_find(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="The table; .npz arrays; or a folder with images of each class.")
    ],
    target: TargetOption = None,
    *,
    genome: Annotated[
        Path | None,
        option(
            "The network: a genome as JSON, a population.json or a run directory, whose best genome is used [one "
            "in the middle of the space].",
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
    seeds: Annotated[int, option("Number of trainings to average [3].", "N")] = 3,
    seed: Annotated[int, option("Random seed [0].", "N")] = 0,
    task: Annotated[str | None, option("regression, binary or multiclass [inferred from the target].", "TASK")] = None,
    flags: DataFlags,
    as_json: AsJson = False,
) -> None:
    """Find a learning rate: train a network while the rate grows.

    The loss is flat at first, then falls, then explodes. The rate at which it falls fastest is a good choice for
    training.
    """
    from evonas.display.range_test_plot import check_plot_path, text_plot, write_plot

    check_target(data, target)
    if output is not None:
        check_plot_path(output)

    from evonas.api.range_test import range_test

    curve = range_test(
        data,
        target,
        flags.options(task),
        genome=genome,
        space=space,
        low=low,
        high=high,
        steps=steps,
        seeds=seeds,
        seed=seed,
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
