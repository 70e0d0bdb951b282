"""Small files that would fill a machine's memory are refused before their parser allocates anything."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evonas.data.readers.files import read_file
from genomes.errors import InputError

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OPEN = "urn:oasis:names:tc:opendocument:xmlns"


def excel(path: Path, rows: str) -> Path:
    def relations(target: str, kind: str) -> str:
        one = f'<Relationship Id="a" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        return f'<?xml version="1.0"?><Relationships xmlns="{_PACKAGE}/relationships">{one}</Relationships>'

    sheets = '<sheets><sheet name="S" sheetId="1" r:id="a"/></sheets>'
    parts = {
        "[Content_Types].xml": f'<?xml version="1.0"?><Types xmlns="{_PACKAGE}/content-types"/>',
        "_rels/.rels": relations("xl/workbook.xml", "officeDocument"),
        "xl/workbook.xml": f'<?xml version="1.0"?><workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">{sheets}</workbook>',
        "xl/_rels/workbook.xml.rels": relations("worksheets/sheet1.xml", "worksheet"),
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData></worksheet>',
    }
    return archive(path, parts)


def opendocument(path: Path, rows: str) -> Path:
    names = "".join(f' xmlns:{name}="{_OPEN}:{name}:1.0"' for name in ("office", "table"))
    sheet = f'<table:table table:name="S">{rows}</table:table>'
    body = f"<office:body><office:spreadsheet>{sheet}</office:spreadsheet></office:body>"
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        f'<m:manifest xmlns:m="{_OPEN}:manifest:1.0"><m:file-entry m:full-path="/" m:media-type="{kind}"/></m:manifest>'
    )
    content = f"<office:document-content{names}>{body}</office:document-content>"
    return archive(path, {"mimetype": kind, "META-INF/manifest.xml": manifest, "content.xml": content})


def archive(path: Path, parts: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in parts.items():
            file.writestr(name, text)
    return path


def cell(place: str, value: float) -> str:
    return f'<c r="{place}"><v>{value}</v></c>'


def repeat(value: float, columns: int = 1) -> str:
    given = f'office:value-type="float" office:value="{value}"'
    return f'<table:table-cell table:number-columns-repeated="{columns}" {given}/>'


ROWS = "".join(f'<row r="{row}">{cell(f"A{row}", row)}{cell(f"B{row}", -row)}</row>' for row in range(1, 5))
NOTHING = '<table:table-cell table:number-columns-repeated="16000"/>'
OPEN_ROWS = "".join(f"<table:table-row>{repeat(i)}{repeat(-i)}{NOTHING}</table:table-row>" for i in range(1, 5))


def test_workbooks_without_distant_cells_are_read(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    # LibreOffice repeats empty cells to the end of the sheet.
    end = f'<table:table-row table:number-rows-repeated="1048572">{NOTHING}</table:table-row>'
    for path in (excel(tmp_path / "t.xlsx", ROWS), opendocument(tmp_path / "t.ods", OPEN_ROWS + end)):
        assert read_file(path).to_numpy().tolist() == [[2, -2], [3, -3], [4, -4]]


@pytest.mark.parametrize(
    "rows",
    [
        f'<row r="1">{cell("A1", 1)}</row><row r="1048576">{cell("XFD1048576", 1)}</row>',
        f'<row r="1">{"<c/>" * 9000}</row><row r="1000000"><c><v>1</v></c></row>',
        f'<x:row y=">" r = "1048576"><x:c r="ABC1048576"><v>1</v></x:c></x:row>{ROWS}',
    ],
    ids=["corners", "unplaced", "quoted"],
)
def test_cells_far_apart_in_a_workbook_are_refused(tmp_path: Path, rows: str) -> None:
    pytest.importorskip("python_calamine")
    with pytest.raises(InputError, match="sheets of at most 4,194,304 cells"):
        read_file(excel(tmp_path / "t.xlsx", rows))


@pytest.mark.parametrize("between", ["", ' x=">"'])
def test_cells_repeated_without_end_are_refused(tmp_path: Path, between: str) -> None:
    pytest.importorskip("python_calamine")
    row = f'<table:table-row{between} table:number-rows-repeated="1048576">{repeat(1, 16384)}</table:table-row>'
    with pytest.raises(InputError, match="sheets of at most 4,194,304 cells"):
        read_file(opendocument(tmp_path / "t.ods", OPEN_ROWS + row))


@pytest.mark.parametrize("name", ["t.json", "t.jsonl"])
def test_objects_that_share_no_keys_are_refused(tmp_path: Path, name: str) -> None:
    objects = [{f"k{number}": 1} for number in range(4000)]
    lines = "\n".join(map(json.dumps, objects))
    (tmp_path / name).write_text(lines if name == "t.jsonl" else json.dumps(objects))
    with pytest.raises(InputError, match="the same keys in most of its objects"):
        read_file(tmp_path / name)


def test_skipping_more_rows_than_a_workbook_has_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    from evonas.data.read_options import ReadOptions

    with pytest.raises(InputError, match="skip_rows must leave a header"):
        read_file(excel(tmp_path / "t.xlsx", ROWS), ReadOptions(skip_rows=9))


def test_parquet_files_of_equal_cells_are_read_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.setattr("evonas.io.opened.LEAST_BOUND", 1 << 20)
    path = tmp_path / "t.parquet"
    for name, cells in {"number": [0] * 200_000, "text": pa.array(["x" * 5000] * 400), "b.c": [True] * 200_000}.items():
        pq.write_table(pa.table({name: cells}), path)
        assert path.stat().st_size < 10_000
        with pytest.raises(InputError, match="a Parquet file must take at most"):
            read_file(path)
    columns = {"a.b": ["u", None] * 300, "b": pa.array([b"x"] * 600), "c": pa.array(["v"] * 600).dictionary_encode()}
    pq.write_table(pa.table(columns), path)
    frame = read_file(path)
    assert frame["a.b"].isna().tolist() == [False, True] * 300
    assert frame["c"].tolist() == ["v"] * 600


def write_arrow(path: Path, column: Any, compression: str | None = None) -> Path:
    import pyarrow as pa
    import pyarrow.ipc

    table = pa.table({"a": column})
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema, options=options) as writer:
        writer.write_table(table)
    return path


def test_arrow_files_are_read_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    monkeypatch.setattr("evonas.io.opened.LEAST_BOUND", 1 << 20)
    zeros = pa.array(np.zeros(2_000_000, np.int8))
    view = pa.array(["x" * 5000], pa.string_view()).buffers()
    shown = pa.py_buffer(view[1].to_pybytes()[:16] * 4000)
    views = pa.Array.from_buffers(pa.string_view(), 4000, [None, shown, view[2]])
    for column, compression in (
        (zeros, "zstd"),
        (zeros, "lz4"),
        (["x" * 2_000_000], "zstd"),
        (pa.nulls(200_000), None),
        (views, None),
    ):
        with pytest.raises(InputError, match="a Feather or Arrow file must take at most"):
            read_file(write_arrow(tmp_path / "t.feather", column, compression))
    # A long text that many rows refer to is held once.
    codes = pa.array(np.zeros(100_000, np.int8))
    read = read_file(write_arrow(tmp_path / "t.arrow", pa.DictionaryArray.from_arrays(codes, ["x" * 500_000])))
    assert read["a"].cat.categories.str.len().tolist() == [500_000]


def test_arrow_files_whose_footer_lists_a_batch_again_and_again_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evonas.data.readers import arrow_file

    monkeypatch.setattr("evonas.io.opened.LEAST_BOUND", 1 << 20)
    path = write_arrow(tmp_path / "t.feather", np.arange(4000))  # stored 99 times, it takes 100 times its size
    listed = arrow_file._Table.structs
    monkeypatch.setattr(arrow_file._Table, "structs", lambda *given: [*listed(*given)] * 110)
    with pytest.raises(InputError, match="a Feather or Arrow file must take at most"):
        read_file(path)
    monkeypatch.undo()
    offsets = np.array([0, 13, 30], np.int32).tobytes()
    content = write_arrow(path, ["a" * 13, "b" * 17]).read_bytes()
    path.write_bytes(content.replace(offsets, np.array([0, 1 << 30, 30], np.int32).tobytes()))
    with pytest.raises(InputError, match="out of bounds"):
        read_file(path)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "x" * 5000])
def test_unknown_time_zones_are_named(tmp_path: Path, zone: str) -> None:
    import pyarrow as pa

    with pytest.raises(InputError, match=r"column 'a' of .* must have a time zone that is known") as caught:
        read_file(write_arrow(tmp_path / "t.feather", pa.array([1, 2], pa.timestamp("us", zone))))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("form", ["file", "stream", "polars", "polars stream"])
def test_arrow_files_of_other_writers_are_read(tmp_path: Path, form: str) -> None:
    import polars as pl
    import pyarrow as pa
    import pyarrow.ipc

    cells = {"a": [1.5, None, 2.0], "b": ["u", None, "w" * 40], "c": [1, None, 2**60 + 1], "d": [True, None, False]}
    path, table = tmp_path / "t.arrow", pa.table(cells)
    if form in ("file", "stream"):
        new = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
        with pa.OSFile(str(path), "wb") as file, new(file, table.schema) as writer:
            writer.write_table(table)
    else:
        frame = pl.DataFrame(cells)
        frame.write_ipc_stream(path) if "stream" in form else frame.write_ipc(path, compression="zstd")
    read = read_file(path)
    assert [[None if pd.isna(cell) else cell for cell in read[name]] for name in cells] == list(cells.values())


def test_the_first_version_of_feather_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.feather").write_bytes(b"FEA1" + bytes(60))
    with pytest.raises(InputError, match="version 2, not 1"):
        read_file(tmp_path / "t.feather")


def test_lists_of_values_may_hold_one_twice_or_a_null(tmp_path: Path) -> None:
    import pyarrow as pa

    from evonas.data.frames import as_frame

    coded = pa.DictionaryArray.from_arrays(pa.array([3, 1, 2, None, 0], pa.int32()), pa.array(["y", "x", "y", None]))
    column = as_frame(pa.table({"a": pa.chunked_array([coded, pa.array(["a", "y"]).dictionary_encode()])}))["a"]
    assert [None if pd.isna(cell) else cell for cell in column] == [None, "x", "y", None, "y", "a", "y"]
    assert column.cat.categories.tolist() == ["a", "x", "y"]
    nothing = as_frame(pa.table({"a": pa.array([None, None], pa.dictionary(pa.int8(), pa.string()))}))["a"]
    assert nothing.isna().tolist() == [True, True]


def excel_97(path: Path, cells: list[tuple[int, int, float | str]]) -> Path:
    """Writes a minimal workbook of the older binary format: a compound file with one stream of records."""

    def record(kind: int, body: bytes = b"") -> bytes:
        return struct.pack("<HH", kind, len(body)) + body

    def begin(kind: int) -> bytes:
        return record(0x809, struct.pack("<HHHHII", 0x600, kind, 0, 1996, 0, 6))

    def cell(row: int, column: int, value: float | str) -> bytes:
        if isinstance(value, str):
            body = struct.pack("<HHHHB", row, column, 0, len(value), 0) + value.encode()
            return record(0x204, body)
        return record(0x203, struct.pack("<HHHd", row, column, 0, value))

    start = begin(5) + record(0x42, struct.pack("<H", 1200))
    sheet = len(start) + 17  # bytes before the sheet: the next two records have 13 and 4
    stream = start + record(0x85, struct.pack("<IBBBB", sheet, 0, 0, 1, 0) + b"S") + record(0xA)
    stream += begin(0x10) + b"".join(cell(*each) for each in cells) + record(0xA)
    stream = stream.ljust(4096, b"\0")
    none, end = 0xFFFFFFFF, 0xFFFFFFFE
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<9I", 0, 1, 1, 0, 4096, end, 0, end, 0) + struct.pack("<109I", 0, *[none] * 108)
    chain = [0xFFFFFFFD, end, *range(3, 10), end]

    def entry(name: str, kind: int, first: int, size: int, child: int) -> bytes:
        text = (name + "\0").encode("utf-16-le")
        around = struct.pack("<HBBIII", len(text), kind, 1, none, none, child)
        return text.ljust(64, b"\0") + around + bytes(36) + struct.pack("<IQ", first, size)

    entries = entry("Root Entry", 5, end, 0, 1) + entry("Workbook", 2, 2, 4096, none)
    path.write_bytes(header + struct.pack("<128I", *chain, *[none] * 118) + entries.ljust(512, b"\0") + stream)
    return path


def test_workbooks_of_excel_97_are_read_up_to_a_bound(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    cells: list[tuple[int, int, float | str]] = [(0, 0, "a"), (0, 1, "b"), (1, 0, 1), (1, 1, 2), (2, 0, 3), (2, 1, 4)]
    assert read_file(excel_97(tmp_path / "t.xls", cells)).to_numpy().tolist() == [[1, 2], [3, 4]]
    # Its parser would ask for 128 GB, and failing to get them ends the process.
    with pytest.raises(InputError, match="must be read with at most 512 MB"):
        read_file(excel_97(tmp_path / "t.xls", [*cells, (65535, 65535, 1)]))
    (tmp_path / "t.xls").write_bytes((tmp_path / "t.xls").read_bytes()[:1500])
    with pytest.raises(InputError, match="must be a whole Excel workbook"):
        read_file(tmp_path / "t.xls")
