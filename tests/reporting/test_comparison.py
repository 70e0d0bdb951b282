"""Comparing runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evonas.config import Settings
from evonas.evaluation import Candidate, Evaluation, Status
from evonas.reporting.comparison import _contrasts, _holm, _merge_names, compare_runs, comparison_report
from evonas.runs.store import RunStore
from genomes.dense import DenseSpace
from genomes.errors import InputError
from tests.cli.commands import evonas
from tests.reporting.synthetic import synthetic_run


def small_run(
    directory: Path,
    strategy: str,
    seed: int,
    scores: list[float],
    objective: str = "rmse",
    columns: tuple[str, ...] = (),
    epochs: int = 100,
    measured: list[str] | None = None,
) -> Path:
    """A run without data, with networks of these scores; `columns` are those searched for neighbours.

    If `measured` is given, the run has a time limit, from which these settings were chosen.
    """
    import numpy as np

    from evonas.config import Budget

    space = DenseSpace(neighbour_columns=columns)
    rng = np.random.default_rng(seed)
    settings = Settings(seed=seed, strategy=strategy, population=4, finalists=0, epochs=epochs).resolve(objective)
    source = {} if measured is None else {"first_generation": {"measured": measured}}
    with RunStore.create(directory, settings=settings, space=space, state={}, source=source) as store:
        store.begin_session(Budget(evaluations=len(scores), seconds=None if measured is None else 60.0))
        genomes = [space.sample(rng) for _ in scores]
        made = [Candidate(g, space.digest(g), k, 5, 0, k) for k, g in enumerate(genomes)]
        store.add_candidates(made, space)
        done = [Evaluation(Status.OK, {objective: score}, epochs=5, train_seconds=1.0) for score in scores]
        store.commit_part(list(zip(made, done, strict=True)), 1.0)
        store.end_session("evaluations", 4.0)
    return directory


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    good = [small_run(tmp_path / f"good-{k}", "ga", k, [9.0, 1.0 + k / 10, 5.0]) for k in range(5)]
    return good + [small_run(tmp_path / f"bad-{k}", "random", k, [9.0, 4.0 + k / 10, 5.0]) for k in range(5)]


def test_groups_of_seeds_are_tested(runs: list[Path]):
    comparison = compare_runs(runs)
    assert [(group.name, len(group.runs)) for group in comparison.groups] == [("ga", 5), ("random", 5)]
    assert comparison.groups[0].scores == pytest.approx([1.0, 1.1, 1.2, 1.3, 1.4])
    (contrast,) = comparison.contrasts
    assert (contrast.delta, contrast.effect) == (1.0, "large")
    assert contrast.p_value == pytest.approx(2 / 252)  # the exact test: 1 of 252 orders on either side
    (turned,) = _contrasts(comparison.groups, -1.0)
    assert turned.delta == -1.0
    report = comparison_report(comparison)
    assert report.sections[0].blocks[0].text == "Best median: ga."  # type: ignore[union-attr]
    assert [figure.name for figure in report.figures] == [
        f"convergence-{by}" for by in ("evaluations", "epochs", "seconds")
    ]
    lines = [trace for trace in report.figures[0].traces if trace["name"] == "ga (5)"]
    assert lines[0]["y"][-1] == pytest.approx(1.2)


def test_columns_that_the_rows_of_a_seed_choose_part_no_group(tmp_path: Path):
    chosen = [("rooms", "age"), ("age", "rooms"), ()]
    runs = [small_run(tmp_path / str(k), "ga", k, [2.0, 1.0], columns=columns) for k, columns in enumerate(chosen)]
    assert [len(group.runs) for group in compare_runs(runs).groups] == [2, 1]


def test_settings_chosen_by_the_clock_do_not_separate_seeds(tmp_path: Path):
    chosen: list[tuple[int, list[str]]] = [(17, ["epochs"]), (7, ["epochs"]), (7, []), (30, [])]
    runs = [
        small_run(tmp_path / str(k), "ga", k, [2.0, 1.0], epochs=epochs, measured=measured)
        for k, (epochs, measured) in enumerate(chosen)
    ]
    assert [len(group.runs) for group in compare_runs(runs).groups] == [2, 1, 1]


def test_genes_of_several_runs_stay_in_their_order():
    assert _merge_names([["layers", "units_1", "rate"], ["layers", "units_1", "units_2", "rate"]]) == [
        *("layers", "units_1", "units_2", "rate")
    ]


def test_p_values_are_corrected():
    assert _holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_the_command_writes_what_it_is_asked_for(runs: list[Path], tmp_path: Path):
    given = list(map(str, runs))
    assert "ga / random" in evonas("compare", *given).output
    values = json.loads(evonas("compare", *given, "--json").output)
    assert [group["median"] for group in values["groups"]] == pytest.approx([1.2, 4.2])
    for name in ("c.html", "c.md", "c.json"):
        assert evonas("compare", *given, "-o", str(tmp_path / name)).exit_code == 0
    assert json.loads((tmp_path / "c.json").read_text())["objective"] == "rmse"
    assert "Cliff" in (tmp_path / "c.html").read_text()
    (tmp_path / "mine.md").write_text("mine")
    assert evonas("compare", *given, "-o", str(tmp_path / "mine.md")).exit_code == 2


def test_incomparable_runs_are_refused(runs: list[Path], tmp_path: Path):
    with pytest.raises(InputError, match="at least two, not 1"):
        compare_runs([runs[0], runs[0]])
    other = small_run(tmp_path / "other", "ga", 0, [1.0], "mae")
    with pytest.raises(InputError, match="must have the same objective"):
        compare_runs([runs[0], other])
    with pytest.raises(InputError, match="must have a scored network"):
        compare_runs([runs[0], synthetic_run(tmp_path / "none", 0)])
