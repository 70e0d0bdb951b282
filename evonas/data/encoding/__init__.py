"""Encodings of columns as features, fitted on the training rows and applied to all others.

`preprocessor` puts a table's encoders together. One file an encoding: `piecewise`, `periodic` and `logarithm` of
numbers (`numeric` chooses among them), `bag_of_words` of free text. `codes` are numbers that stand for text, where a
format has none.
"""
