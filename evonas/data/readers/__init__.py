"""How tables come in: what a file holds, whatever wrote it.

`evonas.data.read_options.ReadOptions` is what a user says of a file. `evonas.io.opened.Opened` gives its bytes,
decompressed and bounded. `text` finds their encoding, `dialect` what separates cells and where the table begins. `csv`
reads CSV with these, `json_table`, `parquet` and `spreadsheet` the other kinds; `files` chooses among them. `images`
and `datasets` read arrays.

Nothing here says what a column means: numbers and dates that are written as text stay text until
`evonas.data.notation` and `evonas.data.dates` look at whole columns.
"""
