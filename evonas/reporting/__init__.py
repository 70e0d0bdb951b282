"""Reports of searches (`report`, `page`, `markdown`, `pictures`), figures and comparisons.

`rundata.read_run` reads a run through `RunReader`; `figure.Figure` is a figure as a value for plotly.js, and
`champion_figures`, `convergence_figures`, `cost_figures`, `gene_figures` and `prediction_figures` create them;
`report.make_report` assembles the report. Plotting libraries are imported only when needed.
"""
