"""`in-training.json`: the networks that a run is training and their progress, for displays and dashboards.

Written at most once a second while networks are trained, and removed afterwards. Nothing depends on it: it is not
synced, a full disk does not end the search, and readers ignore it once the run's owner is dead.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from evonas.io.atomic import place_new, temporary_in
from evonas.io.npz import open_plain

__all__ = ["IN_TRAINING", "MOST_NETWORKS", "NetworkInTraining", "TrainingNotes", "is_in_training", "read_in_training"]

IN_TRAINING = "in-training.json"
#: Maximum number of networks listed.
MOST_NETWORKS = 32
_BEGINNING = b'{"encoding": "in training"'
_MOST_BYTES = 1 << 16
#: Minimum interval between writes in seconds, and the share of the time that writing may take.
_SECONDS, _SHARE = 1.0, 0.01

_Count = Annotated[int, Field(ge=0, lt=1 << 53, strict=True)]


@with_config(ConfigDict(extra="forbid"))
class NetworkInTraining(TypedDict):
    """One network in training.

    Attributes:
        generation, index: its position in the run, from 0; for retraining runs, their number.
        kind: purpose of training: for the search, as a finalist or for the final model.
        name: short description of the network.
        parameters: number of trainable parameters, 0 if unknown.
        epoch, epochs: epochs trained and maximum, summed over folds and replicates; 0 if unknown.
        seconds: time since its training began.
    """

    generation: _Count
    index: _Count
    kind: Literal["search", "finalist", "member"]
    name: Annotated[str, Field(max_length=100)]
    parameters: _Count
    epoch: _Count
    epochs: _Count
    seconds: Annotated[float, Field(ge=0, lt=1e9)]


@with_config(ConfigDict(extra="forbid"))
class _Content(TypedDict):
    encoding: Literal["in training"]
    networks: Annotated[list[NetworkInTraining], Field(max_length=MOST_NETWORKS)]


_CONTENT = TypeAdapter(_Content)


class TrainingNotes:
    """Writer of the file, used by the process that owns the run.

    Attributes:
        latest: the last reported networks, whether written or not.
    """

    def __init__(self, directory: Path) -> None:
        """Removes a file left by a killed owner."""
        self._path, self._due = directory / IN_TRAINING, 0.0
        self.latest: tuple[NetworkInTraining, ...] = ()
        self.clear()

    @property
    def is_due(self) -> bool:
        """Whether the interval since the last write has passed."""
        return time.monotonic() >= self._due

    def note(self, networks: Sequence[NetworkInTraining]) -> None:
        """Writes the networks in training if `is_due`, unless the disk is full or the name is taken by another file."""
        if not self.is_due:
            return
        self.latest = tuple(networks[:MOST_NETWORKS])
        began = time.monotonic()
        with suppress(OSError):
            self._write(json.dumps({"encoding": "in training", "networks": self.latest}, allow_nan=False).encode())
        now = time.monotonic()
        self._due = now + max(_SECONDS, (now - began) / _SHARE)

    def clear(self) -> None:
        """Removes the file, since nothing is in training."""
        self.latest, self._due = (), 0.0
        with suppress(OSError):
            if is_in_training(self._path):
                self._path.unlink()

    def _write(self, content: bytes) -> None:
        if os.path.lexists(self._path) and not is_in_training(self._path):
            return
        temporary = temporary_in(self._path.parent)
        try:
            temporary.write_bytes(content)
            if os.path.lexists(self._path):
                temporary.replace(self._path)
            else:
                place_new(temporary, self._path)
        finally:
            temporary.unlink(missing_ok=True)


def is_in_training(path: Path) -> bool:
    """Whether a file of that name was written by evonas."""
    try:
        with open_plain(path) as file:
            return file.read(len(_BEGINNING)) == _BEGINNING
    except OSError:
        return False


def read_in_training(directory: Path) -> tuple[NetworkInTraining, ...]:
    """Reads the file of a run; empty if it does not exist or is not valid."""
    try:
        with open_plain(directory / IN_TRAINING) as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            return ()
        return tuple(_CONTENT.validate_json(content)["networks"])
    except (OSError, ValidationError):
        return ()
