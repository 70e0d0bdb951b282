"""Trains networks in worker processes, so that the driver imports no Keras and survives every crash.

One worker process is the default; several, on this machine or on a Ray cluster, form a pool. Small searches, and models
that cannot be pickled, are trained in the calling process (`local.py`, `LocalEvaluator`).

1. `messages.py`: the messages between driver and worker, over a private socket.
2. `worker.py`: the worker, `python -m evonas.execution.worker`. Holds the data and a trainer.
3. `worker_process.py`: `WorkerProcess`, one worker as seen by the driver: start, ask, kill, and why it died.
4. `evaluator.py`: `WorkerEvaluator`, an `Evaluator` that replaces workers that die and finds the network to blame.
   `standing_by` starts a worker before its data are ready.
5. `launch.py` creates the evaluator that `evonas.execution_options.Execution` asks for. The
   tasks sent to workers are in `evonas.training_tasks`, `evonas.export_tasks` and `evonas.rate_sweep`.
6. `pool.py`: `PoolEvaluator`, the same for several workers. They take leases (`assignments.py`), longest first
   (`order.py`), each driven by `worker_loop.py`.
7. `fleet.py`: workers on this machine. `ray_fleet.py`, `ray_actor.py`, `cluster.py`: those on a Ray cluster.
8. `shared_fleet.py`, `joining.py`: those on machines that join a run over a shared folder (`shared_folder.py`), with
   messages that cannot run code (`shared_messages.py`). `mailbox.py`: the remote worker's end of the communication, in
   both cases.

    >>> with WorkerEvaluator(space, run_dir / "data.npz", TrainingSettings()) as evaluator:   # doctest: +SKIP
    ...     for part in evaluator.evaluate(candidates):
    ...         commit(part)
"""

from evonas.execution.evaluator import WorkerEvaluator, standing_by
from evonas.execution.worker_process import WorkerError, WorkerLimits

__all__ = ["WorkerError", "WorkerEvaluator", "WorkerLimits", "standing_by"]
