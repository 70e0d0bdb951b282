"""Readers of tables in every supported file format.

`options.ReadOptions` holds the user's description of a file. `opened.Opened` returns its bytes, decompressed up to a
limit. `text` detects the encoding; `dialect` detects the separator and the line at which the table begins. `csv` uses
both to read CSV, `json_table` and `spreadsheet` read the other formats, and `files` chooses the reader.

Readers do not interpret columns: numbers and dates written as text stay text until `evonas.data.notation` and
`evonas.data.dates` examine whole columns.
"""
