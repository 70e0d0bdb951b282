"""Readers of tables in every supported file format.

`evonas.data.read_options.ReadOptions` holds the user's description of a file. `evonas.io.opened.Opened` returns its
bytes, decompressed up to a limit. `text` detects the encoding; `dialect` detects the separator and the line where the
table begins. `csv` uses both to read CSV, `json_table`, `parquet` and `spreadsheet` read the other formats, and `files`
chooses the reader. `images` and `datasets` read arrays.

Readers do not interpret columns: numbers and dates written as text stay text until `evonas.data.notation` and
`evonas.data.dates` examine whole columns.
"""
