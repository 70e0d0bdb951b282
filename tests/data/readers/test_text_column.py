"""The compact text column of the readers: the same cells as any other column of text, in less memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evonas.data.cells import kind_of, texts
from evonas.data.prepare import prepare_table
from evonas.data.readers.csv import read_table
from evonas.data.readers.text_codes import FEW, Packing
from evonas.data.readers.text_column import PackedTexts

WORDS = ["a", "é", None, "north end", "漢字", "a"]


def pack(cells: list[str | None], few: bool = False, remembered: int = 1000) -> pd.Series:
    packing = Packing(len(cells), few, ["", "NA"], remembered)
    half = len(cells) // 2
    packing[:half] = tuple(cell or "" for cell in cells[:half])
    packing[half:] = tuple(cell or "NA" for cell in cells[half:])
    return pd.Series(PackedTexts(packing.codes, packing.vocabulary()), name="c")


@pytest.mark.parametrize("few", [True, False])
def test_cells_are_returned_unchanged(few: bool) -> None:
    series = pack(WORDS, few)
    assert texts(series).tolist() == WORDS
    assert series.dropna().map(len).tolist() == [1, 1, 9, 2, 1]
    assert series.isna().tolist() == [False, False, True, False, False, False]
    assert series.dropna().tolist() == ["a", "é", "north end", "漢字", "a"]
    assert series[3] == "north end"
    assert series.iloc[[4, 2]].astype(object).tolist() == ["漢字", None]
    assert series[::-1].map(str).tolist()[0] == "a"
    assert series[series.isna()].tolist() == [None]
    assert (series == "a").tolist() == [True, False, False, False, False, True]
    assert series.reindex([1, 9]).tolist() == ["é", None]
    assert np.asarray(series).tolist() == WORDS
    assert series.copy().tolist() == WORDS
    assert kind_of(series) == "text"
    assert kind_of(pack(["2024-01-02", None, "2024/01/03"])) == "date"
    joined = pd.concat([series, pack(["z", "a"]), series], ignore_index=True)
    assert joined.tolist() == [*WORDS, "z", "a", *WORDS]
    assert isinstance(joined.array, PackedTexts)
    assert pd.concat([series, pd.Series([1.5])], ignore_index=True).tolist()[-1] == 1.5
    assert "north end" in repr(series)


def test_texts_outside_the_cache_are_stored_again() -> None:
    cells: list[str | None] = [f"t{index % 1000}" for index in range(5000)]
    series = pack(cells, remembered=0)
    assert texts(series).tolist() == cells
    assert texts(series.iloc[4000:4003]).tolist() == cells[4000:4003]
    assert pack(cells).array.nbytes < series.array.nbytes < 5000 * 16
    assert pack(["a", "b"] * FEW, few=True).array.nbytes < 2 * FEW + 20
    assert pack([None, None]).isna().all()


def test_a_table_of_a_file_is_prepared_as_a_frame_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "town": rng.choice(["north", "é", None], 200),
            "day": [f"2024-01-{index % 28 + 1:02}" for index in range(200)],
            "sure": rng.choice(["yes", "no"], 200),
            "note": [f"text {index}" for index in range(200)],
            "rooms": rng.choice([1, 2, 9_999_999, None], 200),
            "y": rng.choice(["b", "a"], 200),
        }
    )
    frame.to_csv(tmp_path / "table.csv", index=False)
    read = read_table(tmp_path / "table.csv")
    assert read["rooms"].dtype == np.float32
    options: dict[str, object] = {"seed": 0, "roles": {"note": "text"}}
    given, wanted = prepare_table(read, "y", **options), prepare_table(frame, "y", **options)  # type: ignore[arg-type]
    assert given.fingerprint == wanted.fingerprint
    assert given.preparation == wanted.preparation
    np.testing.assert_array_equal(given.splits[0].x_train, wanted.splits[0].x_train)
    more = prepare_table(read, "y", seed=0, validation=read, test=read)
    assert more.x_test is not None
    np.testing.assert_array_equal(more.x_test, more.splits[0].x_validation)
