"""The worker process: holds the data and a trainer, and serves the driver.

Started by `WorkerProcess` as `python -m evonas.execution.worker DESCRIPTOR PARENT`, with one end of a socket pair. The
main thread trains; a second one listens, to handle cancellations during training, and to end the process with the
driver.
"""

from __future__ import annotations

import gc
import os
import queue
import resource
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from evonas.data.prepared import PreparedData
from evonas.evaluation import InTraining
from evonas.execution.messages import (
    Beat,
    Cancel,
    Export,
    Finished,
    Give,
    Open,
    Opened,
    PartialResult,
    Ping,
    Ready,
    Refused,
    Retiring,
    StartWorker,
    Sweep,
    Test,
    Train,
    Warm,
)
from evonas.execution.supply import Supply
from evonas.training.extensions import load_extensions
from evonas.training.registry import (
    export_network,
    load_build,
    load_libraries,
    make_scorer,
    make_trainer,
    own_trainer,
    settle_environment,
    trial_trainer,
)
from evonas.training_tasks import (
    StreamingTrainer,
    Trainer,
    TrainingSettings,
    TrainingTask,
    in_training_of,
    slots_of,
    stream_evaluations,
)
from genomes.errors import InputError

__all__ = ["main", "serve"]

TrainerFactory = Callable[[PreparedData, TrainingSettings], Trainer]
#: Takes (trainer, own), see `Warm`.
LibraryLoader = Callable[[str, bool], None]

#: Memory growth since the start after which a worker retires, and the minimum number of evaluations before that.
GROWTH_BYTES = 2 << 30
EVALUATIONS_AT_LEAST = 100
#: Share of the memory limit at which a worker retires after a part; at the limit it is killed.
RETIRING_SHARE = 0.75

_BEAT_SECONDS = 1.0
#: Minimum interval between reports of networks in training.
_LOOK_SECONDS = 0.5
_PRINTED_BYTES = 1 << 20


def main(arguments: list[str] | None = None) -> None:
    """The process: `DESCRIPTOR PARENT`."""
    descriptor, parent = (int(argument) for argument in (sys.argv[1:] if arguments is None else arguments))
    serve(descriptor, parent, make_trainer, load_libraries)


def serve(descriptor: int, parent: int, factory: TrainerFactory, load: LibraryLoader = lambda *_: None) -> None:
    """Answers requests on the socket until the other end is closed. Never returns."""
    # Ctrl-C is handled by the driver.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError):
        # If the machine runs out of memory, the kernel should kill this process rather than the driver.
        Path("/proc/self/oom_score_adj").write_text("1000")
    worker = _Worker(Connection(descriptor), parent)
    os.register_at_fork(after_in_child=worker.let_go)
    try:
        worker.run(factory, load)
    except BaseException:
        # The driver is gone; only the log can report the error.
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    # Not `sys.exit`, since libraries take seconds to shut down.
    os._exit(0)


class _Worker:
    def __init__(self, connection: Connection, parent: int) -> None:
        self._connection, self._parent = connection, parent
        self._sending = threading.Lock()
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._evaluated = self._bytes_when_ready = self._memory_bytes = self._answering = 0
        self._busy = False
        self._supply = Supply()
        self._scorer: Trainer | None = None
        self._trainer: Trainer | None = None
        self._given: tuple[PreparedData, TrainingSettings] | None = None
        #: The trainer of the request; and, in a stream, the driver's number of the single network in training.
        self._training: Trainer | None = None
        self._only: int | None = None
        self._looked_at = 0.0

    def let_go(self) -> None:
        """Closes the socket in a process that a user's model has forked."""
        with suppress(OSError):
            self._connection.close()

    def run(self, factory: TrainerFactory, load: LibraryLoader) -> None:
        threading.Thread(target=self._listen, daemon=True).start()
        first = self._inbox.get()
        if isinstance(first, Warm):
            settle_environment(first.trainer, first.own)
            with suppress(Exception):  # raised again, and reported, when the trainer is created
                load(first.trainer, first.own)
            first = self._inbox.get()
        start: StartWorker = first
        self._memory_bytes = start.memory_bytes
        settle_environment(start.settings.trainer, start.build is not None)
        if start.log is not None:
            _print_to(start.log)
        try:
            data, trainer, build = self._load(start, factory)
        except Exception as error:
            self._refuse(0, error)
            return
        self._trainer = trainer
        # Keras collects garbage after every network, which would traverse all objects of the libraries each time.
        gc.freeze()
        self._bytes_when_ready = _resident_bytes()
        self._send(Ready())
        retiring = False
        while not retiring:
            request = self._inbox.get()
            self._busy = True
            try:
                if isinstance(request, Train):
                    retiring = self._train(request, trainer)
                elif isinstance(request, Open):
                    retiring = self._stream(request, trainer)
                elif isinstance(request, Export) and data is not None:
                    self._send(Finished(request.number, export_network(request.task, data, start.settings, build)))
                elif isinstance(request, Sweep) and data is not None:
                    from evonas.training.sweep import sweep

                    self._send(Finished(request.number, sweep(request.task, data, start.settings)))
                elif isinstance(request, Test) and data is not None:
                    from evonas.training.held_out import test_scores

                    self._send(
                        Finished(request.number, test_scores(request.architecture, request.weights, data, build))
                    )
            except Exception as error:
                self._refuse(request.number, error)
            self._busy = False

    def _load(
        self, start: StartWorker, factory: TrainerFactory
    ) -> tuple[PreparedData | None, Trainer, Callable[..., Any] | None]:
        """Loads the data, the trainer, and the user's function if there is one."""
        load_extensions(start.settings.extensions)
        data = None if start.data_path is None else PreparedData.load(start.data_path)
        build = None if start.build is None else load_build(start.build)
        if data is None:
            if build is None:
                raise InputError("data must be given unless a trial brings its own: name the file")
            return None, trial_trainer(build, self._headway, start.settings.trainer), build
        if build is not None:
            return data, own_trainer(data, start.settings, build), build
        self._given = (data, start.settings)
        return data, factory(data, start.settings), None

    def _headway(self) -> None:
        """Reports progress to the driver during training."""
        self._send(PartialResult(self._answering, {}, self._look()))

    def _look(self) -> tuple[InTraining, ...] | None:
        """Networks in training, if the interval since the last report has passed; otherwise None."""
        if (now := time.monotonic()) - self._looked_at < _LOOK_SECONDS:
            return None
        self._looked_at = now
        found = in_training_of(self._training)
        return found if self._only is None else tuple(replace(each, number=self._only) for each in found)

    def _train(self, request: Train, trainer: Trainer) -> bool:
        """Processes the request; returns whether the worker should retire."""
        self._answering = request.number
        if any(task.lineage for task in request.tasks):
            trainer = self._evolve()
        left = len(request.tasks) - len(request.done)
        self._training, self._only = trainer, None
        trainer.restore(request.state)
        for part in trainer.train(request.tasks, request.done):
            if request.number in self._cancelled:
                break
            self._send(PartialResult(request.number, dict(part), self._look()))
            left -= len(part)
            self._evaluated += len(part)
            if part and left and self._too_large():
                self._send(Retiring(request.number))
                return True
        self._send(Finished(request.number, trainer.state()))
        return False

    def _stream(self, request: Open, trainer: Trainer) -> bool:
        """Trains tasks as they arrive until the request is cancelled; returns whether the worker should retire."""
        self._answering, self._supply = request.number, Supply()
        self._training, self._only = trainer, None
        self._send(Opened(request.number, slots_of(trainer)))
        with closing(stream_evaluations(trainer, self._next_task)) as parts:
            for part in parts:
                if request.number in self._cancelled:
                    break
                self._send(PartialResult(request.number, dict(part), self._look()))
                if part:
                    self._evaluated += len(part)
                    self._supply.note_returned(len(part))
                if part and self._too_large():
                    self._send(Retiring(request.number))
                    return True
        self._send(Finished(request.number))
        return False

    def _next_task(self) -> tuple[int, TrainingTask] | None:
        """The next task from the driver; None if there is none yet."""
        given = self._supply()
        if given is not None and not isinstance(self._training, StreamingTrainer):
            self._only = given[0]
        return given

    def _evolve(self) -> Trainer:
        """The trainer that scores evolved weights, created on first use."""
        if self._given is None:
            raise InputError(
                "strategy must train networks if a function builds the models, "
                "not neuroevolution, which evolves the weights of dense networks: choose another"
            )
        if self._scorer is None:
            self._scorer = make_scorer(*self._given)
        return self._scorer

    def _too_large(self) -> bool:
        size = _resident_bytes()
        grown = size - self._bytes_when_ready > GROWTH_BYTES and self._evaluated >= EVALUATIONS_AT_LEAST
        return grown or size > RETIRING_SHARE * self._memory_bytes

    def _listen(self) -> None:
        """Receives messages and sends beats; ends the process when the driver is gone."""
        try:
            while True:
                # A fork of the driver may hold the driver's end of the socket: then there is no end of file.
                while not self._connection.poll(_BEAT_SECONDS):
                    if os.getppid() != self._parent:
                        _end_with_children()
                    self._beat()
                message = self._connection.recv()
                if isinstance(message, Cancel):
                    self._cancelled.add(message.number)
                    self._supply.put(None)
                    cancel = getattr(self._trainer, "cancel", None)
                    if message.number == self._answering and cancel is not None:
                        cancel()  # within a step, not at the next part
                elif isinstance(message, Give):
                    self._supply.put(message)
                elif isinstance(message, Ping):
                    self._send(Finished(message.number))
                else:
                    self._inbox.put(message)
        except (EOFError, OSError):
            _end_with_children()
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    def _beat(self) -> None:
        """Sends a beat, unless sending would block because the driver does not read."""
        if self._busy and self._sending.acquire(blocking=False):
            try:
                if select.select([], [self._connection], [], 0)[1]:
                    self._connection.send(Beat())
            finally:
                self._sending.release()

    def _send(self, message: Any) -> None:
        with self._sending:
            self._connection.send(message)

    def _refuse(self, number: int, error: Exception) -> None:
        mistake = isinstance(error, InputError)
        self._send(Refused(number, str(error) if mistake else traceback.format_exc(), mistake))


def _print_to(log: Path) -> None:
    """Appends this process's output to a file, including earlier output that went to a temporary file."""
    with suppress(OSError), log.open("ab", buffering=0) as file:
        file.write(os.pread(1, _PRINTED_BYTES, 0))
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _end_with_children() -> None:
    """Ends this process and its child processes if the driver is gone."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _resident_bytes() -> int:
    """Memory of this process; its maximum so far on systems that do not report the current value."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
