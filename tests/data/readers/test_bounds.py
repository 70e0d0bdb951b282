"""Small files that would take a machine's memory: refused before their parser allocates anything."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

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


def repeated(value: float, columns: int = 1) -> str:
    given = f'office:value-type="float" office:value="{value}"'
    return f'<table:table-cell table:number-columns-repeated="{columns}" {given}/>'


ROWS = "".join(f'<row r="{row}">{cell(f"A{row}", row)}{cell(f"B{row}", -row)}</row>' for row in range(1, 5))
NOTHING = '<table:table-cell table:number-columns-repeated="16000"/>'
OPEN_ROWS = "".join(f"<table:table-row>{repeated(i)}{repeated(-i)}{NOTHING}</table:table-row>" for i in range(1, 5))


def test_workbooks_with_nothing_far_away_are_read(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    # LibreOffice repeats what is empty to the end of the sheet.
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
    row = f'<table:table-row{between} table:number-rows-repeated="1048576">{repeated(1, 16384)}</table:table-row>'
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
