"""`join`: trains networks for a search on another machine, through a shared folder.

The other machine owns the run (`--execution shared`) and is its only writer: here, only `data.npz` and the folder
`shared` are opened, without locks. If this machine is lost, its networks are trained by others. As everywhere, training
happens in monitored worker processes.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from evonas.evaluation import Status
from evonas.execution import shared_folder
from evonas.execution.assignments import Fault, Outcome
from evonas.execution.evaluator import WorkerEvaluator
from evonas.execution.launch import one_network_a_worker, resolve_threads, worker_share
from evonas.execution.mailbox import Mailbox, News, UnderWay
from evonas.execution.ray_actor import versions
from evonas.execution.shared_folder import SHARED, Beat, Heard, Inbox, Outbox, SessionFile
from evonas.execution.shared_messages import Given, Left, Revoked, from_bytes, to_bytes
from evonas.execution.shared_session import check_place, session_or_none, wait_for_session
from evonas.execution.worker_loop import drive
from evonas.execution.worker_process import WorkerLimits
from evonas.execution_options import Execution
from evonas.io.closing import Closing
from evonas.io.npz import open_plain
from evonas.machine import machine_bytes
from evonas.runs.directory import sha256
from evonas.training_tasks import TrainingSettings
from evonas.user_model import check_build
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.interruption import Interruption
    from evonas.user_model import Build

__all__ = ["join"]

_LOOK_SECONDS = 0.1
#: Seconds without a change of its beat after which an owner is considered gone; another one may replace it.
_UNHEARD_SECONDS = 60.0
#: Seconds before an unusable folder is tried again.
_AGAIN_SECONDS = 3.0
#: Seconds for worker processes to end.
_STOP_SECONDS = 3.0


def join(
    run_dir: str | Path,
    *,
    build: Any = None,
    threads: int | None = None,
    workers: int | None = None,
    wait: str | float | None = None,
    on_news: Callable[[str], None] = lambda _: None,
    interruption: Interruption | None = None,
    unheard_seconds: float = _UNHEARD_SECONDS,
) -> int:
    """Trains networks for a search that runs on another machine, until the search ends.

    Args:
        run_dir: the directory of the run, in a folder that both machines share. The search has been started with
            `execution="shared"`, or will be within `wait`.
        build: the function of the run, if it trains user-defined models; must have the same source code as there.
        threads: number of networks trained at a time; by default the number of cores.
        workers: number of worker processes, which share the threads; by default the best number for the trainer.
        wait: how long to wait for a search to be started, or to be resumed after it was killed or has ended. By default
            ten minutes if it was killed, twenty seconds if it is about to start, and no time if there is no run or the
            search has ended.
        on_news: called with a line of text on each event.
        interruption: how to listen to signals.
        unheard_seconds: silence after which an owner is considered gone.

    Returns:
        The number of networks trained here; 0 if the search had already ended.

    Raises:
        InputError: there is no such run or search, versions or data differ, or the search cannot be joined.
        WorkerError: no worker process can be started.
    """
    from evonas.interruption import Interruption
    from evonas.quantities import duration
    from evonas.user_model import Build

    resolve_threads(threads)
    Execution("shared", workers)
    folder, patience = Path(run_dir), None if wait is None else duration(wait, "wait")
    check_place(folder, patience)
    own, trained, joined, told = None if build is None else Build.from_function(build), 0, False, ""
    with interruption or Interruption(quiet=True) as listening:
        while session := wait_for_session(folder, patience, unheard_seconds, on_news, listening, joined):
            try:
                with _Member(folder, session, own, threads, workers) as member:
                    on_news(f"Joined the search of {run_dir}: {member.words}.")
                    joined, told = True, ""
                    why = member.serve(unheard_seconds, lambda: listening.requested)
            except _FolderUnusable as error:
                if not joined:
                    raise
                why = str(error)
                time.sleep(_AGAIN_SECONDS)  # it was usable before and may recover
            else:
                trained += member.trained
            if not why:
                break
            if why != told:  # an unusable folder is retried indefinitely
                on_news(f"{why}: waiting for it to continue.")
            told = why
    on_news(f"{trained} network{'s' * (trained != 1)} trained here.")
    return trained


class _FolderUnusable(InputError):
    """This machine cannot currently read or write the shared folder."""


class _Member(Closing):
    """This machine in one session of a search."""

    def __init__(
        self, run_dir: Path, session: SessionFile, build: Build | None, threads: int | None, workers: int | None
    ) -> None:
        """Starts the worker processes, without waiting for them.

        Raises:
            InputError: versions, data or the function differ, or the settings are invalid.
        """
        _check_versions(session["versions"])
        check_build(build, session["build"], run_dir)
        self.trained = 0
        self._run_dir, self._session = run_dir, session
        self._folder = tempfile.TemporaryDirectory(prefix="evonas-join-")
        self._ports: list[_Port] = []
        try:
            data = _copy_data(run_dir / "data.npz", Path(self._folder.name) / "data.npz", session["data_sha256"])
            settings, limits = _settings_of(session, resolve_threads(threads))
            execution = Execution("shared", workers)
            if settings.trainer == "single" and build is None:
                execution = one_network_a_worker(execution, threads)
            count = execution.worker_count
            packed = None if build is None else build.pack()
            for number in range(count):
                chosen, bounds = worker_share(settings, limits, count, number)
                evaluator = WorkerEvaluator(None, data, chosen, None, bounds, packed)
                self._ports.append(_Port(run_dir / SHARED / session["session"], evaluator))
        except BaseException:
            self.close()
            raise

    @property
    def words(self) -> str:
        """Describes what this machine contributes."""
        count = len(self._ports)
        return f"{count} worker process{'es' * (count > 1)} on this machine"

    def serve(self, unheard_seconds: float, stopped: Callable[[], bool]) -> str:
        """Trains until the search ends or this process is stopped; returns "", or the reason why the owner is gone.

        Raises:
            WorkerError: no worker process can be started.
            InputError: none can be started because of a user error.
        """
        shared, name = self._run_dir / SHARED, self._session["session"]
        beat, failing, looked = Heard(shared / name / "owner.beat"), 0.0, time.monotonic()
        while not stopped():
            fault = self._round()
            failing, looked = (failing + min(time.monotonic() - looked, 1.0)) * bool(fault), time.monotonic()
            found = session_or_none(shared)
            if found is not None and (found["session"] != name or found["ended"]):
                return "" if found["session"] == name else "Another owner has the search now"
            if beat.listen() > unheard_seconds:
                return f"The owner of the search was not heard from for {unheard_seconds:g} s"
            if fault and (failing > unheard_seconds or (found is not None and self._is_unknown())):
                return f"The owner does not know this machine ({fault})"
            time.sleep(_LOOK_SECONDS)
        return ""

    def _round(self) -> str:
        """Runs one round of each port; returns what is wrong with the folder, if anything: it may recover."""
        fault = ""
        for port in self._ports:
            try:
                self.trained += port.round()
            except OSError as error:
                fault = error.strerror or str(error)
        return fault

    def _is_unknown(self) -> bool:
        """Whether the owner has deleted the folder of a port, as it does with workers that it considers lost."""
        return any(port.is_gone for port in self._ports)

    def _has_ended(self, shared: Path) -> bool:
        found = session_or_none(shared)
        return found is not None and found["session"] == self._session["session"] and found["ended"]

    def close(self) -> None:
        """Ends the worker processes, notifies the owner, and deletes the copy of the data."""
        for port in self._ports:
            port.begin_closing()
        until, ended = time.monotonic() + _STOP_SECONDS, self._has_ended(self._run_dir / SHARED)
        for port in self._ports:
            port.close(max(0.0, until - time.monotonic()), ended)
        self._folder.cleanup()


class _Port:
    """One worker process and its folder."""

    def __init__(self, session: Path, evaluator: WorkerEvaluator) -> None:
        self._evaluator, self._mailbox = evaluator, Mailbox()
        #: Messages to send as soon as the folder is usable.
        self._unsent: deque[News] = deque()
        try:
            self._folder = folder = shared_folder.make_worker(session)
            self._inbox, self._outbox = Inbox(folder / "to"), Outbox(folder / "from")
            self._beat = Beat(folder / "worker.beat")
        except OSError as error:
            raise _FolderUnusable(
                f"{session} must be a folder that this machine can write to, but {error.strerror or error}: mount it "
                "with the rights to do so, and see that it has room"
            ) from None
        evaluator.start()
        self._thread = threading.Thread(target=drive, args=(evaluator, self._mailbox, False), daemon=True)
        self._thread.start()

    def round(self) -> int:
        """Exchanges messages in both directions; returns the number of finished networks.

        Raises:
            OSError: the folder is gone, or cannot be read or written now; no message is lost.
            WorkerError: the worker process cannot be started.
            InputError: it cannot be started because of a user error.
        """
        news = self._mailbox.news(0.0)
        if news:  # how far trainings were is of no interest any more
            self._unsent = deque(each for each in self._unsent if not isinstance(each, UnderWay))
        self._unsent.extend(news)
        self._beat.beat()
        for content in self._inbox.receive():
            with suppress(
                ValueError
            ):  # damaged: the owner gets no result, and reassigns the network when this worker is given up
                match from_bytes(content):
                    case Given(leases):
                        self._mailbox.give(leases)
                    case Revoked(floor):
                        self._mailbox.revoke(floor)
        trained = 0
        while self._unsent:
            message = self._unsent[0]
            self._outbox.send(to_bytes(message))
            self._unsent.popleft()
            if isinstance(message, Fault):
                raise message.exception()
            if isinstance(message, Outcome):
                trained += sum(each.status is Status.OK for each in message.evaluations.values())
        return trained

    @property
    def is_gone(self) -> bool:
        """Whether its folder was deleted."""
        return not self._folder.is_dir()

    def begin_closing(self) -> None:
        self._mailbox.close()

    def close(self, seconds: float, ended: bool) -> None:
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._evaluator.kill()
        if ended:  # the last of the two sides deletes the folder
            shared_folder.clear_worker(self._folder)
            with suppress(OSError):
                self._folder.parent.rmdir()
            return
        with suppress(OSError):
            self._outbox.send(to_bytes(Left()))


def _settings_of(session: SessionFile, threads: int) -> tuple[TrainingSettings, WorkerLimits]:
    """The owner's training settings, adapted to this machine.

    Raises:
        InputError: the settings are not of this version, or allow more memory than this machine has.
    """
    limits = WorkerLimits(candidate_seconds=session["candidate_seconds"], memory_bytes=session["memory_bytes"])
    if (limits.memory_bytes or 0) > machine_bytes():
        raise InputError(
            f"worker_memory must be at most the {machine_bytes()} bytes that this machine has, but the search was "
            f"started with {limits.memory_bytes}: start it with less, or without"
        )
    same = "install the same version on all machines"
    if unknown := session["settings"].keys() - {field.name for field in fields(TrainingSettings)}:
        raise InputError(f"settings of the search must be of this evonas version, not {min(unknown)!r:.80}: {same}")
    try:
        given = TypeAdapter(TrainingSettings).validate_python(
            {**session["settings"], "threads": threads, "worker_bytes": limits.memory}
        )
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = ".".join(map(str, problem["loc"]))
        raise InputError(
            f"settings of the search must be of this evonas version, but {field} is not ({problem['msg']}): {same}"
        ) from None
    if given.trainer not in ("native", "single"):
        raise InputError(f"trainer must be native or single to be shared over a folder, not {given.trainer!r:.80}")
    return given, limits


def _copy_data(source: Path, target: Path, digest: str) -> Path:
    """Copies the data of the run to a disk of this machine.

    Raises:
        InputError: the data are missing or are not those of the run.
    """
    try:
        with open_plain(source) as file, target.open("wb") as copy:
            shutil.copyfileobj(file, copy, 1 << 20)
    except OSError as error:
        raise _FolderUnusable(
            f"{source} must be readable ({error.strerror or error}): share the whole run directory"
        ) from None
    if sha256(target) != digest:
        raise InputError(
            f"{source} must be the data of the search that runs there, but it was changed: restore the file"
        )
    return target


def _check_versions(theirs: dict[str, str]) -> None:
    for name, version in versions().items():
        if theirs.get(name) != version:
            raise InputError(
                f"{name} must be the same on all machines of a search, not {version} here and "
                f"{theirs.get(name, 'none')!r:.80} there: install the same"
            )
