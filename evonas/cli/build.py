"""`evonas build`: builds the network of a genome."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from evonas.cli.options import AsJson, option
from evonas.io.console import say, without_library_messages
from evonas.io.printable import printable

__all__ = ["build"]


def build(
    genome: Annotated[
        Path,
        typer.Argument(
            metavar="GENOME",
            help="A genome as JSON, a model card (FILE.card.json), the output of `evonas status --json`, "
            "a population.json or a run directory, whose best genome is used.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, option("File to write, ending in .keras.", "FILE", "--output", "-o")],
    features: Annotated[int | None, option("Width of the input [from the file].", "N")] = None,
    outputs: Annotated[int | None, option("Width of the output [from the file].", "N")] = None,
    task: Annotated[str | None, option("regression, binary or multiclass [from the file].", "TASK")] = None,
    seed: Annotated[int | None, option("Seed of the initial weights [the search's, or 0].", "N")] = None,
    rows: Annotated[int | None, option("Training rows, for a learning-rate schedule.", "N")] = None,
    epochs: Annotated[int | None, option("Epochs, for a learning-rate schedule.", "N")] = None,
    loss: Annotated[str | None, option("Loss of a regression: auto, mse, mae or huber [auto].", "NAME")] = None,
    space: Annotated[Path | None, option("Search space that must contain the genome, as TOML [any].", "FILE")] = None,
    as_json: AsJson = False,
) -> None:
    """Build the network of a genome, untrained and compiled.

    It has the layers, optimizer, loss and initial weights of the search, takes encoded features, and opens in plain
    Keras.
    """
    from evonas.deploy.rebuild import rebuilt

    with without_library_messages():
        found = rebuilt(
            genome,
            output,
            features=features,
            outputs=outputs,
            task=task,
            seed=seed,
            rows=rows,
            epochs=epochs,
            loss=loss,
            space=space,
        )
    if as_json:
        values = {"model": str(output), "parameters": found.parameters, "seed": found.seed, "note": found.note}
        typer.echo(json.dumps(values))
        return
    say(found.drawing)
    say(f"\n{found.parameters:,} parameters, untrained, initial weights of seed {found.seed}")
    if found.note:
        say(f"note: {printable(found.note)}")
    say(f"Model: {printable(output)}")
