"""Encodings of columns as features, fitted on the training rows and applied to all rows.

`preprocessor` combines a table's encoders. Each encoding has its own module: `piecewise`, `periodic`, `logarithm` and
`robust` for numbers (`numeric_encodings` chooses among them), `bag_of_words` for free text. `codes` converts text to
numbers for model formats without text.
"""
