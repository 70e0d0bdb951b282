"""The run directory and its only writer.

==================  =================================================================================================
`run.sqlite`        everything: settings, space, candidates, evaluations, the strategy's state, sessions
`weights/`          weights of the best networks, one `.npz` file each, named by the SHA-256 of its bytes
`data.npz`          the prepared data that the networks are trained on
`results.csv`       all evaluations as a table; rewritten after each commit
`population.json`   the best genomes, to start another run (`--population FILE`); rewritten after each commit
`ballast`           space released when the disk is full, so that the current commit still succeeds
`in-training.json`  networks in training and their progress, for `evonas watch`; exists only during training
`run.lock`          held by the process that is running the search, with its process id
==================  =================================================================================================

`RunStore` owns a directory (one process at a time) and writes to it; `RunReader` reads it, even during a search.
Committed results survive SIGKILL and power loss: files are written under a temporary name, synced and renamed before
the row that references them; the database is synced before the commit returns. Nothing read from the directory can run
code: no pickle, no import strings.
"""

from evonas.runs.reader import RunReader
from evonas.runs.records import Record
from evonas.runs.store import RunStore

__all__ = ["Record", "RunReader", "RunStore"]
