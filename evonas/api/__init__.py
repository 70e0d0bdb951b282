"""The Python API of `evonas`: searching, resuming and results.

`search` combines data, space, strategy, evaluator and store; `resolve` and `resolved_settings` interpret arguments;
`session` runs a search to its end; `generations` is the search loop; `result` is the outcome. `trials` runs
user-defined trainings, for `evonas.tuner` and `evonas.estimators`. Imports no Keras; pandas is imported when needed.
"""
