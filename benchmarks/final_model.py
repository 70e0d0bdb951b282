"""Final models of a search compared: one network, means of several, or networks trained on validation rows, too.

    python benchmarks/final_model.py [--tables concrete,titanic,FILE.csv:COLUMN] [--rows 2000] [--seeds 2]

One search per table and seed, with `--evaluations` networks, provides the networks for all policies: eight finalists,
each retrained twice, and trained three times on training and validation rows. Means have at most eight networks, for
which the finalists take turns. Prints the score of each policy on the test rows, of which there are at most 4,000, and
the geometric mean of its ratios to the usual policy, three finalists trained on all rows.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from raw_table import DATA, SMALL, Table, check_tables, table_named

import evonas
from evonas.data.prepared import PreparedData
from evonas.deploy.final_model import final_network, score_final_model
from evonas.metrics.problem_scores import compute_scores
from evonas.networks.ensemble_selection import select_ensemble
from evonas.runs import finalists as finalists_module
from evonas.runs.ensemble_networks import members_on_all_rows
from evonas.runs.final_model import FinalModel
from evonas.runs.reader import DATA_NAME, RunReader
from evonas.runs.records import Record

_MOST_TEST_ROWS = 4_000
_FINALISTS, _SEEDS, _ALL_ROWS_SEEDS, _MEMBERS = 8, 2, 3, 8
_USUAL = "all rows, 3 finalists"


def parts_of(table: Table, rows: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows for a search, at most four fifths of all, and test rows."""
    whole = pd.read_csv(DATA / table.files[0]).drop(columns=list(table.drop))
    order = np.random.RandomState(seed).permutation(len(whole))
    count = min(rows, len(whole) - len(whole) // 5)
    return whole.iloc[order[:count]], whole.iloc[order[count : count + _MOST_TEST_ROWS]]


def turns_of(records: Sequence[Record], finalists: int) -> list[Record]:
    """The first members of a mean of the first finalists, which take turns in `records`."""
    digests = list(dict.fromkeys(record.digest for record in records))[:finalists]
    return [record for record in records if record.digest in digests][:_MEMBERS]


def chosen_shares(run: RunReader, data: PreparedData) -> dict[str, float]:
    """Digest -> share in the mean that is selected greedily on the validation rows from retrained finalists."""
    split, objective, outputs = data.splits[0], run.objective, []
    firsts = [next(record for record in each.members if record) for each in run.finalists]
    for record in firsts:
        network = final_network(run, FinalModel((record,)), data)
        outputs.append(network.raw_outputs(data.new_rows(split.x_validation, *network.views)))

    def loss(raw: np.ndarray) -> float:
        return objective.loss(compute_scores(data.problem, split.y_validation, raw).get(objective.name))

    counts = select_ensemble(outputs, loss, data.problem, _MEMBERS)
    return {record.digest: count / sum(counts) for record, count in zip(firsts, counts, strict=True)}


def policies_of(run: RunReader, data: PreparedData) -> Mapping[str, FinalModel]:
    """The networks of each policy."""
    finalists, best = run.finalists, run.best(_MEMBERS)
    retrained = [
        record for turn in zip(*(each.members for each in finalists), strict=True) for record in turn if record
    ]
    everything = list(members_on_all_rows(run, finalists))
    near = {
        bound: sum(each.loss[1] <= (1 + bound) * finalists[0].loss[1] for each in finalists) for bound in (0.05, 0.1)
    }
    shares = chosen_shares(run, data)
    weights = [shares[record.digest] / _ALL_ROWS_SEEDS for record in everything]
    found = {
        "median of the best finalist": [finalists[0].champion],
        "the search's best": best[:1],
        "mean of the search's best 5": best[:5],
        "3 finalists": turns_of(retrained, 3),
        "8 finalists": turns_of(retrained, 8),
        "all rows, one network": everything[:1],
        **{f"all rows, {count} finalists": turns_of(everything, count) for count in (1, 2, 3, 4, 6, 8)},
        **{f"all rows, those within {bound:.0%}": turns_of(everything, count) for bound, count in near.items()},
    }
    policies = {name: FinalModel(tuple(records)) for name, records in found.items()}
    taken = [(record, weight) for record, weight in zip(everything, weights, strict=True) if weight]
    policies["all rows, shares selected on validation rows"] = FinalModel(
        tuple(record for record, _ in taken), chosen=tuple(weight for _, weight in taken)
    )
    return policies


def scores_of(table: Table, rows: int, evaluations: int, seed: int) -> dict[str, float]:
    """The score of each policy on the test rows."""
    known, test = parts_of(table, rows, seed)
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {"finalists": _FINALISTS, "finalist_seeds": _SEEDS, "all_rows": True}
        options["average"] = _ALL_ROWS_SEEDS * _FINALISTS
        out = Path(folder) / "run"
        evonas.search(
            known, table.target, test=test, evaluations=evaluations, seed=seed, out=out, baseline=False, **options
        )
        data = PreparedData.load(out / DATA_NAME)
        with RunReader(out) as run:
            name = run.objective.name
            policies = policies_of(run, data)
            return {policy: score_final_model(run, model, data)[name] for policy, model in policies.items()}


def main() -> None:
    """Measures each table, and prints the mean over seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", default=",".join(SMALL), help=f"among {', '.join(SMALL)}; FILE.csv:COLUMN")
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--evaluations", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    check_tables(parser, options.tables.split(","))
    finalists_module._NEAR = np.inf  # compares networks that are further behind, too
    ratios: dict[str, list[float]] = {}
    for name in options.tables.split(","):
        table = table_named(name)
        found = [scores_of(table, options.rows, options.evaluations, seed) for seed in range(options.seeds)]
        print(f"{Path(name).name}, {options.seeds} seeds:")
        for policy in found[0]:
            values = [each[policy] for each in found]
            ratios.setdefault(policy, []).extend(each[policy] / each[_USUAL] for each in found)
            print(f"  {policy:46} {np.mean(values):.4f}  ({', '.join(f'{value:.4f}' for value in values)})", flush=True)
    print("ratio to the usual policy, geometric mean:")
    for policy, each in ratios.items():
        error = np.std(np.log(each)) / np.sqrt(len(each))
        print(f"  {policy:46} {np.exp(np.mean(np.log(each))):.4f} +- {error:.4f}")


if __name__ == "__main__":
    main()
