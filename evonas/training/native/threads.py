"""`Pool`: runs jobs in threads, each as soon as a thread and the memory for it are free."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from evonas.training.spans import thread_number

__all__ = ["Pool"]

Job = Callable[[], Any]


class Pool:
    """Threads that take jobs from a queue. The value or the error of each job goes to the queue of results.

    Args:
        threads: number of jobs that run at a time.
        num_bytes: memory limit for the running jobs together; a job that needs more runs alone. None means no limit.
    """

    def __init__(self, threads: int, num_bytes: int | None = None) -> None:
        #: (key, value, None) or (key, None, error) for each completed job.
        self.results: queue.SimpleQueue[tuple[Any, Any, BaseException | None]] = queue.SimpleQueue()
        self._jobs: queue.SimpleQueue[tuple[Any, Job, int] | None] = queue.SimpleQueue()
        self._free, self._whole = num_bytes, num_bytes
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._work, args=(k,), daemon=True) for k in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, key: Any, job: Job, num_bytes: int = 0) -> None:
        """Queues the job; jobs start in the order in which they are submitted."""
        self._jobs.put((key, job, num_bytes))

    def close(self) -> None:
        """Ends the threads once the running jobs are completed; waiting jobs are dropped."""
        while True:
            try:
                self._jobs.get_nowait()
            except queue.Empty:
                break
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self, number: int) -> None:
        thread_number.set(number)
        while (taken := self._jobs.get()) is not None:
            key, job, num_bytes = taken
            needed = self._take(num_bytes)
            try:
                self.results.put((key, job(), None))
            except BaseException as error:
                self.results.put((key, None, error))
            finally:
                self._give_back(needed)
            del job, taken

    def _take(self, num_bytes: int) -> int:
        """Waits until there is memory for a job; returns the number of bytes reserved."""
        if self._free is None or self._whole is None:
            return 0
        needed = min(num_bytes, self._whole)
        with self._changed:
            while needed > self._free:
                self._changed.wait()
            self._free -= needed
        return needed

    def _give_back(self, num_bytes: int) -> None:
        if self._free is not None:
            with self._changed:
                self._free += num_bytes
                self._changed.notify_all()
