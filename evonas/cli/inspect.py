"""`evonas inspect`: how data are interpreted, before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evonas.cli.data_options import DataFlags
from evonas.cli.option_groups import with_option_groups
from evonas.cli.options import AsJson, TargetOption, check_target, option
from evonas.cli.tables import AsCsv, check_one, show_rows
from evonas.devices import TRAINERS, chosen_trainer
from evonas.io.console import say
from evonas.io.printable import printable

if TYPE_CHECKING:
    from evonas.data.columns import ColumnPlan
    from evonas.data.prepared import PreparedData

__all__ = ["inspect"]


@with_option_groups
def inspect(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="The table: CSV, Parquet, Feather or JSON lines; .npz arrays; or a folder with images of each class.",
        ),
    ],
    target: TargetOption = None,
    *,
    task: Annotated[str | None, option("regression, binary or multiclass [inferred from the target].", "TASK")] = None,
    flags: DataFlags,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show how each column of a table is interpreted.

    Also shows how the rows are split. `evonas run` takes the same options.
    """
    from evonas.data.load import read_data

    check_one(as_json, as_csv)
    check_target(data, target)
    prepared, _ = read_data(data, target, **flags.options(task).read_arguments())
    plan = prepared.plan if target is not None and data.suffix != ".npz" else None
    if as_csv:
        show_rows([] if plan is None else plan.to_json(), False, True, "")
        return
    _show(target or "class", prepared, plan, as_json)


def _show(target: str, prepared: PreparedData, plan: ColumnPlan | None, as_json: bool) -> None:
    problem, split = prepared.problem, prepared.splits[0]
    rows = {"training": len(split.y_train), "validation": len(split.y_validation)}
    rows["test"] = 0 if prepared.y_test is None else len(prepared.y_test)
    shape = list(problem.sample_shape or (() if prepared.preparation is None else prepared.preparation.shape))
    trainer = chosen_trainer("auto", can_be_compiled=not problem.sample_shape)
    if as_json:
        values = {"target": target, "task": problem.task, "classes": list(problem.classes), "rows": rows}
        notes = {"notes": list(prepared.notes)}
        columns = {"shape": shape, **notes} if plan is None else {"columns": plan.to_json(), **notes}
        typer.echo(json.dumps(values | {"features": problem.num_features, "trainer": trainer} | columns))
        return
    classes = (
        f" of {len(problem.classes)} classes ({', '.join(map(printable, problem.classes[:5]))}"
        f"{', ...' if len(problem.classes) > 5 else ''})"
        if problem.classes
        else ""
    )
    say(f"{printable(target)}: {problem.task}{classes}")
    say(", ".join(f"{count:,} {part}" for part, count in rows.items()) + " rows")
    of_shape = f", rows of {' x '.join(map(str, shape))}" if shape else ""
    say(f"{problem.num_features} features{of_shape}")
    say(f"trainer on this machine: {trainer}, {TRAINERS[trainer]}")
    if plan is not None:
        say(f"\n{plan}")
    for note in prepared.notes:
        say(f"note: {printable(note)}")
