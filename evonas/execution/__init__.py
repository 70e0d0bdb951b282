"""Where networks are trained: in a worker process, so that the driver imports no Keras and outlives every crash.

What is small, or cannot be sent to another process, trains in the caller's own (`here.py`, `LocalEvaluator`).

1. `messages.py`: what driver and worker tell each other, over a socket that only they hold.
2. `worker.py`: the worker, `python -m evonas.execution.worker`. Holds the data and a trainer.
3. `child.py`: `WorkerProcess`, one worker seen from the driver: start, ask, kill, and how it died.
4. `process.py`: `WorkerEvaluator`, which meets `Evaluator`: replaces workers that die and finds the network to blame.
   `standing_by` starts a worker before there are data for it.
5. `tasks.py`: from a candidate to what a trainer is given.

    >>> with WorkerEvaluator(space, run_dir / "data.npz", TrainingSettings()) as evaluator:   # doctest: +SKIP
    ...     for part in evaluator.evaluate(candidates):
    ...         commit(part)
"""

from evonas.execution.child import Limits, WorkerError
from evonas.execution.process import WorkerEvaluator, standing_by

__all__ = ["Limits", "WorkerError", "WorkerEvaluator", "standing_by"]
