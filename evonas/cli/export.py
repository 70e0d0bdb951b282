"""`evonas export`: exports a network of a run as a file for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from evonas.cli.options import AsJson, BuildOption, RunDir, option
from evonas.export_tasks import FORMATS, Exported
from evonas.io.console import say
from evonas.io.printable import printable
from genomes.errors import InputError

__all__ = ["export"]


def export(
    run_dir: RunDir,
    output: Annotated[Path, option("File to write, such as best.keras.", "FILE", "--output", "-o")],
    format: Annotated[
        str | None, option(f"{', '.join(FORMATS)} [by the file's extension].", "NAME", "--format", choices=FORMATS)
    ] = None,
    rank: Annotated[
        int | None,
        option("1 for the best network, 2 for the next [the final model: the best one, or the mean of several].", "N"),
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Train the network again on training and validation rows together.")
    ] = False,
    ensemble: Annotated[
        int | None, option("Write up to K networks as one model that predicts their mean.", "K")
    ] = None,
    build: BuildOption = None,
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="Classification: divide logits by a temperature fitted on validation rows."),
    ] = False,
    resize: Annotated[bool, typer.Option("--resize", help="For images: accept any size.")] = False,
    no_card: Annotated[bool, typer.Option("--no-card", help="Do not write a model card.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a network of a run as a Keras model.

    Plain Keras loads it, without evonas. Its weights are those that were scored.
    A model card is written next to it (FILE.card.md, FILE.card.json).
    """
    from evonas.deploy.export import export as export_network
    from evonas.deploy.export import export_ensemble

    asked: dict[str, Any] = {"calibrate": True} if calibrate else {}
    if resize:
        asked["resize"] = True
    if ensemble is None:
        exported = export_network(
            run_dir,
            output,
            rank,
            retrain=retrain,
            build=build,
            format=format,
            card=not no_card,
            **asked,
        )
    elif retrain or rank not in (None, 1) or build is not None or resize or format not in (None, "keras"):
        raise InputError(
            "ensemble must be given without --rank, --retrain, --build, --resize and --format: it chooses from all "
            "kept networks"
        )
    else:
        exported = export_ensemble(run_dir, output, ensemble, card=not no_card, **asked)
    _say_exported(run_dir, output, exported, as_json)


def _say_exported(run_dir: Path, output: Path, exported: Exported, as_json: bool) -> None:
    """Prints what was written, with its scores."""
    from evonas.display import next_steps, scores
    from evonas.runs.reader import RunReader

    if as_json:
        typer.echo(json.dumps(next_steps.exported_values(exported)))
        return
    with RunReader(run_dir) as run:
        objective = run.objective.name
    if exported.validation_scores:
        say(printable(f"Validation: {scores.scores_words(exported.validation_scores, objective)}"))
    say("\n".join(next_steps.exported_lines(exported, objective)))
    if output.suffix == ".keras":
        say(f"Load it: keras.models.load_model({json.dumps(str(output))})")
