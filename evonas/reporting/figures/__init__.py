"""The figures of a search: one module a group, one function a figure.

A figure is a plain value (`Figure`): traces and a layout as plotly.js reads them, a title and one sentence on what to
see. Nothing here imports plotly: the report's page draws them, and `Figure.plotly()` makes a `plotly` figure of one.
"""
