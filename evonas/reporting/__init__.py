"""The search for people: the report (`report`, `page`, `markdown`, `pictures`), its figures, comparisons and cards.

`rundata.read_run` reads a run through `RunReader`; `figures` makes values of it that plotly.js draws;
`report.make_report` puts them in order. Imports no plotting library before one is asked for.
"""
