"""Options shared by several commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from genomes.errors import InputError

__all__ = [
    "AddressOption",
    "ArchitectureOption",
    "AsJson",
    "BooleanOption",
    "BuildOption",
    "CategoricalOption",
    "CommentOption",
    "DateOption",
    "DateOrderOption",
    "DecimalOption",
    "DevicesOption",
    "DropOption",
    "EncodingOption",
    "ExecutionOption",
    "ExportOption",
    "GrayscaleOption",
    "GroupOption",
    "ImageSizeOption",
    "MissingOption",
    "NoBaselineOption",
    "NumericOption",
    "Quiet",
    "RunDir",
    "SeparatorOption",
    "SeriesIdOption",
    "SeriesOption",
    "SkipRowsOption",
    "SplitOption",
    "TargetOption",
    "TextOption",
    "ThousandsOption",
    "ThreadsOption",
    "TimeOption",
    "WorkersOption",
    "check_target",
    "option",
    "roles_of",
]

#: Names of `genomes.encodings.ENCODINGS` except that of user-defined models.
ARCHITECTURES = ("dense", "convolutional", "sequence")


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"it must be a whole number, such as 20, not {text!r}") from None


def _real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"it must be a number, such as 0.5, not {text!r}") from None


def option(
    text: str,
    metavar: str,
    *names: str,
    parser: Callable[[str], Any] | None = None,
    choices: Iterable[str] = (),
) -> Any:
    """An option's description. `metavar` N is a whole number, X any number; a shell completes the `choices`."""
    parser = parser or {"N": _whole, "X": _real}.get(metavar)
    known = tuple(choices)

    def complete(incomplete: str) -> list[str]:
        return [each for each in known if each.startswith(incomplete)]

    return typer.Option(
        *names,
        help=text,
        metavar=metavar,
        parser=parser,
        show_default=False,
        autocompletion=complete if known else None,
    )


RunDir = Annotated[Path, typer.Argument(metavar="DIR", help="Run directory.", show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the result.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line; text goes to standard error.")]
BuildOption = Annotated[str | None, option("Function that builds your own models.", "FILE.py:FUNCTION", "--build")]
DropOption = Annotated[list[str] | None, option("Column to leave out; may be repeated.", "COLUMN", "--drop")]
NumericOption = Annotated[list[str] | None, option("Column of numbers; may be repeated.", "COLUMN", "--numeric")]
BooleanOption = Annotated[list[str] | None, option("Column of true/false; may be repeated.", "COLUMN", "--boolean")]
CategoricalOption = Annotated[
    list[str] | None, option("Column of categories; may be repeated.", "COLUMN", "--categorical")
]
DateOption = Annotated[list[str] | None, option("Column of dates; may be repeated.", "COLUMN", "--date")]
TextOption = Annotated[list[str] | None, option("Column of free text; may be repeated.", "COLUMN", "--text")]
ThreadsOption = Annotated[int | None, option("Networks trained at a time [all cores].", "N", "--threads")]
ExecutionOption = Annotated[
    str | None,
    option(
        "Where networks are trained: local (this process), processes (on this machine), shared (also on machines that "
        "run evonas join) or ray [processes].",
        "PLACE",
        "--execution",
        choices=("local", "processes", "shared", "ray"),
    ),
]
WorkersOption = Annotated[
    int | None,
    option("Worker processes, which share the threads; on Ray, at most N [1; all of the cluster].", "N", "--workers"),
]
DevicesOption = Annotated[
    str | None, option("GPUs, one worker each, such as 0,1, or all [one worker].", "LIST", "--devices")
]
AddressOption = Annotated[
    str | None,
    option("Ray cluster, auto or HOST:PORT [a new one on this machine].", "ADDRESS", "--address"),
]
ExportOption = Annotated[
    Path | None,
    option("Export the best network to this file at the end, such as best.keras.", "FILE", "--export"),
]
NoBaselineOption = Annotated[
    bool,
    typer.Option(
        "--no-baseline",
        help="Do not train gradient boosting and a linear model in the background for comparison.",
    ),
]
GroupOption = Annotated[
    str | None, option("Column whose equal values stay together in the split.", "COLUMN", "--group")
]
TimeOption = Annotated[
    str | None, option("Column to split by: the latest rows are the test part.", "COLUMN", "--time-column")
]
ImageSizeOption = Annotated[
    str | None,
    option("Height and width to resize images to [unchanged if small, else 32x32].", "HxW", "--image-size"),
]
SeparatorOption = Annotated[
    str | None, option("Cell separator: a character, or tab, space [detected].", "CHAR", "--separator")
]
EncodingOption = Annotated[
    str | None,
    option("Text encoding, such as cp1252 [detected]; a name of --architecture is accepted too.", "NAME", "--encoding"),
]
ArchitectureOption = Annotated[
    str | None,
    option(
        "Kind of network: convolutional, sequence or dense [chosen by the data: images, series or a single text, "
        "tables].",
        "NAME",
        "--architecture",
        choices=ARCHITECTURES,
    ),
]
SeriesOption = Annotated[bool, typer.Option("--series", help="Treat the columns of a row as the steps of a series.")]
SeriesIdOption = Annotated[
    str | None,
    option(
        "For tables with one row per step: column that identifies the series; --time-column orders its steps.",
        "COLUMN",
        "--series-id",
    ),
]
SplitOption = Annotated[
    str | None,
    option(
        "Split of series: random, or time, which tests on the last ones [time for windows that overlap in their "
        "order].",
        "HOW",
        "--split",
        choices=("random", "time"),
    ),
]
DecimalOption = Annotated[str | None, option("Decimal mark, . or , [detected].", "CHAR", "--decimal")]
ThousandsOption = Annotated[
    str | None, option("Thousands separator: , . ' or space [detected].", "CHAR", "--thousands")
]
SkipRowsOption = Annotated[int | None, option("Lines before the header [detected].", "N", "--skip-rows")]
CommentOption = Annotated[str | None, option("Prefix of comment lines, such as #.", "TEXT", "--comment")]
MissingOption = Annotated[
    list[str] | None,
    option("Text that means 'no value', instead of NA, NULL, None, ? and so on; may be repeated.", "TEXT", "--missing"),
]
DateOrderOption = Annotated[
    str | None, option("dmy or mdy, for dates such as 01/02/2020 [detected].", "ORDER", "--date-order")
]
GrayscaleOption = Annotated[bool, typer.Option("--grayscale", help="Convert images to grayscale.")]
#: For tables and arrays; folders of images have no target option.
TargetOption = Annotated[str | None, option("Column to predict; not for a folder of images.", "COLUMN", "--target")]


def check_target(data: Path, target: str | None) -> None:
    """Raises InputError if the data do not exist, or need a target column, but none is named."""
    if not data.exists():
        from evonas.data.readers.csv import check_file

        check_file(data)
    if target is None and not data.is_dir():
        raise InputError("--target must be given with a table or arrays: name the column to predict")


def roles_of(
    numeric: list[str] | None,
    boolean: list[str] | None,
    categorical: list[str] | None,
    date: list[str] | None,
    text: list[str] | None = None,
) -> dict[str, str]:
    """Column -> requested role.

    Raises:
        InputError: a column is given two roles.
    """
    roles: dict[str, str] = {}
    given = {"numeric": numeric, "boolean": boolean, "categorical": categorical, "date": date, "text": text}
    for role, names in given.items():
        for name in names or ():
            if roles.setdefault(name, role) != role:
                raise InputError(f"column {name!r} must have one role, not {roles[name]} and {role}: leave one out")
    return roles
