"""`evonas inspect`: what a table is taken for, before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from evonas.commands.options import (
    AsJson,
    BooleanOption,
    CategoricalOption,
    DateOption,
    DropOption,
    GroupOption,
    NumericOption,
    TextOption,
    TimeOption,
    option,
    roles_of,
)

__all__ = ["inspect"]


def inspect(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="The table: CSV, Parquet, Feather or JSON lines.")],
    target: Annotated[str, option("Column to predict.", "COLUMN")],
    task: Annotated[str | None, option("regression, binary or multiclass [as the target looks].", "TASK")] = None,
    numeric: NumericOption = None,
    boolean: BooleanOption = None,
    categorical: CategoricalOption = None,
    date: DateOption = None,
    text: TextOption = None,
    drop: DropOption = None,
    group: GroupOption = None,
    time_column: TimeOption = None,
    as_json: AsJson = False,
) -> None:
    """Show what each column of a table is taken for.

    And how its rows are split. `evonas run` takes the same options.
    """
    from evonas.data.arrays import named_columns
    from evonas.data.columns import infer_columns
    from evonas.data.files import read_file
    from evonas.data.preparation import prepare_table

    frame, roles = named_columns(read_file(data)), roles_of(numeric, boolean, categorical, date, text)
    prepared = prepare_table(
        frame, target, seed=0, task=task, drop=drop or (), roles=roles, group=group or "", time_column=time_column or ""
    )
    features = frame.drop(columns=[target, *([group] if group else [])])
    plan = infer_columns(features, drop=drop or (), roles=roles)
    problem, split = prepared.problem, prepared.splits[0]
    rows = {"training": len(split.y_train), "validation": len(split.y_validation)}
    rows["test"] = 0 if prepared.y_test is None else len(prepared.y_test)
    if as_json:
        values = {"target": target, "task": problem.task, "classes": list(problem.classes), "rows": rows}
        typer.echo(json.dumps(values | {"features": problem.num_features, "columns": plan.to_json()}))
        return
    classes = f" of {len(problem.classes)} classes ({', '.join(problem.classes[:5])})" if problem.classes else ""
    typer.echo(f"{target}: {problem.task}{classes}")
    typer.echo(", ".join(f"{count:,} {part}" for part, count in rows.items()) + " rows")
    typer.echo(f"{problem.num_features} features\n\n{plan}")
    for note in plan.notes():
        typer.echo(f"note: {note}")
