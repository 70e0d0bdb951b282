"""`evonas inspect`: what data are taken for, before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evonas.commands.options import (
    AsJson,
    BooleanOption,
    CategoricalOption,
    DateOption,
    DropOption,
    GrayscaleOption,
    GroupOption,
    ImageSizeOption,
    NumericOption,
    TargetOption,
    TextOption,
    TimeOption,
    option,
    roles_of,
)
from evonas.display.streams import say
from evonas.printable import printable

if TYPE_CHECKING:
    from evonas.data.columns import ColumnPlan
    from evonas.data.prepared import PreparedData

__all__ = ["inspect"]


def inspect(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="The table: CSV, Parquet, Feather or JSON lines; .npz arrays; or a folder with images of each class.",
        ),
    ],
    target: TargetOption = None,
    task: Annotated[str | None, option("regression, binary or multiclass [as the target looks].", "TASK")] = None,
    numeric: NumericOption = None,
    boolean: BooleanOption = None,
    categorical: CategoricalOption = None,
    date: DateOption = None,
    text: TextOption = None,
    drop: DropOption = None,
    group: GroupOption = None,
    time_column: TimeOption = None,
    image_size: ImageSizeOption = None,
    grayscale: GrayscaleOption = False,
    as_json: AsJson = False,
) -> None:
    """Show what each column of a table is taken for.

    And how its rows are split. `evonas run` takes the same options.
    """
    from evonas.reading import read_data

    roles = roles_of(numeric, boolean, categorical, date, text)
    given: Any = data
    if target is not None and data.suffix != ".npz" and not data.is_dir():
        from evonas.data.arrays import named_columns
        from evonas.data.files import read_file

        given = named_columns(read_file(data))
    prepared, _ = read_data(
        given,
        target,
        task=task,
        drop=drop or (),
        roles=roles,
        group=group or "",
        time_column=time_column or "",
        size=image_size,
        grayscale=grayscale,
    )
    plan = None
    if given is not data:
        from evonas.data.columns import infer_columns

        features = given.drop(columns=[target, *([group] if group else [])])
        plan = infer_columns(features, drop=drop or (), roles=roles)
    _show(target or "class", prepared, plan, as_json)


def _show(target: str, prepared: PreparedData, plan: ColumnPlan | None, as_json: bool) -> None:
    problem, split = prepared.problem, prepared.splits[0]
    rows = {"training": len(split.y_train), "validation": len(split.y_validation)}
    rows["test"] = 0 if prepared.y_test is None else len(prepared.y_test)
    shape = list(prepared.preparation.shape) if prepared.preparation is not None else []
    if as_json:
        values = {"target": target, "task": problem.task, "classes": list(problem.classes), "rows": rows}
        columns = {"shape": shape} if plan is None else {"columns": plan.to_json()}
        typer.echo(json.dumps(values | {"features": problem.num_features} | columns))
        return
    classes = (
        f" of {len(problem.classes)} classes ({', '.join(map(printable, problem.classes[:5]))})"
        if problem.classes
        else ""
    )
    say(f"{printable(target)}: {problem.task}{classes}")
    say(", ".join(f"{count:,} {part}" for part, count in rows.items()) + " rows")
    of_shape = f", rows of {' x '.join(map(str, shape))}" if shape else ""
    say(f"{problem.num_features} features{of_shape}")
    if plan is not None:
        say(f"\n{plan}")
        for note in plan.notes():
            say(f"note: {printable(note)}")
