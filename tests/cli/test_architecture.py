"""Options for images, series and texts, and what is refused. Nothing is trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.commands import evonas, write_table

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.savez("m.npz", x_train=RNG.integers(0, 256, (40, 8, 8)).astype(np.uint8), y_train=np.arange(40) % 2)
    parts = [
        pd.DataFrame({"id": k, "t": range(4 + k % 2), "a": RNG.normal(size=4 + k % 2), "y": k % 2}) for k in range(40)
    ]
    pd.concat(parts).to_csv("long.csv", index=False)
    texts = [f"a {('good', 'bad')[k % 2]} film of row {k}" for k in range(40)]
    pd.DataFrame({"review": texts, "y": np.arange(40) % 2}).to_csv("reviews.csv", index=False)
    return write_table(tmp_path / "table.csv")


def test_inspect_shows_which_networks_suit_the_rows() -> None:
    for arguments, said in [
        (("m.npz", "--target", "y_train"), "images of 8 x 8 pixels, 1 channel: convolutional networks"),
        (("reviews.csv", "--target", "y", "--text", "review"), "texts of up to 6 words"),
        (
            ("long.csv", "--target", "y", "--series-id", "id", "--time-column", "t"),
            "series of up to 5 steps, 1 channel",
        ),
        (("table.csv", "--target", "price", "--drop", "colour", "--series"), "series of 1 steps"),
    ]:
        result = evonas("inspect", *arguments)
        assert result.exit_code == 0, result.output
        assert said in " ".join(result.output.split())
        assert "single" in result.output
    values = json.loads(evonas("inspect", "m.npz", "--target", "y_train", "--encoding", "dense", "--json").output)
    assert values["features"] == 64
    assert "dense" not in " ".join(values["notes"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("m.npz", "--target", "y_train", "--architecture", "sequence"), "convolutional or dense for images"),
        (("m.npz", "--target", "y_train", "--architecture", "cnn"), "must be one of convolutional, dense, sequence"),
        (("m.npz", "--target", "y_train", "--architecture", "dense", "--encoding", "sequence"), "given once"),
        (("table.csv", "--target", "price", "--architecture", "convolutional"), "dense for rows of a table"),
        (("table.csv", "--target", "price", "--series"), "column 'colour'"),
        (("long.csv", "--target", "a", "--series-id", "id", "--time-column", "t"), "one value for each 'id'"),
        (("long.csv", "--target", "y", "--series-id", "name"), "the series id column must be one"),
        (("table.csv", "--target", "price", "--split", "half"), "split must be random or time"),
    ],
)
def test_impossible_options_are_refused_with_a_message(arguments: tuple[str, ...], words: str) -> None:
    result = evonas("inspect", *arguments)
    assert result.exit_code == 2, result.output
    assert words in " ".join(result.output.split())


def test_default_spaces_are_printed() -> None:
    for name, said in {
        "dense": "units",
        "convolutional": "filters",
        "sequence": "recurrent",
        "text": "vocabulary",
    }.items():
        result = evonas("space", "--architecture", name)
        assert result.exit_code == 0, result.output
        assert said in result.output
    assert evonas("space", "--architecture", "cnn").exit_code == 2
