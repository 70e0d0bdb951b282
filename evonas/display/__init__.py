"""Displays of a search while it runs and when it ends. Imports neither Keras nor pandas.

==================  =================================================================================================
`Plain`             lines of text: the data, one line per generation, the result
`Live` (`live.py`)  the same, with a block that is redrawn in a terminal; the only importer of rich
`Events`            one JSON object per line, for programs
`make_display`      the display that fits the options and the output
==================  =================================================================================================

The events, each with a key `event`; times are in seconds, scores in the target's units:

- `start`: run_dir, source, task, classes, targets, features, rows, not_used, objective, direction, settings, budget,
  evaluated (more than 0 when a run is resumed).
- `progress`, after every commit: generation (from 1), trained, planned, evaluated, failed, best, seconds, seconds_left.
- `generation`, when one is complete: generation, trained, evaluated, failed, best, median, seconds.
- `finalists`, while the best networks are retrained: done, planned.
- `finish`: the output of `evonas status --json` (`baselines`: their scores, and which is better; null if none were
  requested), and `model`, the file; `validation_scores` and `test_scores`, always of the same model; and `scores_of`,
  which names it: "model", "best network", or the final model, "mean of 8 ...", whose `validation_scores` are null. All
  are null if the search was interrupted or no network has a score.
"""

from evonas.display.choose import make_display
from evonas.display.text import Display, Events, Plain, Several

__all__ = ["Display", "Events", "Plain", "Several", "make_display"]
