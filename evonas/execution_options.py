"""`Execution`: where the networks of a run are trained. Not recorded, since it does not affect results.

    >>> Execution(workers=4)
    Execution(place='processes', workers=4, devices=(), address=None)
    >>> Execution.from_arguments("ray", address="10.0.0.5:6379").address
    '10.0.0.5:6379'

Imports the standard library only: it is read before the first worker is started.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genomes.errors import InputError

__all__ = ["PLACES", "Execution", "share_of"]

#: Name -> description.
PLACES = {
    "local": "in this process, for debugging: a crash ends the search",
    "processes": "in monitored worker processes on this machine",
    "shared": "in processes here and on machines that join the run over a shared folder (evonas join)",
    "ray": "in monitored worker processes on the machines of a Ray cluster (evonas[ray])",
}

_MOST_WORKERS = 4096
_ADDRESS = re.compile(r"auto|[\w.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")
_DEVICE = re.compile(r"\d{1,4}|(GPU|MIG)-[\w/-]{1,80}")


@dataclass(frozen=True)
class Execution:
    """Where networks are trained.

    Attributes:
        place: one of `PLACES`.
        workers: number of worker processes; on Ray, their maximum. None means one (or one per device); on Ray, as many
            as the cluster has room for, which is checked again while the search runs.
        devices: GPUs of this machine, as in `CUDA_VISIBLE_DEVICES`, assigned to workers in turn.
        address: of a Ray cluster, "auto" or HOST:PORT; None starts one on this machine, for this run alone.

    Raises:
        InputError: a value is invalid, or does not apply to the place.
    """

    place: str = "processes"
    workers: int | None = None
    devices: tuple[str, ...] = ()
    address: str | None = None

    def __post_init__(self) -> None:
        if self.place not in PLACES:
            raise InputError(f"execution must be one of {', '.join(PLACES)}, not {self.place!r}: choose one of them")
        count = self.workers
        whole = isinstance(count, int) and not isinstance(count, bool)
        if count is not None and not (whole and 1 <= count <= _MOST_WORKERS):
            raise InputError(f"workers must be a whole number from 1 to {_MOST_WORKERS}, not {count!r}: 2 is a start")
        if self.place == "local" and (count or 1) > 1:
            raise InputError(f"workers must be left out with execution local, which has no workers, not {count}")
        if self.devices and self.place not in ("processes", "shared"):
            raise InputError(
                f"devices must be left out with execution {self.place}, not {','.join(self.devices)}: they are for "
                "processes; Ray hands out GPUs by itself, and CUDA_VISIBLE_DEVICES says which one this process sees"
            )
        for device in self.devices:
            if not _DEVICE.fullmatch(device):
                raise InputError(f"devices must be numbers such as 0,1, or all, not {device!r}: see nvidia-smi -L")
        if self.address is not None and self.place != "ray":
            raise InputError(f"address must be given with execution ray only, not with {self.place}: leave it out")
        if self.address is not None and not _ADDRESS.fullmatch(self.address):
            raise InputError(
                f"address must be auto or HOST:PORT of a Ray cluster, not {self.address!r}: start the search on a "
                "machine of the cluster, or with `ray job submit` (clients over ray:// are not supported)"
            )

    @classmethod
    def from_arguments(
        cls,
        place: str | Execution | None = None,
        workers: int | None = None,
        devices: str | Sequence[str] | None = None,
        address: str | None = None,
    ) -> Execution:
        """Parses a user's arguments; `devices` is a list, a string such as "0,1", or "all".

        Raises:
            InputError: see the class.
        """
        if isinstance(place, Execution):
            return place
        if place is not None and not isinstance(place, str):
            raise InputError(f"execution must be one of {', '.join(PLACES)}, or an evonas.Execution, not {place!r:.80}")
        if place is None:
            place = "processes" if address is None else "ray"
        return cls(place, workers, tuple(_list(devices)), address)

    @property
    def is_default(self) -> bool:
        """Whether it is one worker process that sees all devices."""
        return self.place == "processes" and self.worker_count == 1 and not self.devices

    @property
    def worker_count(self) -> int:
        """Worker processes on this machine."""
        return self.workers or max(1, len(self.devices))

    def environment(self, number: int) -> dict[str, str]:
        """Environment variables of a worker in addition to those of this process."""
        return {"CUDA_VISIBLE_DEVICES": self.devices[number % len(self.devices)]} if self.devices else {}


def share_of(total: int, workers: int, number: int) -> int:
    """A worker's share of threads or bytes; the shares differ by one at most, and are at least 1.

    >>> [share_of(5, 2, number) for number in range(2)]
    [2, 3]
    """
    return max(1, total * (number + 1) // workers - total * number // workers)


def _list(devices: Any) -> Iterator[str]:
    if devices is None:
        return
    given = devices.split(",") if isinstance(devices, str) else [str(each) for each in devices]
    names = [name.strip() for name in given]
    if names != ["all"]:
        yield from names
        return
    found = sorted(int(path.name.removeprefix("nvidia")) for path in Path("/dev").glob("nvidia[0-9]*"))
    if not found:
        raise InputError("devices must exist, but there is no NVIDIA GPU here: leave devices out")
    yield from map(str, found)
