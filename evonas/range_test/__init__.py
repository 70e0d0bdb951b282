"""The learning-rate range test as a user sees it: `find` runs it, `plot` and `terminal` draw its curve."""
