"""A worker without training or Keras: the number of units in the first layer decides how a network behaves."""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import sys
import threading
import time
from typing import Any

from evonas.evaluation import Evaluation, InTraining, Status
from evonas.execution import worker
from genomes.errors import InputError

# Numbers of units that misbehave; any other number is the network's score.
EXIT, SEGFAULT, HANG, NAN, RAISE, MISTAKE, KILL, GROW, STOP, SPIN, INFINITE, PRINT, HUGE, FORK = range(901, 915)


def grow() -> None:
    held = []
    while True:
        held.append(bytearray(b"x") * (32 << 20))
        time.sleep(0.02)


class StubTrainer:
    def __init__(self, data, settings):
        if settings.patience == 13:
            raise RuntimeError("no luck today")

    def state(self) -> None:
        """Has no state."""

    def restore(self, state: Any) -> None:
        """Has no state."""

    now: tuple[InTraining, ...] = ()

    def in_training(self):
        return self.now

    def train(self, tasks, done=frozenset()):
        for position, task in enumerate(tasks):
            if position in done:
                continue
            match units := task.architecture["nodes"][1]["units"]:
                case 901:
                    os._exit(7)
                case 902:
                    os.kill(os.getpid(), signal.SIGSEGV)
                case 903:
                    time.sleep(600)
                case 905:
                    raise KeyError("a bug in the trainer")
                case 906:
                    raise InputError("units must be less")
                case 907:
                    os.kill(os.getpid(), signal.SIGKILL)
                case 908:
                    grow()
                case 909:
                    os.kill(os.getpid(), signal.SIGSTOP)
                case 910:
                    while True:
                        pass
                case 913:
                    bytearray(1 << 60)  # a layer of absurd width
                case 914:
                    # Forks as a library does, unknown to Python; then crashes.
                    if ctypes.CDLL(None).fork() == 0:
                        time.sleep(600)
                        os._exit(0)
                    os._exit(7)
                case 912:
                    print("printed", flush=True)
            for epoch in range(task.epochs):
                self.now = (InTraining(position, epoch, task.epochs, 0.01 * epoch, units),)
                yield {}
                time.sleep(0.01)
            if units == NAN:
                yield {position: Evaluation(Status.FAILED, reason="diverged")}
            elif units == INFINITE:
                yield {position: Evaluation(Status.OK, {"rmse": float("-inf")})}
            else:
                yield {position: Evaluation(Status.OK, {"rmse": float(units + task.seed)})}


class ThreadedTrainer(StubTrainer):
    """Trains two networks at a time."""

    threads = 2

    def stream(self, source):
        results, training = queue.Queue(), 0

        def run(number, task):
            try:
                found = next(part for part in self.train([task]) if part)
                results.put((number, found[0]))
            except BaseException as error:
                results.put((number, error))

        while True:
            while training < self.threads and (given := source()) is not None:
                threading.Thread(target=run, args=given, daemon=True).start()
                training += 1
            try:
                number, found = results.get(timeout=0.05)
            except queue.Empty:
                yield {}
                continue
            training -= 1
            if isinstance(found, BaseException):
                raise found
            yield {number: found}


if __name__ == "__main__":
    if "--small" in sys.argv:
        worker.GROWTH_BYTES, worker.EVALUATIONS_AT_LEAST = -1, 2
    worker.serve(
        *(int(sys.argv[-2]), int(sys.argv[-1]), ThreadedTrainer if "--threads" in sys.argv else StubTrainer),
        lambda trainer, own: print(f"loading for {trainer}", flush=True),
    )
