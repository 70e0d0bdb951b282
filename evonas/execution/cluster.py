"""`RayCluster`: the connection to a Ray cluster, its resources, and a health check of its head.

Ray is imported only here and in `ray_fleet.py`, when a run uses it.

References:
    Moritz et al. 2018, Ray: A Distributed Framework for Emerging AI Applications. OSDI.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

from evonas.errors import WorkerError
from genomes.errors import InputError

__all__ = ["HeadLost", "RayCluster", "check_ray"]

#: Timeout of connections to the head, and tolerated consecutive failures.
_HEAD_SECONDS, _HEAD_FAILURES = 2.0, 3
#: What an HTTP/2 client sends first (RFC 9113, section 3.4); without it the head closes the connection after a while.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_RESUME = "Committed results are kept: start the cluster again and resume the run, there or elsewhere (--execution)"
#: Timeout for disconnecting, in seconds.
_SHUTDOWN_SECONDS = 5.0
#: Ray's shared memory on this machine, in addition to the data.
_STORE_BYTES = 200 << 20


class HeadLost(WorkerError):
    """The head of the cluster no longer answers: the run stops, and can be resumed."""


def check_ray() -> None:
    """Raises InputError where Ray is not installed."""
    if find_spec("ray") is None:
        raise InputError("Ray must be installed for execution ray: pip install 'evonas[ray]'")


class RayCluster:
    """An existing Ray cluster, or one started on this machine for this process."""

    def __init__(self, address: str | None, workers: int | None, cpus: int, data_bytes: int = 0) -> None:
        """Connects, or starts Ray's processes, which takes some seconds.

        A cluster started here listens on the loopback interface only, and requires Ray's token. An existing connection
        of the program is reused.

        Args:
            address: see `Execution.address`; None for a new cluster, unless RAY_ADDRESS names one.
            workers: workers that must fit on a local cluster, with that many CPUs each; None for this machine's cores.
            cpus: see `workers`.
            data_bytes: size of the data in its object store.

        Raises:
            InputError: Ray is not installed, or there is no cluster at that address.
        """
        check_ray()
        with _signals_kept():
            # No usage statistics unless the user enables them.
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            if address is None and not os.environ.get("RAY_ADDRESS"):
                os.environ.setdefault("RAY_AUTH_MODE", "token")  # other users of this machine have none
            import ray

            self.ray: Any = ray
            self._ours = not ray.is_initialized()
            if self._ours:
                if address is None and os.environ.get("RAY_ADDRESS"):
                    address = "auto"
                self._connect(address, workers, cpus, data_bytes)
        host, _, port = str(ray.get_runtime_context().gcs_address).rpartition(":")
        self._head, self._failures = (host.strip("[]"), int(port)), 0
        #: Connection to the head since the last check: opened now, so that a head lost before the next check is
        #: noticed.
        self._line: socket.socket | None = None
        self.check_head()

    def _connect(self, address: str | None, workers: int | None, cpus: int, data_bytes: int) -> None:
        from evonas.machine import usable_cores

        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
        if address is None:
            count = max(usable_cores(), (workers or 0) * cpus)
            store = _STORE_BYTES + 2 * data_bytes
            options |= {"address": "local", "num_cpus": count, "object_store_memory": store}
            options |= {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        else:
            options["address"] = address
        try:
            self.ray.init(**options)
        except Exception as error:
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            if not isinstance(error, ConnectionError | ValueError | RuntimeError | TimeoutError):
                # Ray raises no specific exception if its processes start too slowly on a busy machine.
                with suppress(Exception):
                    self.ray.shutdown()
                raise WorkerError(
                    f"Ray did not start on this machine ({why:.300}): try again when it is less busy, or search "
                    "without Ray (--execution processes)"
                ) from error
            raise InputError(
                f"address must be that of a Ray cluster that runs, not {address or 'a new one'} ({why:.200}): start "
                "one with `ray start --head`, set RAY_AUTH_MODE=token if it requires a token, or leave the address out"
            ) from None

    def resources(self) -> dict[str, float]:
        """The current resources of the cluster: "CPU", "GPU" and so on."""
        found: dict[str, float] = self.ray.cluster_resources()
        return found

    @property
    def answers(self) -> bool:
        """Whether Ray may be called: the head answered the last check, and has not ended since then."""
        return not self._failures and not _is_closed(self._line)

    def check_head(self) -> None:
        """Raises HeadLost if the head has not answered several times in a row, or was restarted.

        Must be called every few seconds. While the head does not answer, Ray must not be called: it would block, and
        silently end this process after a minute. A restarted head does not know this run, and Ray ends a process that
        sends it any request. It is recognised because it has closed the connection of the last check.
        """
        try:
            line = socket.create_connection(self._head, _HEAD_SECONDS)
            line.sendall(_PREFACE)
            line.setblocking(False)
        except OSError:
            self._failures += 1
            if self._failures >= _HEAD_FAILURES:
                raise HeadLost(f"Ray's head no longer answers. {_RESUME}") from None
            return
        before, self._line = self._line, line
        if _is_closed(before):
            raise HeadLost(f"Ray's head was restarted, and does not know this search. {_RESUME}")
        self._failures = 0
        if before is not None:
            before.close()

    def close(self) -> None:
        """Disconnects, if the connection is ours. May be called twice."""
        if self._line is not None:
            self._line.close()
            self._line = None
        if not self._ours or not self.ray.is_initialized():
            return
        # Ray may wait for a lost head; the rest ends with this process.
        ending = threading.Thread(target=self._shut_down, daemon=True)
        ending.start()
        ending.join(_SHUTDOWN_SECONDS)

    def _shut_down(self) -> None:
        with suppress(Exception):
            self.ray.shutdown()


def _is_closed(line: socket.socket | None) -> bool:
    """Whether the other side has closed a connection. What it has sent is dropped."""
    if line is None:
        return False
    try:
        while line.recv(1 << 12):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keeps the SIGTERM handler, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
