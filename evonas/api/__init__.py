"""Searches from Python, behind the public page of `evonas`: `search`, `resume`, `result` and what they share.

`search` puts data, space, strategy, evaluator and store together; `resolve` makes of arguments what is meant;
`session` runs a search to its end; `result` is what is handed back. `trials` is the same for trainings that are a
user's own, on which `evonas.tuner` and `evonas.estimators` stand. Imports no Keras; what needs pandas is imported when
it is called.
"""
