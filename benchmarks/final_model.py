"""Final models of a search compared: one network, means of several, or networks trained on validation rows, too.

    python benchmarks/final_model.py [--tables concrete,kin8nm,power_plant,titanic] [--rows 2000] [--seeds 3]

One search per table and seed, with `--evaluations` networks, and its retrained finalists provide the networks for all
policies. Prints the score of each on the test rows: at most 4,000 of those that are not among `--rows`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from raw_table import DATA, SMALL, TABLES, Table

import evonas
from evonas.data.prepared import PreparedData
from evonas.deploy.final_model import score_final_model
from evonas.runs.final_model import FinalModel, members_on_all_rows
from evonas.runs.reader import DATA_NAME, RunReader
from evonas.runs.records import Record

_MOST_TEST_ROWS = 4_000
_MEMBERS = 9


def parts_of(table: Table, rows: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows for a search, at most four fifths of all, and test rows."""
    whole = pd.read_csv(DATA / table.files[0]).drop(columns=list(table.drop))
    order = np.random.RandomState(seed).permutation(len(whole))
    count = min(rows, len(whole) - len(whole) // 5)
    return whole.iloc[order[:count]], whole.iloc[order[count : count + _MOST_TEST_ROWS]]


def policies_of(run: RunReader) -> Mapping[str, FinalModel]:
    """The networks of each policy."""
    finalists, best = run.finalists, run.best(10)

    def mean(records: Sequence[Record]) -> FinalModel:
        return FinalModel(tuple(record for record in records if record.weights))

    return {
        "median of the best finalist": mean([finalists[0].champion]),
        "the search's best": mean(best[:1]),
        "mean of the best finalist's seeds": mean(finalists[0].members),
        "mean of 3 finalists": mean([record for each in finalists[:3] for record in each.members]),
        "mean of all finalists": mean([record for each in finalists for record in each.members]),
        "mean of the search's best 5": mean(best[:5]),
        "all rows, one network": mean(members_on_all_rows(run, finalists)[:1]),
        "all rows, mean": mean(members_on_all_rows(run, finalists)),
    }


def scores_of(table: Table, rows: int, evaluations: int, seed: int) -> dict[str, float]:
    """The score of each policy on the test rows."""
    known, test = parts_of(table, rows, seed)
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {"finalists": 5, "finalist_seeds": 3, "average": _MEMBERS, "all_rows": True}
        out = Path(folder) / "run"
        evonas.search(
            known, table.target, test=test, evaluations=evaluations, seed=seed, out=out, baseline=False, **options
        )
        data = PreparedData.load(out / DATA_NAME)
        with RunReader(out) as run:
            name = run.objective.name
            return {policy: score_final_model(run, model, data)[name] for policy, model in policies_of(run).items()}


def main() -> None:
    """Measures each table, and prints the mean over seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", default=",".join(SMALL), help=f"among {', '.join(SMALL)}")
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--evaluations", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    for name in options.tables.split(","):
        if name not in SMALL:
            parser.error(f"--tables must be among {', '.join(SMALL)}, not {name!r}")
        found = [scores_of(TABLES[name], options.rows, options.evaluations, seed) for seed in range(options.seeds)]
        print(f"{name}, {options.seeds} seeds:")
        for policy in found[0]:
            values = [each[policy] for each in found]
            print(f"  {policy:36} {np.mean(values):.4f}  ({', '.join(f'{value:.4f}' for value in values)})", flush=True)


if __name__ == "__main__":
    main()
