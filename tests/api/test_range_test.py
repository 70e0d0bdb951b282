"""The learning-rate range test: its suggestion on curves that are known, its files, and one real sweep."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

import evonas
from evonas.display.curve_lines import curve_lines
from evonas.display.range_test_plot import text_plot, write_plot
from evonas.rate_sweep import LearningRateCurve, sweep_rates
from evonas.runs.genome_files import read_genome
from genomes import DenseSpace, InputError, Range, population_to_text
from tests.cli.commands import evonas as command
from tests.cli.commands import write_table


def curve(falls_at: float = 1e-3, explodes_at: float = 1e-1, noise: float = 0.0, steps: int = 300) -> LearningRateCurve:
    """A loss of 1 that falls to 0.2 around one rate and explodes around another."""
    rates = np.array(sweep_rates(steps=steps))
    losses = 1 - 0.8 / (1 + (falls_at / rates) ** 3) + (rates / explodes_at) ** 4
    losses += noise * np.random.default_rng(0).normal(size=steps)
    kept = losses < 4
    return LearningRateCurve(tuple(rates[kept]), tuple(losses[kept]))


@pytest.mark.parametrize("falls_at", [1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("steps", [100, 300, 1000])
def test_the_suggested_rate_is_where_the_loss_falls_fastest(falls_at: float, noise: float, steps: int) -> None:
    suggested = curve(falls_at, noise=noise, steps=steps).suggested
    assert falls_at / 3 < suggested < falls_at * 3


def test_a_loss_that_never_falls_suggests_nothing() -> None:
    rates = sweep_rates(1e-2, 10, 50)
    with pytest.raises(InputError, match="only where the loss falls"):
        _ = LearningRateCurve(rates, tuple(1 + rate for rate in rates)).suggested


@pytest.mark.parametrize(
    ("low", "high", "steps", "words"),
    [
        (0.0, 1.0, 50, "above 0"),
        (1.0, 0.1, 50, "below the highest"),
        (math.nan, 1.0, 50, "above 0"),
        (1e-6, 1, 19, "20"),
    ],
)
def test_a_range_that_is_none_is_refused(low: float, high: float, steps: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        sweep_rates(low, high, steps)


def test_a_text_plot_fits_a_terminal_and_marks_the_rate() -> None:
    lines = text_plot(curve())
    assert max(map(len, lines)) <= 80
    assert any(line.strip() == "^" for line in lines)
    assert len({len(line.split("│")[0]) for line in lines[:12]}) == 1


@pytest.mark.parametrize("values", [[1.0, 1.0], [0.0, 1.0, 0.5], list(range(1000))])
def test_a_curve_of_any_length_is_drawn(values: list[float]) -> None:
    lines = curve_lines(values, width=20, height=5)
    dots = [[ord(sign) - 0x2800 for sign in line.split("│")[1]] for line in lines]
    assert len(lines) == 5
    columns = [any(row[k] for row in dots if k < len(row)) for k in range(20)]
    assert all(columns)


@pytest.mark.parametrize(
    ("name", "begins"), [("a.html", b"<!doctype html>"), ("a.png", b"\x89PNG"), ("a.svg", b"<?xml")]
)
def test_plots_are_written(tmp_path: Path, name: str, begins: bytes) -> None:
    write_plot(curve(), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize(("library", "name"), [("plotly", "a.html"), ("matplotlib", "a.png")])
def test_a_missing_library_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, name: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.chdir(tmp_path)
    write_table(Path("table.csv"))
    result = command("lr-find", "table.csv", "--target", "price", "-o", name)
    assert result.exit_code == 2
    assert library in result.output
    assert "evonas[plot]" in result.output


def test_genomes_are_read_from_every_file_that_has_one(tmp_path: Path) -> None:
    space = DenseSpace(units=Range(300, 400))
    genome = space.sample(np.random.default_rng(0))
    (tmp_path / "genome.json").write_text(json.dumps(space.genome_to_json(genome)))
    (tmp_path / "population.json").write_text(population_to_text(space, [genome]))
    assert read_genome(tmp_path / "genome.json")[1] == genome
    assert read_genome(tmp_path / "population.json") == (space, genome)
    assert read_genome(tmp_path)[1] == genome
    with pytest.raises(InputError, match="units must be in"):
        read_genome(tmp_path / "genome.json", DenseSpace())
    (tmp_path / "none.json").write_text(population_to_text(space, []))
    with pytest.raises(InputError, match="is empty"):
        read_genome(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-o", "a.pdf"], "must end in"),
        (["-o", "gone/a.html"], "existing folder"),
        (["--low", "20"], "below the highest"),
        (["--genome", "gone.json"], "gone.json"),
        (["--space", "gone.toml"], "gone.toml"),
        (["--steps", "5"], "at least 20"),
        (["--seeds", "0"], "at least 1"),
        (["--low", "x"], "must be a number"),
        (["--target", "gone"], "gone"),
    ],
)
def test_mistakes_exit_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], words: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(Path("table.csv"))
    result = command("lr-find", "table.csv", "--target", "price", *options)
    assert result.exit_code == 2, result.output
    assert words in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table.csv"]


@pytest.mark.keras
def test_a_real_sweep_finds_a_rate_that_trains_and_the_same_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(Path("table.csv"), rows=200)
    results = [
        command("lr-find", "table.csv", "--target", "price", "--seeds", "1", "--steps", "60", "--json") for _ in "ab"
    ]
    assert results[0].exit_code == 0, results[0].output
    assert results[0].stdout == results[1].stdout
    found = json.loads(results[0].stdout)
    assert len(found["rates"]) == len(found["losses"]) == len(found["smoothed"])
    assert 1e-5 < found["suggested"] < 0.3
    assert min(found["smoothed"]) < 0.8 * found["smoothed"][0]
    with pytest.raises(InputError, match="lowest rate"):
        evonas.find_learning_rate("table.csv", "price", low=-1.0)
