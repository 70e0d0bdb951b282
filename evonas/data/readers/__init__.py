"""How tables come in: what a file holds, whatever wrote it.

`options.ReadOptions` is what a user says of a file. `opened.Opened` gives its bytes, decompressed and bounded. `text`
finds their encoding, `dialect` what separates cells and where the table begins. `csv` reads CSV with these,
`json_table` and `spreadsheet` the other kinds; `files` chooses among them.

Nothing here says what a column means: numbers and dates that are written as text stay text until
`evonas.data.notation` and `evonas.data.dates` look at whole columns.
"""
