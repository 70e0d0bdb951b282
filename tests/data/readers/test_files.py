"""Tables in formats other than CSV: the same table, or a message that names the location."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evonas.data.load import read_data
from evonas.data.readers.files import read_file
from genomes.errors import InputError

FRAME = pd.DataFrame({"area": [1.5, None, 3.0], "town": ["a", "b", None], "rooms": [1, 2, 3]})


@pytest.mark.parametrize("name", ["table.parquet", "table.pq", "table.feather"])
def test_columnar_files(tmp_path: Path, name: str) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / name
    FRAME.to_feather(path) if "feather" in name else FRAME.to_parquet(path)
    pd.testing.assert_frame_equal(read_file(path), FRAME)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="must be a whole"):
        read_file(path)


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"evonas\[parquet\]"):
        read_file(path)


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text('{"area": 1.5, "town": "a"}\n\n{"town": null, "rooms": 2}\n{"area": 3}\n')
    frame = read_file(path)
    assert list(frame.columns) == ["area", "town", "rooms"]
    assert frame["area"].tolist()[::2] == [1.5, 3.0]
    assert frame.isna().sum().tolist() == [1, 2, 2]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[1, 2]", "line 2 of .* must be an object"),
        ("{'a': 1}", "line 2 of .* must be JSON"),
        (json.dumps({"a": [1]}), "'a' is a list or an object"),
        ('{"a": 1, "a": 2}', "'a' twice"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text('{"a": 1}\n' + line + "\n")
    with pytest.raises(InputError, match=words):
        read_file(path)


def test_a_parquet_file_with_another_suffix_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"PAR1 and more")
    with pytest.raises(InputError, match="whole parquet file"):
        read_file(path)


def test_half_a_character_is_replaced_in_json(tmp_path: Path) -> None:
    for name, text in (("table.json", "[%s]"), ("table.jsonl", "%s\n")):
        (tmp_path / name).write_text(text % '{"a\\ud83d": "\\ud83d\\ude00 \\ud83d"}')
        frame = read_file(tmp_path / name)
        assert list(frame.columns) == ["a\ufffd"]
        assert frame.iloc[0, 0] == "\U0001f600 \ufffd"


def test_half_a_character_is_refused_in_arrays_and_tables() -> None:
    half = ["\ud83d", "b"] * 10
    numbers = np.arange(20.0)
    for x, y in ((numbers[:, None], half), (np.array(half, object)[:, None], numbers), (half, numbers % 2)):
        with pytest.raises(InputError, match="encodable as UTF-8"):
            read_data(x, y)
    frame = pd.DataFrame({"a": pd.Series(half, dtype=object), "t": numbers})
    named = pd.DataFrame({"a": numbers, "t": numbers})
    named.columns = pd.Index(["\ud83d", "t"], dtype=object)
    for table in (frame, named):
        with pytest.raises(InputError, match="encodable as UTF-8"):
            read_data(table, "t")


def test_a_line_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evonas.data.readers.text.LONGEST_LINE", 100)
    monkeypatch.setattr("evonas.data.readers.text._CHUNK", 60)
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n" + "x" * 300)
    with pytest.raises(InputError, match="fewer than 100 characters, but line 3 has more"):
        read_file(path)
    monkeypatch.setattr("evonas.data.readers.text.LONGEST_LINE", 1000)
    monkeypatch.setattr("evonas.data.readers.dialect._HEAD", 50)
    monkeypatch.setattr("evonas.data.readers.dialect._LONGEST_HEADER", 100)
    path.write_text("x" * 300)
    with pytest.raises(InputError, match="fewer than 100 characters at its beginning"):
        read_file(path)


def test_byte_order_marks_are_not_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"\xef\xbb\xbf\xef\xbb\xbfa,b\n1,2\n")
    assert list(read_file(path).columns) == ["a", "b"]
