"""Reports of searches (`report`, `page`, `markdown`, `pictures`), figures and comparisons.

`rundata.read_run` reads a run through `RunReader`; `figures` creates figures as values for plotly.js;
`report.make_report` assembles the report. Plotting libraries are imported only when needed.
"""
