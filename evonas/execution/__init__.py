"""Where networks are trained: in worker processes, so that the driver imports no Keras and outlives every crash.

What is small, or cannot be sent to another process, trains in the caller's own (`local.py`, `LocalEvaluator`). One
worker process is the default; several, on this machine or on those of a Ray cluster, are a pool.

1. `messages.py`: what driver and worker tell each other, over a socket that only they hold.
2. `worker.py`: the worker, `python -m evonas.execution.worker`. Holds the data and a trainer.
3. `worker_process.py`: `WorkerProcess`, one worker seen from the driver: start, ask, kill, and how it died.
4. `evaluator.py`: `WorkerEvaluator`, which meets `Evaluator`: replaces workers that die and finds the network to blame.
   `standing_by` starts a worker before there are data for it.
5. `options.py`: `Execution`, where a run's networks are trained, and `launch.py`, which makes what trains them. What a
   worker is given is in `evonas.tasks`.
6. `pool.py`: `PoolEvaluator`, the same for several workers. They take leases (`assignments.py`) in a good order
   (`order.py`), each driven by `worker_loop.py`.
7. `fleet.py`: workers of this machine. `ray_fleet.py`, `ray_actor.py`, `cluster.py`: those of a Ray cluster.
8. `shared_fleet.py`, `joining.py`: those of machines that join a run over a shared folder (`shared_folder.py`), with
   messages that cannot run code (`shared_messages.py`). `mailbox.py`: a worker's end of what is sent, there and on Ray.

    >>> with WorkerEvaluator(space, run_dir / "data.npz", TrainingSettings()) as evaluator:   # doctest: +SKIP
    ...     for part in evaluator.evaluate(candidates):
    ...         commit(part)
"""

from evonas.execution.evaluator import WorkerEvaluator, standing_by
from evonas.execution.worker_process import WorkerError, WorkerLimits

__all__ = ["WorkerError", "WorkerEvaluator", "WorkerLimits", "standing_by"]
