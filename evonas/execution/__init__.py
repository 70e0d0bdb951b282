"""Where networks are trained: in a worker process, so that the driver imports no Keras and outlives every crash.

What is small, or cannot be sent to another process, trains in the caller's own (`local.py`, `LocalEvaluator`).

1. `messages.py`: what driver and worker tell each other, over a socket that only they hold.
2. `worker.py`: the worker, `python -m evonas.execution.worker`. Holds the data and a trainer.
3. `worker_process.py`: `WorkerProcess`, one worker seen from the driver: start, ask, kill, and how it died.
4. `evaluator.py`: `WorkerEvaluator`, which meets `Evaluator`: replaces workers that die and finds the network to blame.
   `standing_by` starts a worker before there are data for it.
5. `launch.py`: starts the worker of a run. What a worker is given is in `evonas.tasks`.

    >>> with WorkerEvaluator(space, run_dir / "data.npz", TrainingSettings()) as evaluator:   # doctest: +SKIP
    ...     for part in evaluator.evaluate(candidates):
    ...         commit(part)
"""

from evonas.execution.evaluator import WorkerEvaluator, standing_by
from evonas.execution.worker_process import Limits, WorkerError

__all__ = ["Limits", "WorkerError", "WorkerEvaluator", "standing_by"]
