"""`SharedFleet`: workers on this machine and on all machines that join the run over a shared folder.

The owner of the run is the process that started or resumed it; only it writes to the database. Other machines
(`joining.py`) take leases and return evaluations as files (`shared_folder.py`, `shared_messages.py`); losing one costs
no more than the networks that it had in training. A separate thread handles the files, so that a slow file server does
not delay networks on this machine.
"""

from __future__ import annotations

import threading
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from evonas.errors import WorkerError
from evonas.execution import shared_folder
from evonas.execution.assignments import Assignments, Fault, Outcome
from evonas.execution.mailbox import Started, UnderWay
from evonas.execution.ray_actor import versions
from evonas.execution.shared_folder import SHARED, Beat, Heard, Inbox, Outbox, SessionFile
from evonas.execution.shared_messages import Given, Left, Revoked, from_bytes, to_bytes
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.execution.pool import Fleet

__all__ = ["SharedFleet", "session_of"]

#: Polling interval of messages.
_LOOK_SECONDS = 0.1
#: Seconds without a change of its beat after which a worker is considered lost.
UNHEARD_SECONDS = 60.0
#: First number of workers that join, above those of this machine.
_FIRST_NUMBER = 10_000
#: Seconds for its thread to end.
_CLOSE_SECONDS = 3.0


@dataclass(eq=False)
class _Joined:
    number: int
    folder: Path
    inbox: Inbox
    outbox: Outbox
    beat: Heard
    slots: int = 0
    revoked: int = 0
    reason: str = field(default="")
    #: A message not yet written to the folder, and for how many seconds of polling the folder has failed.
    unsent: bytes = field(default=b"", repr=False)
    failing: float = 0.0


class SharedFleet:
    """Implements `Fleet`."""

    def __init__(
        self,
        local: Fleet,
        run_dir: Path,
        session: SessionFile,
        assignments: Assignments,
        unheard_seconds: float = UNHEARD_SECONDS,
    ) -> None:
        """Starts nothing yet.

        Args:
            local: workers on this machine.
            run_dir: where the folder is created; owned by this process.
            session: information for machines that join.
            assignments: source of all leases.
            unheard_seconds: silence after which a worker is considered lost.
        """
        self._local, self._session, self._assignments, self._unheard = local, session, assignments, unheard_seconds
        self._shared = run_dir / SHARED
        self._folder = self._shared / session["session"]
        self._joined: dict[str, _Joined] = {}
        self._refused: set[str] = set()
        self._number = _FIRST_NUMBER
        self._thread: threading.Thread | None = None
        self._ended, self._fault = threading.Event(), ""

    @property
    def slots(self) -> int:
        """See `Fleet.slots`."""
        return self._local.slots + sum(each.slots for each in list(self._joined.values()))

    @property
    def joined(self) -> int:
        """Workers that have joined."""
        return len(self._joined)

    def start(self) -> None:
        """See `Fleet.start`.

        Raises:
            InputError: the folder cannot be created, or was not created by evonas.
        """
        self._local.start()
        if self._thread is not None:
            return
        try:
            shared_folder.check_shared(self._shared)
            shared_folder.clear(self._shared)  # of an owner that was killed
            self._folder.mkdir(parents=True)
            self._beat = Beat(self._folder / "owner.beat")
            shared_folder.write_session(self._shared, self._session)
        except OSError as error:
            raise InputError(
                f"{self._shared} must be a writable folder, but {error.strerror or error}: other machines join through "
                f"it; use --execution processes to search without them"
            ) from None
        self._ended.clear()
        self._thread = threading.Thread(target=self._serve, name="evonas-shared", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """See `Fleet.wait`."""
        self._local.wait(seconds)
        if self._fault:
            raise WorkerError(f"the folder {self._shared}, which other machines share, failed:\n{self._fault}")

    def close(self) -> None:
        """See `Fleet.close`. Machines that have joined end, too."""
        self._local.close()
        if self._thread is None:
            return
        self._ended.set()
        self._thread.join(_CLOSE_SECONDS)
        self._thread = None
        self._joined.clear()
        try:
            shared_folder.write_session(self._shared, {**self._session, "ended": True})
        except OSError:
            return
        shared_folder.clear(self._shared, self._session["session"])

    def _serve(self) -> None:
        """Body of the thread: receives, sends, and detects lost workers."""
        try:
            while not self._ended.wait(_LOOK_SECONDS):
                self._round()
        except Exception:  # reported to the thread that waits for results, since none waits for this one
            self._fault = traceback.format_exc()
            with self._assignments.changed:
                self._assignments.changed.notify_all()

    def _round(self) -> None:
        with suppress(OSError):  # a temporary failure of the folder does not affect this machine
            self._beat.beat()
        for name in shared_folder.workers_in(self._folder):
            if name in self._refused:  # could not be deleted when the worker was lost; its deletion notifies the worker
                shared_folder.clear_worker(self._folder / name)
            elif name not in self._joined:
                folder = self._folder / name
                self._number += 1
                sides = Inbox(folder / "from"), Outbox(folder / "to"), Heard(folder / "worker.beat")
                self._joined[name] = _Joined(self._number, folder, *sides)
        for name, each in list(self._joined.items()):
            try:
                self._hear(each)
                self._give(each)
                each.failing = 0.0
            except OSError as error:  # full, read-only or away, perhaps for a while
                each.failing += _LOOK_SECONDS
                if each.failing > self._unheard or (self._folder.is_dir() and not each.folder.is_dir()):
                    each.reason = f"its folder cannot be used ({error.strerror or error})"
            if not each.reason and each.beat.listen() > self._unheard:
                each.reason = f"it was not heard from for {self._unheard:g} s"
            if each.reason:
                self._lose(name, each)

    def _hear(self, each: _Joined) -> None:
        for content in each.inbox.receive():
            try:
                message = from_bytes(content)
            except ValueError as error:
                each.reason = f"it sent an invalid message ({error})"
                return
            match message:
                case Started(slots):
                    each.slots = slots
                case Outcome():
                    self._assignments.put(message)
                case UnderWay(networks, floor):
                    self._assignments.note_progress(each.number, networks, floor)
                case Fault():
                    each.reason = f"it does not start ({message.text.strip().splitlines()[-1][:200]})"
                case Left():
                    each.reason = "it left"

    def _give(self, each: _Joined) -> None:
        """Sends leases that fit, plus one network per slot if many wait, since the next file takes a moment."""
        assignments = self._assignments
        self._send(each, each.unsent)
        if each.revoked < assignments.floor:
            each.revoked = assignments.floor
            self._send(each, to_bytes(Revoked(each.revoked)))
        if not each.slots or each.reason or not assignments.waiting:
            return
        spare = each.slots * assignments.spare(self.slots)
        leases = assignments.take(
            each.number, each.slots + spare - assignments.held_by(each.number), single_networks=True
        )
        if leases:
            self._send(each, to_bytes(Given(leases)))

    def _send(self, each: _Joined, message: bytes) -> None:
        """Sends a message, or keeps it to send it first once the folder is writable again."""
        each.unsent = message
        if message:
            each.outbox.send(message)
        each.unsent = b""

    def _lose(self, name: str, each: _Joined) -> None:
        del self._joined[name]
        self._refused.add(name)
        self._assignments.lost(each.number, each.reason)
        shared_folder.clear_worker(each.folder)


def session_of(settings: Any, limits: Any, data_sha256: str, build: dict[str, Any] | None) -> SessionFile:
    """The information that machines need to join a run.

    Args:
        settings: `TrainingSettings` of the run; machine-specific values (threads, memory) are left out.
        limits: `WorkerLimits` of its workers.
        data_sha256: digest of the prepared data.
        build: `Build.to_json` of user-defined models.
    """
    if settings.extensions is not None:
        raise InputError(
            f"execution must be local, processes or ray with {settings.extensions.name} from outside evonas, not "
            "shared: a shared folder must not contain code that is run"
        )
    given = asdict(settings)
    del given["threads"], given["worker_bytes"], given["extensions"]
    session: dict[str, Any] = {
        "format": 1,
        "session": shared_folder.new_name(),
        "versions": versions(),
        "settings": given,
        "candidate_seconds": limits.candidate_seconds,
        "memory_bytes": limits.memory_bytes,
        "data_sha256": data_sha256,
        "build": build,
        "ended": False,
    }
    return cast("SessionFile", session)
