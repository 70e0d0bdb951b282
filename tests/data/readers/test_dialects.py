"""Text files in the dialects of other programs, and tables of other libraries: all give the same table."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evonas.data.arrays import feature_columns, named_columns, target_columns
from evonas.data.read_options import ReadOptions, Table
from evonas.data.readers.files import read_any
from genomes.errors import InputError

PLAIN = "a,b,c\n1,x,0.5\n2,y,1.5\n3,z,2.5\n"
QUOTED = 'a,b,c\n1,"x, ""y""",0.5\n2,y,1.5\n3,z,2.5\n'


def zip_text(text: str, *names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, text)
    return file.getvalue()


def workbook(rows: list[list[Any]]) -> bytes:
    cells = "".join(
        "<row>"
        + "".join(
            f"<c><v>{cell}</v></c>"
            if isinstance(cell, (int, float))
            else f'<c t="inlineStr"><is><t>{cell}</t></is></c>'
            for cell in row
        )
        + "</row>"
        for row in rows
    )
    sheet = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", f'<Types xmlns="{package}/content-types"/>')
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{office}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{sheet}" xmlns:r="{office}"><sheets><sheet name="One" sheetId="1" r:id="r1"/></sheets>'
            "</workbook>",
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{office}/worksheet" '
            'Target="worksheets/sheet1.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/worksheets/sheet1.xml", f'<worksheet xmlns="{sheet}"><sheetData>{cells}</sheetData></worksheet>'
        )
    return file.getvalue()


SAME: dict[str, tuple[str, str | bytes, dict[str, Any]]] = {
    "bz2": ("t.csv.bz2", bz2.compress(PLAIN.encode()), {}),
    "xz": ("t.csv.xz", lzma.compress(PLAIN.encode()), {}),
    "gzip without an ending": ("t", gzip.compress(PLAIN.encode()), {}),
    "zip": ("t.zip", zip_text(PLAIN, "folder/t.csv", "__MACOSX/t.csv"), {}),
    "utf-16": ("t.csv", PLAIN.encode("utf-16"), {}),
    "utf-16 without a mark": ("t.csv", PLAIN.encode("utf-16-le"), {}),
    "Excel's Unicode text": ("t.txt", PLAIN.replace(",", "\t").encode("utf-16"), {}),
    "sep line": ("t.csv", "sep=;\n" + PLAIN.replace(",", ";"), {}),
    "comment lines": ("t.csv", "# exported 2020\n# by a machine, on a day\n" + PLAIN, {}),
    "comments below": ("t.csv", PLAIN.replace("2,y", "% half, way\n2,y"), {"comment": "%"}),
    "title": ("t.csv", "Sales of 2020\n\n" + PLAIN, {}),
    "title of a sheet": ("t.csv", "Sales of 2020,,\nall regions,,\n" + PLAIN, {}),
    "lines that are skipped": ("t.csv", "what,ever\nit,may,be,here\n" + PLAIN, {"skip_rows": 2}),
    "separator at the end of rows": ("t.csv", PLAIN.replace("5\n", "5,\n"), {}),
    "separator at the end of the header": ("t.csv", PLAIN.replace("c\n", "c,\n"), {}),
    "space behind quotes": ("t.csv", PLAIN.replace(",x,", ',"x" ,'), {}),
    "space before quotes": ("t.csv", PLAIN.replace(",x,", ', "x",'), {}),
    "single quotes": ("t.csv", "'a','b','c'\n'1','x','0.5'\n'2','y','1.5'\n'3','z','2.5'\n", {}),
    "a separator of its own": ("t.csv", PLAIN.replace(",", "^"), {"separator": "^"}),
    "spaces": ("t.txt", PLAIN.replace(",", " "), {}),
    "aligned by spaces": ("t.txt", "   a   b    c\n   1   x  0.5\n   2   y  1.5\n   3   z  2.5 \n", {}),
    "aligned by spaces and tabs": ("t.txt", 'a b \tc\n1  "x"\t0.5\n2 y\t\t1.5\n3 z 2.5\n', {"separator": "space"}),
    "colons": ("t.txt", PLAIN.replace(",", ":"), {}),
    "as Hive writes": ("t.txt", PLAIN.replace(",", "\x01"), {}),
    "a separator beyond ASCII": ("t.txt", PLAIN.replace(",", "\u00a7"), {}),
    "a title with a separator": ("t.csv", "Sales\nby us, in 2020\n\n" + PLAIN, {}),
    "end of a file of DOS": ("t.csv", PLAIN + "\x1a", {}),
    "rule below the header": ("t.txt", PLAIN.replace("c\n", "c\n-,---,---\n").replace("-,", "--,"), {}),
    "a count below": ("t.txt", PLAIN + "\n(3 rows affected)\n", {}),
    "empty rows at the end": ("t.csv", PLAIN + ",,\n,,\n", {}),
    "JSON array": ("t.json", '[{"a":1,"b":"x","c":0.5},{"a":2,"b":"y","c":1.5},{"a":3,"b":"z","c":2.5}]', {}),
    "JSON columns": ("t.json", '{"a":[1,2,3],"b":["x","y","z"],"c":[0.5,1.5,2.5]}', {}),
    "workbook": ("t.xlsx", workbook([["a", "b", "c"], [1, "x", 0.5], [2, "y", 1.5], [3, "z", 2.5]]), {}),
    "workbook with a title": (
        "t.xlsx",
        workbook([["Sales"], ["a", "b", "c"], [1, "x", 0.5], [2, "y", 1.5], [3, "z", 2.5]]),
        {},
    ),
}


def read(folder: Path, name: str, content: str | bytes, **options: Any) -> Table:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_any(path, ReadOptions(**options))


@pytest.mark.parametrize(("name", "content", "options"), SAME.values(), ids=SAME)
def test_the_same_table_whatever_wrote_it(
    tmp_path: Path, name: str, content: str | bytes, options: dict[str, Any]
) -> None:
    if name.endswith(".xlsx"):
        pytest.importorskip("python_calamine")
    frame = read(tmp_path, name, content, **options).frame
    assert frame.to_dict("list") == {"a": [1, 2, 3], "b": ["x", "y", "z"], "c": [0.5, 1.5, 2.5]}


def test_decimal_commas_are_no_separators_where_rows_end_with_one(tmp_path: Path) -> None:
    rows = "".join(f"1{k},25;-0,{k};{k % 3},5;\n" for k in range(10, 40))
    frame = read(tmp_path, "t.csv", f"a;b;c\n{rows}").frame
    assert frame.iloc[0].tolist() == ["110,25", "-0,10", "1,5"]


def test_decimal_commas_are_no_separators_where_spaces_are(tmp_path: Path) -> None:
    frame = read(tmp_path, "t.csv", "a b c\n" + "".join(f"1{k},25 -0,{k} {k % 3},5\n" for k in range(10, 40))).frame
    assert frame.iloc[0].tolist() == ["110,25", "-0,10", "1,5"]


def test_random_tables(tmp_path: Path) -> None:
    drawn = "| a | b | c |\n|---|:-:|--:|\n| 1 | x | 0.5 |\n| 2 | y | 1.5 |\n"
    line = "+---+---+---+\n"
    boxed = line + drawn.replace("|---|:-:|--:|\n", line) + line
    for text in (drawn, boxed):
        assert read(tmp_path, "t.md", text).frame[["a", "b", "c"]].to_numpy().tolist() == [[1, "x", 0.5], [2, "y", 1.5]]


def test_a_quote_that_never_closes_joins_no_rows(tmp_path: Path) -> None:
    table = read(tmp_path, "t.csv", "a,b,c\n" + "".join(f'"x,{k},2\n' for k in range(4)))
    assert table.frame.to_numpy().tolist() == [['"x', k, 2] for k in range(4)]
    assert "are not closed" in table.notes[0]
    text = 'a,b\n1,"two\nlines, here"\n2,"more\nlines, there"\n'
    assert read(tmp_path, "t.csv", text).frame["b"].tolist()[0] == "two\nlines, here"


def test_zstd(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    frame = read(tmp_path, "t.csv.zst", pa.compress(PLAIN.encode(), "zstd", asbytes=True)).frame
    assert frame["a"].tolist() == [1, 2, 3]


def test_quotes_in_quotes_are_doubled_or_escaped(tmp_path: Path) -> None:
    for text in (QUOTED, QUOTED.replace('""', '\\"')):
        assert read(tmp_path, "t.csv", text).frame["b"].tolist()[0] == 'x, "y"'
    assert read(tmp_path, "t.csv", 'a,b\n1,"C:\\"\n2,"D:\\"\n').frame["b"].tolist() == ["C:\\", "D:\\"]


def test_row_names_have_no_header(tmp_path: Path) -> None:
    table = read(tmp_path, "t.csv", 'a,b\n"1",5,6\n"2",7,8\n')
    assert list(table.frame.columns) == ["Unnamed: 0", "a", "b"]
    assert "one cell more than the header" in table.notes[0]
    with pytest.raises(InputError, match="2 cells"):
        read(tmp_path, "t.csv", "a,b\n1,5,2\n1,7,3\n")


@pytest.mark.parametrize(("encoding", "word"), [("cp1252", "20 \u20ac"), ("latin-1", "caf\xe9 \x81")])
def test_an_encoding_is_detected_and_reported(tmp_path: Path, encoding: str, word: str) -> None:
    table = read(tmp_path, "t.csv", f"a,b\n1,{word}\n2,x\n".encode(encoding))
    assert table.frame["b"].tolist()[0] == word.strip()
    assert f"t.csv is read as {encoding}" in table.notes[0]
    table = read(tmp_path, "t.csv", "a,b\n1,\u0436\n".encode("cp1251"), encoding="cp1251")
    assert (table.frame["b"].tolist(), table.notes) == (["\u0436"], ())


def test_points_are_decimal_unless_the_table_writes_commas(tmp_path: Path) -> None:
    european = read(tmp_path, "t.csv", "a;b\n1.234;0,5\n2.345;1,5\n")
    assert european.frame["a"].tolist() == ["1.234", "2.345"]
    assert european.style.comma
    other = read(tmp_path, "t.csv", "a;b\n1.234;0.5\n2.345;1.5\n")
    assert other.frame["a"].tolist() == [1.234, 2.345]
    assert not other.style.comma
    assert read(tmp_path, "t.csv", "a\tb\n1.234\t2\n", decimal=",").frame["a"].tolist() == ["1.234"]


def test_words_for_missing_cells_may_be_given(tmp_path: Path) -> None:
    text = "a,b\n1,None\nNA,x\n"
    table = read(tmp_path, "t.csv", text)
    assert table.frame.isna().to_numpy().tolist() == [[False, True], [True, False]]
    assert table.absent == {"a": ("NA", 2), "b": ("None", 1)}
    assert read(tmp_path, "t.csv", text, missing=("NA",)).frame["b"].tolist() == ["None", "x"]


BAD: dict[str, tuple[str, str | bytes, dict[str, Any], str]] = {
    "another encoding": ("t.csv", "a\n\xe9\n".encode("latin-1"), {"encoding": "utf-8"}, "--encoding"),
    "no encoding": ("t.csv", PLAIN, {"encoding": "klingon"}, "one that Python knows"),
    "two tables": ("t.zip", zip_text(PLAIN, "a.csv", "b.csv"), {}, "one table, not 2 files"),
    "cut": ("t.csv.bz2", bz2.compress(PLAIN.encode())[:-9], {}, "whole bzip2 file"),
    "a page": ("t.xls", "<html><table></table></html>", {}, "an HTML page"),
    "too many lines skipped": ("t.csv", PLAIN, {"skip_rows": 99}, "fewer than the lines"),
    "a long separator": ("t.csv", PLAIN, {"separator": "||"}, "one character"),
    "two marks": ("t.csv", PLAIN, {"decimal": ",", "thousands": ","}, "must not be the decimal mark"),
    "a number": ("t.json", "5", {}, "array of objects"),
    "rows quoted as wholes": ("t.csv", 'a,b,c\n"1,x,2"\n"2,y,3"\n', {}, "the whole row is quoted"),
    "all quoted as wholes": ("t.csv", '"a,b,c"\n"1,x,2"\n"2,y,3"\n', {}, "quoted individually"),
    "comments that nobody named": ("t.csv", PLAIN + "# the end\n", {}, "--comment '#'"),
    "a foot": ("t.csv", PLAIN + "Source: us\n", {}, "text, such as 'Source: us'"),
    "ARFF": ("t.csv", "@relation t\n@attribute a numeric\n@data\n1\n", {}, "an ARFF file"),
    "no header": ("t.csv", "n1,0,0\nn2,1,2\n", {}, "looks like a row"),
}


@pytest.mark.parametrize(("name", "content", "options", "said"), BAD.values(), ids=BAD)
def test_errors_name_what_cannot_be_read(
    tmp_path: Path, name: str, content: str | bytes, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        read(tmp_path, name, content, **options)


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.xz", "t.csv.bz2", "t.zip"])
def test_a_bomb_is_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evonas.io.opened.LEAST_BOUND", 1 << 16)
    text = "a,b\n" + "1,2\n" * 100_000
    packed = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}.get(name.rpartition(".")[2])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", text)
    with pytest.raises(InputError, match=r"must decompress to at most [0-9,]+ bytes"):
        read(tmp_path, name, packed(text.encode()) if packed else file.getvalue())


def test_tables_of_other_libraries_and_types() -> None:
    pa = pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None], "d": pd.date_range("2020-01-01", periods=3)})
    for other in (pa.table(frame), pa.RecordBatch.from_pandas(frame)):
        assert named_columns(other)["a"].tolist() == [1, 2, 3]
    pl = pytest.importorskip("polars")
    polars = pl.DataFrame({"a": [1, None, 2**60 + 1], "b": ["x", "y", None]})
    assert named_columns(polars)["a"].tolist() == [1, pd.NA, 2**60 + 1]
    assert target_columns(pl.Series("t", [1, 2]), "y")["t"].tolist() == [1, 2]
    with pytest.raises(InputError, match="collect"):
        named_columns(polars.lazy())
    with pytest.raises(InputError, match="cast the column"):
        named_columns(pl.DataFrame({"a": pl.Series([1, 2], dtype=pl.Int128)}))
    made = named_columns(
        pd.DataFrame(
            {
                "arrow": frame["d"].astype(pd.ArrowDtype(pa.date32())),
                "interval": pd.cut([1.0, 2.0, 3.0], 2),
                "period": pd.period_range("2000-01", periods=3, freq="M"),
                "span": pd.to_timedelta([1, 2, None], unit="s"),
                "sparse": pd.arrays.SparseArray([0.0, 0.0, 1.0]),
                0: pd.array([1, None, 3], dtype="Int64"),
            }
        )
    )
    from evonas.data.cells import kind_of

    assert {name: kind_of(made[name]) for name in made.columns} == {
        "arrow": "date",
        "interval": "text",
        "period": "date",
        "span": "number",
        "sparse": "number",
        "0": "number",
    }
    np.testing.assert_array_equal(made["span"], [1, 2, np.nan])


def test_masked_cells_are_missing() -> None:
    masked = np.ma.masked_array([[1, 2], [3, 4]], mask=[[False, True], [False, False]])
    np.testing.assert_array_equal(feature_columns(masked, "x"), [[1, np.nan], [3, 4]])
    words = np.array([["a"], [None]], dtype=np.dtypes.StringDType(na_object=None))
    assert feature_columns(words, "x")["x0"].isna().tolist() == [False, True]
