"""Reading CSV files: good ones are read unchanged, bad ones are refused with the location and the fix."""

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evonas.data.readers.csv import read_table
from genomes.errors import InputError

GOOD = "a,b,c\n1,x,0.5\n2,,1e3\n3,y,\n"


def write(folder: Path, content: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD.replace(",", ";"),
        GOOD.replace(",", "\t"),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        "a,b,c\n1,x,0.5\r\n2,,1e3\r3,y,\n",
        GOOD.replace("\n", ",\n"),
        GOOD.replace("\n", ",,\n"),
        "\n" + GOOD + "\n\n",
        GOOD.replace(",", " , "),
        GOOD.rstrip("\n"),
        b"\xef\xbb\xbf" + GOOD.encode(),
        gzip.compress(GOOD.encode()),
        GOOD.replace(",,", ",NA,").replace("3,", '"3",'),
    ],
    ids=[
        "plain",
        "semicolons",
        "tabs",
        "crlf",
        "cr",
        "mixed ends",
        "comma at the end",
        "two",
        "blank lines",
        "spaces",
        "no last newline",
        "mark",
        "gzip",
        "quotes",
    ],
)
def test_reads_the_same_table_however_it_is_written(tmp_path: Path, content: str | bytes) -> None:
    table = read_table(write(tmp_path, content))
    assert list(table.columns) == ["a", "b", "c"]
    assert table["a"].tolist() == [1, 2, 3]
    assert table["b"].isna().tolist() == [False, True, False]
    assert table["b"].dropna().tolist() == ["x", "y"]
    np.testing.assert_array_equal(table["c"], [0.5, 1000, np.nan])


def test_types(tmp_path: Path) -> None:
    table = read_table(
        write(
            tmp_path,
            "id,zip,mixed,long,formula,quoted,big,word\n"
            '00123,02134,1,1234567890123456789,=1+1,"a,b\n""c""",-123456789012,inf\n'
            "00124,90210,x,2234567890123456789,=2,plain,0,outf\n",
        )
    )
    assert table["id"].tolist() == ["00123", "00124"]
    assert table["zip"].tolist() == ["02134", "90210"]
    assert table["mixed"].tolist() == ["1", "x"]
    assert table["long"].tolist() == ["1234567890123456789", "2234567890123456789"]
    assert table["formula"].tolist() == ["=1+1", "=2"]
    assert table["quoted"].tolist() == ['a,b\n"c"', "plain"]
    assert table["big"].tolist() == [-123456789012, 0]
    assert table["word"].tolist() == ["inf", "outf"]


@settings(deadline=None)  # the machine may be busy
@given(
    st.lists(
        st.tuples(
            st.integers(-(10**18) + 1, 10**18 - 1),
            st.floats(allow_nan=False, allow_infinity=False, width=64),
            st.text(),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_a_written_frame_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, float, str]]
) -> None:
    # CSV cannot represent blank or missing-like text, NUL bytes or spaces around a cell.
    rows = [(a, b, "t" + "".join(c for c in text if c.isprintable()) + "t") for a, b, text in rows]
    frame = pd.DataFrame(rows, columns=["a", "b", "c"])
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    frame.to_csv(path, index=False)
    table = read_table(path)
    for name in frame.columns:
        assert table[name].tolist() == frame[name].tolist()


def test_agrees_with_pandas_on_real_files(real_files: list[Path]) -> None:
    for path in real_files:
        ours, theirs = read_table(path), pd.read_csv(path)
        for name in theirs.columns:
            np.testing.assert_array_equal(ours[name].isna(), theirs[name].isna())
            if pd.api.types.is_numeric_dtype(theirs[name]):
                np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-15)
            else:
                assert ours[name].dropna().tolist() == theirs[name].dropna().tolist()


BAD: dict[str, tuple[bytes | Callable[[], bytes], list[str]]] = {
    "empty": (b"", ["empty", "0 bytes"]),
    "blank": (b"\n\n\n", ["column names", "remove blank lines"]),
    "only a header": (b"a,b\n", ["at least one row", "add rows"]),
    "numbers for names": (b"1.5,2.5\n3,4\n", ["names", "1.5, 2.5", "add a header line"]),
    "short row": (b"a,b\n1,2\n3\n", ["2 cells", "data row 2", "line 3", "has 1", "correct"]),
    "long row": (b"a,b\n1,2,3\n", ["2 cells", "data row 1", "has 3"]),
    "duplicate header": (b"a,b,a\n1,2,3\n", ["columns 1 and 3", "'a'", "rename"]),
    "nul": (b"a,b\n1,\x002\n", ["line 2", "NUL", "UTF-8"]),
    "binary": (bytes(range(256)) * 10, ["UTF-8"]),
    "excel": (b"PK\x03\x04" + bytes(100), ["Excel", "save the table as CSV"]),
    "infinite": (b"a,b\n1,2\n2,1e999\n", ["'b'", "finite", "1e999", "data row 2", "correct"]),
    "the word inf": (b"a,b\n-inf,2\n2,1\n", ["'a'", "finite", "-inf", "data row 1"]),
    "open quotes": (b'a,b\n1,2\n1,"2\n3,4\n5,6\n', ["CSV", "line 3, data row 2, column 2", "close the quotes"]),
    "two lines for names": (b"n1,0,0\nn2,1,2\n", ["first line looks like a row", "add a header line"]),
    "a cell of a megabyte": (b"a,b\n1,2\n3," + b"x" * 10**6 + b"\n", ["131,072", "line 3, data row 2", "shorten"]),
    "trailing comma in a row": (b"a,b\n1,2\n3,4,\n", ["2 cells", "data row 2", "line 3", "has 3"]),
    "decimal commas": (b"a,b\n1,5,2\n", ["2 cells", "data row 1", "has 3", "quote cells"]),
    "cut gzip": (gzip.compress(GOOD.encode() * 99)[:-20], ["gzip", "again"]),
    "damaged gzip": (b"\x1f\x8b" + bytes(40), ["gzip"]),
    "a million columns": (
        lambda: b",".join(b"c%d" % n for n in range(10**6)) + b"\n1\n",  # not while tests are only collected
        ["100,000 columns", "1,000,000"],
    ),
}


@pytest.mark.parametrize(("content", "said"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused(tmp_path: Path, content: bytes | Callable[[], bytes], said: list[str]) -> None:
    with pytest.raises(InputError) as refusal:
        read_table(write(tmp_path, content() if callable(content) else content))
    for words in said:
        assert words in str(refusal.value)


def test_long_cells_and_many_columns_are_read(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a,b\n1," + "x" * 131_000 + "\n2,y\n"))
    assert table["b"].map(len).tolist() == [131_000, 1]
    wide = ",".join(f"c{index}" for index in range(5_000)) + "\n" + ",".join(["1"] * 5_000) + "\n"
    assert read_table(write(tmp_path, wide)).shape == (1, 5_000)


def test_a_bad_path_is_refused(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "titanic.csv")
    with pytest.raises(InputError, match=r"titanc\.csv.*correct the path.*titanic\.csv"):
        read_table(tmp_path / "titanc.csv")
    with pytest.raises(InputError, match="a folder"):
        read_table(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe or device"):
        read_table(tmp_path / "pipe")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    path.chmod(0)
    with pytest.raises(InputError, match="permissions"):
        read_table(path)


MEASURE = """
import sys
import numpy, pandas
from contextlib import suppress
from evonas.data.readers.csv import read_table
from genomes.errors import InputError
from tests.peak_memory import peak_bytes
for path in sys.argv[2:]:
    read_table(path)
before = peak_bytes()
with suppress(InputError):
    read_table(sys.argv[1])
print(peak_bytes() - before)
"""


def big_table(path: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    if kind == "a million columns":
        path.write_bytes(b",".join(b"c%d" % index for index in range(10**6)) + b"\n")
        return
    if kind == "numbers":
        frame = pd.DataFrame(rng.normal(size=(60_000, 10)).round(5)).add_prefix("x")
        frame["rooms"] = rng.integers(1, 9, 60_000)
    else:
        letters = rng.integers(97, 123, (90_000, 5, 8), dtype=np.uint8).view("S8")[..., 0].astype(str)
        frame = pd.DataFrame(letters).add_prefix("code")
        frame["some"] = np.where(rng.random(90_000) < 0.9, "", "yes")
    frame["town"] = rng.choice(["north end", "south end", "harbour"], len(frame))
    frame.to_csv(path, index=False)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("kind", ["numbers", "text", "a million columns"])
def test_memory_stays_below_three_times_the_file(tmp_path: Path, kind: str) -> None:
    """`benchmarks/reading.py` measures it on larger files."""
    path = tmp_path / "big.csv"
    big_table(path, kind)
    first, beside = [], 150e6
    if kind != "a million columns":
        # Reading its beginning takes what does not depend on the size: libraries and a few blocks. The cache of texts
        # grows a little afterwards.
        first, beside = [str(write(tmp_path, "".join(path.read_text().splitlines(keepends=True)[:30_000])))], 20e6
    command = [sys.executable, "-c", MEASURE, str(path), *first]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(run.stdout) < 3 * path.stat().st_size + beside
