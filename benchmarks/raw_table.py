"""Searches of tables from raw files, with defaults, against boosted trees on the same training and test rows.

python benchmarks/raw_table.py [--tables california,adult,churn] [--minutes 10] [--seeds 3] [--ensemble 8] [--json OUT]

The minutes are those of the whole call, from the files to the scored model; an ensemble is built afterwards. No side
sees the test rows before. California, Adult and churn have the rows of published results; for other tables, each seed
draws a fifth for testing and a fifth of the rest for validation; evonas gets training and validation rows as one file,
as users have it, and since its final model may be trained on both, the peers are then refitted on both. The mean rank
is over all splits. The best network alone is scored in addition to the final model, without a rank.
`--tables small` is concrete, kin8nm, power_plant and titanic. FILE.csv:COLUMN is another file without missing targets,
and is ranked by accuracy if the target is text or has at most 20 whole numbers, else by RMSE.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from reports import report_path, write_report
from table_peers import Split, installed_peers

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Table:
    """A table and its target.

    Attributes:
        files: files of the training, validation and test rows, or one file whose rows are drawn; "" if there is none.
        target: the target column.
        metric: metric for ranking, in its own direction.
        unit: unit of the target.
        drop: columns that identify rows.
    """

    files: tuple[str, ...]
    target: str
    metric: str
    unit: float = 1.0
    drop: tuple[str, ...] = ()


TABLES: Mapping[str, Table] = {
    "california": Table(
        tuple(f"california_official_{part}.csv" for part in ("train", "val", "test")), "median_house_value", "rmse"
    ),
    "adult": Table(("adult_train.csv", "", "adult_test.csv"), "income", "accuracy"),
    "churn": Table(tuple(f"churn_{part}.csv" for part in ("train", "val", "test")), "target", "accuracy"),
    "california_raw": Table(("california_housing.csv",), "median_house_value", "rmse", 100_000.0),
    "concrete": Table(("concrete.csv",), "strength_mpa", "rmse"),
    "kin8nm": Table(("kin8nm.csv",), "y", "rmse"),
    "power_plant": Table(("power_plant.csv",), "energy_output", "rmse"),
    "titanic": Table(("titanic.csv",), "Survived", "accuracy", drop=("PassengerId", "Name", "Ticket", "Cabin")),
}
SMALL = ("concrete", "kin8nm", "power_plant", "titanic")
#: Whole numbers with at most as many values are classes, in tables of the user's own.
_CLASSES = 20


def table_named(name: str) -> Table:
    """The table of `TABLES`, or that of `FILE.csv:COLUMN`.

    Raises:
        ValueError: for an unknown table, a missing file or a missing column.
    """
    file, _, column = name.rpartition(":")
    if name in TABLES:
        table = TABLES[name]
    elif not file:
        raise ValueError(f"--tables takes {', '.join(TABLES)}, small or FILE.csv:COLUMN, not {name}")
    else:
        table = Table((str(Path(file).resolve()),), column, "accuracy")
    if missing := [part for part in table.files if part and not (DATA / part).is_file()]:
        raise ValueError(f"--tables {name} needs the missing files {', '.join(missing)} in {DATA}")
    if name in TABLES:
        return table
    whole = pd.read_csv(file)
    if column not in whole:
        raise ValueError(f"--tables {name}: the columns of {file} are {', '.join(whole.columns)}")
    y = whole[column]
    continuous = pd.api.types.is_numeric_dtype(y) and (y.nunique() > _CLASSES or bool((y % 1 != 0).any()))
    return Table(table.files, column, "rmse") if continuous else table


def check_tables(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Ends the program with a message if a table is unknown or its file or column is missing."""
    for name in names:
        try:
            table_named(name)
        except ValueError as error:
            parser.error(str(error))


def frames_of(table: Table, seed: int) -> dict[str, pd.DataFrame]:
    """The rows of each part."""
    if len(table.files) > 1:
        read = {part: pd.read_csv(DATA / name) for part, name in zip(PARTS, table.files, strict=True) if name}
        if "validation" not in read:
            order = np.random.RandomState(seed).permutation(len(read["train"]))
            held = len(order) // 5
            read["validation"], read["train"] = read["train"].iloc[order[:held]], read["train"].iloc[order[held:]]
        return read
    whole = pd.read_csv(DATA / table.files[0])
    order = np.random.RandomState(seed).permutation(len(whole))
    tests = len(order) // 5
    held = tests + (len(order) - tests) // 5
    bounds = {"test": order[:tests], "validation": order[tests:held], "train": order[held:]}
    return {part: whole.iloc[rows] for part, rows in bounds.items()}


def split_of(table: Table, frames: Mapping[str, pd.DataFrame]) -> tuple[Split, list[Any]]:
    """Features and targets for the peers, and the classes in order; empty for regression."""
    classes = [] if table.metric == "rmse" else sorted(frames["train"][table.target].unique())
    split = {}
    for part, frame in frames.items():
        y = frame[table.target]
        values = y.map({name: index for index, name in enumerate(classes)}) if classes else y / table.unit
        split[part] = (frame.drop(columns=[table.target, *table.drop]), values.to_numpy(int if classes else float))
    return split, classes


def scored(predicted: np.ndarray, truth: np.ndarray, metric: str) -> dict[str, float]:
    """Test scores of predictions or probabilities."""
    if metric == "rmse":
        return {"rmse": float(np.sqrt(((predicted - truth) ** 2).mean()))}
    likely = np.clip(predicted[np.arange(len(truth)), truth], 1e-15, 1.0)
    return {"accuracy": float((predicted.argmax(axis=1) == truth).mean()), "log_loss": float(-np.log(likely).mean())}


def with_evonas(
    table: Table, frames: Mapping[str, pd.DataFrame], seconds: float, seed: int, ensemble: int
) -> dict[str, Any]:
    """A search with all defaults."""
    import evonas
    from evonas.deploy.export import export, export_ensemble

    with tempfile.TemporaryDirectory() as folder:
        if len(table.files) == 1:
            frames = {"train": pd.concat([frames["train"], frames["validation"]]), "test": frames["test"]}
        paths = {part: Path(folder) / f"{part}.csv" for part in frames}
        for part, frame in frames.items():
            frame.drop(columns=list(table.drop)).to_csv(paths[part], index=False)
        began = time.monotonic()
        result = evonas.search(
            paths["train"],
            table.target,
            validation=paths.get("validation"),
            test=paths["test"],
            time=seconds,
            seed=seed,
            out=Path(folder) / "run",
        )
        seconds = time.monotonic() - began
        alone = export(result.run_dir, Path(folder) / "best.keras", rank=1, card=False)
        found: dict[str, Any] = {
            "scores": in_unit(result.test_scores, table),
            "alone": in_unit(alone.test_scores, table),
            "seconds": seconds,
            "networks": len(result.evaluations),
            "genome": repr(result.best_genome),
        }
        if ensemble:
            exported = export_ensemble(result.run_dir, Path(folder) / "ensemble.keras", ensemble)
            found |= {"ensemble": in_unit(exported.test_scores, table), "of": exported.note}
        return found


def in_unit(scores: Mapping[str, float], table: Table) -> dict[str, float]:
    """The scores to compare."""
    names = ("rmse",) if table.metric == "rmse" else ("accuracy", "log_loss")
    return {name: scores[name] / table.unit for name in names if name in scores}


def compared(name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Scores and seconds of evonas and all peers on one split of one table."""
    table = table_named(name)
    frames = frames_of(table, seed)
    split, classes = split_of(table, frames)
    found: dict[str, Any] = {"table": name, "seed": seed}
    for peer, predict in installed_peers().items():
        began = time.monotonic()
        predicted = predict(split, len(classes), seed, len(table.files) == 1)
        found[peer] = {
            "scores": scored(predicted, split["test"][1], table.metric),
            "seconds": time.monotonic() - began,
        }
    found["evonas"] = with_evonas(table, frames, 60 * options.minutes, seed, options.ensemble)
    found["evonas, best network"] = {"scores": found["evonas"].pop("alone"), "seconds": 0.0}
    if options.ensemble:
        found[f"evonas, ensemble of {options.ensemble}"] = {"scores": found["evonas"].pop("ensemble"), "seconds": 0.0}
    return found


def lines(found: Mapping[str, Any]) -> list[str]:
    """Formats the results of one split."""
    shown = [f"{found['table']}, seed {found['seed']}:"]
    for name, one in found.items():
        if isinstance(one, Mapping):
            scores = ", ".join(f"{metric} {score:.4f}" for metric, score in one["scores"].items())
            shown.append(f"  {name:24} {scores}  in {one['seconds']:.0f} s")
    return [*shown, f"  {found['evonas']['networks']} networks; best {found['evonas']['genome']}"]


def summary(results: list[dict[str, Any]]) -> list[str]:
    """Formats the medians of each table and the mean rank over all splits."""
    shown, ranks = [], {}
    for name in dict.fromkeys(each["table"] for each in results):
        ones = [each for each in results if each["table"] == name]
        sign = -1.0 if "accuracy" in ones[0]["evonas"]["scores"] else 1.0
        metric = "rmse" if sign > 0 else "accuracy"
        for who in (key for key, value in ones[0].items() if isinstance(value, Mapping)):
            median = {m: float(np.median([one[who]["scores"][m] for one in ones])) for m in ones[0][who]["scores"]}
            shown.append(
                f"{Path(name).name:14} {who:24} " + ", ".join(f"{m} {value:.4f}" for m, value in median.items())
            )
        for one in ones:
            each = {
                k: sign * v["scores"][metric] for k, v in one.items() if isinstance(v, Mapping) and "evonas," not in k
            }
            for who, value in each.items():
                rank = sum(other < value for other in each.values()) + 0.5 * sum(
                    other == value for other in each.values()
                )
                ranks.setdefault(who, []).append(rank + 0.5)
    return [*shown, *(f"mean rank {who}: {np.mean(values):.2f}" for who, values in ranks.items())]


def main() -> None:
    """Runs each table and seed, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--tables", default="california,adult,churn", help=f"among {', '.join(TABLES)}; small; FILE.csv:COLUMN"
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--ensemble", type=int, default=8, help="members; 0 for none")
    parser.add_argument("--json", type=report_path)
    options = parser.parse_args()
    names = SMALL if options.tables == "small" else tuple(options.tables.split(","))
    check_tables(parser, names)
    results = []
    for name in names:
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            results.append(compared(name, seed, options))
            print("\n".join(lines(results[-1])), flush=True)
    print("\n".join(summary(results)))
    if options.json:
        write_report(options.json, {"minutes": options.minutes, "results": results})


if __name__ == "__main__":
    main()
