"""Messages between drivers that share a folder, as bytes: plain arrays and JSON in an `.npz` file, never pickle.

Input is bounded by the size of its file, checked against a schema, and cannot run code. Like anyone who can write to a
run directory, anyone who can write to the folder can forge scores, but no more.

    >>> from_bytes(to_bytes(Started(4)))
    Started(slots=4)
    >>> from_bytes(to_bytes(Fault("out of memory")))
    Fault(text='out of memory', raised='', mistake=False)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from evonas.evaluation import Evaluation, InTraining, Span, Status, snapshots_from_arrays, snapshots_to_arrays
from evonas.execution.assignments import Fault, Lease, Outcome
from evonas.execution.mailbox import Started, UnderWay
from evonas.io.npz import read_arrays
from evonas.runs.weights import weights_to_bytes
from evonas.training_tasks import ALL_ROWS, TrainingTask
from genomes.codec import check_weight
from genomes.errors import InputError

__all__ = ["Given", "Left", "Message", "Revoked", "from_bytes", "to_bytes"]

_HEADER = "message"


@dataclass(frozen=True)
class Given:
    """Leases for a worker, each for one network."""

    leases: tuple[Lease, ...]


@dataclass(frozen=True)
class Revoked:
    """Leases with tokens below `floor` are invalid."""

    floor: int


@dataclass(frozen=True)
class Left:
    """The worker ends, and its networks are available to others."""


Message = Given | Revoked | Left | Started | Outcome | Fault | UnderWay

_Count = Annotated[int, Field(ge=0, lt=1 << 63, strict=True)]
#: What a run's `in-training.json` shows.
_Shown = Annotated[int, Field(ge=0, lt=1 << 53, strict=True)]
_CLOSED = ConfigDict(extra="forbid")


class _Task(TypedDict):
    __pydantic_config__ = _CLOSED  # type: ignore[misc]

    architecture: dict[str, Any]
    seed: Annotated[int, Field(ge=0, lt=1 << 128, strict=True)]
    epochs: _Count
    horizon: _Count | None
    origin: dict[str, Any] | None
    inherit: bool
    keep_snapshots: bool
    fold: Annotated[int, Field(ge=ALL_ROWS, lt=1_000)] | None


class _Lease(TypedDict):
    __pydantic_config__ = _CLOSED  # type: ignore[misc]

    token: _Count
    numbers: Annotated[list[_Count], Field(max_length=10_000)]
    tasks: Annotated[list[_Task], Field(max_length=10_000)]


class _Evaluation(TypedDict):
    __pydantic_config__ = _CLOSED  # type: ignore[misc]

    status: Status
    scores: Annotated[dict[str, float], Field(max_length=100)]
    reason: Annotated[str, Field(max_length=100_000)]
    best_epoch: _Count
    epochs: _Count
    curve: Annotated[tuple[float, ...], Field(max_length=1_000_000)]
    train_curve: Annotated[tuple[float, ...], Field(max_length=1_000_000)]
    train_seconds: Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
    parameters: _Count
    notes: dict[str, Any]
    spans: Annotated[list[tuple[Annotated[str, Field(max_length=200)], _Count, float, float]], Field(max_length=10_000)]
    has_weights: bool


class _Fault(TypedDict):
    __pydantic_config__ = _CLOSED  # type: ignore[misc]

    text: Annotated[str, Field(max_length=1_000_000)]
    raised: Annotated[str, Field(max_length=10_000)]
    mistake: bool


class _Outcome(TypedDict):
    __pydantic_config__ = _CLOSED  # type: ignore[misc]

    token: _Count
    evaluations: Annotated[dict[int, _Evaluation], Field(max_length=10_000)]
    finished: bool
    fault: _Fault | None


class _InTraining(TypedDict):
    __pydantic_config__ = _CLOSED  # type: ignore[misc]

    number: _Count
    epoch: _Shown
    epochs: _Shown
    seconds: Annotated[float, Field(ge=0.0, lt=1e9)]
    parameters: _Shown


class _UnderWay(TypedDict):
    __pydantic_config__ = _CLOSED  # type: ignore[misc]

    networks: Annotated[list[_InTraining], Field(max_length=4096)]
    floor: _Count


class _Header(TypedDict, total=False):
    """The JSON part of a message; holds exactly one key."""

    __pydantic_config__ = _CLOSED  # type: ignore[misc]

    given: list[_Lease]
    revoked: _Count
    left: bool
    started: Annotated[int, Field(ge=1, le=4096, strict=True)]
    outcome: _Outcome
    fault: _Fault
    under_way: _UnderWay


_HEADERS = TypeAdapter(_Header)


def to_bytes(message: Message) -> bytes:
    """Serialises a message as the content of a file.

    Raises:
        ValueError: the lease is for a group or a request, which cannot be sent.
    """
    arrays: dict[str, Any] = {}
    header: dict[str, Any]
    match message:
        case Given(leases):
            header = {"given": [_lease_to_json(lease, arrays) for lease in leases]}
        case Revoked(floor):
            header = {"revoked": floor}
        case Left():
            header = {"left": True}
        case Started(slots):
            header = {"started": slots}
        case Fault():
            header = {"fault": asdict(message)}
        case UnderWay():
            header = {"under_way": asdict(message)}
        case Outcome():
            header = {"outcome": _outcome_to_json(message, arrays)}
    text = json.dumps(header, default=_plain)
    return weights_to_bytes({_HEADER: np.frombuffer(text.encode(), np.uint8), **arrays})


def from_bytes(content: bytes) -> Message:
    """Deserialises a message.

    Raises:
        ValueError: the content is not a message.
    """
    arrays = read_arrays(content)
    try:
        text = arrays.pop(_HEADER).astype(np.uint8).tobytes().decode()
        check_weight(text, "a message")
        header = _HEADERS.validate_python(json.loads(text))
        ((kind, value),) = header.items()
        return _message(kind, value, _group_arrays(arrays))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
    except (InputError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise ValueError(f"it is not a message: {error!r:.200}") from None


def _message(kind: str, value: Any, arrays: Mapping[str, Mapping[str, NDArray[Any]]]) -> Message:
    match kind:
        case "given":
            return Given(tuple(_lease_from_json(lease, arrays) for lease in value))
        case "revoked":
            return Revoked(value)
        case "left":
            return Left()
        case "started":
            return Started(value)
        case "fault":
            return Fault(**value)
        case "under_way":
            return UnderWay(tuple(InTraining(**each) for each in value["networks"]), value["floor"])
    evaluations = {number: _evaluation_from_json(number, each, arrays) for number, each in value["evaluations"].items()}
    fault = None if value["fault"] is None else Fault(**value["fault"])
    return Outcome(value["token"], evaluations, value["finished"], fault=fault)


def _lease_to_json(lease: Lease, arrays: dict[str, Any]) -> dict[str, Any]:
    if lease.grouped or lease.request or any(task.lineage for task in lease.tasks):
        raise ValueError("groups and requests are for the driver's own workers only")
    for number, task in zip(lease.numbers, lease.tasks, strict=True):
        arrays |= {f"start {number}:{name}": value for name, value in snapshots_to_arrays(task.start).items()}
    names = _Task.__annotations__
    tasks = [{name: getattr(task, name) for name in names} for task in lease.tasks]
    return {"token": lease.token, "numbers": lease.numbers, "tasks": tasks}


def _lease_from_json(value: _Lease, arrays: Mapping[str, Mapping[str, NDArray[Any]]]) -> Lease:
    if len(value["numbers"]) != len(value["tasks"]):
        raise ValueError("a lease must have one number per task")
    tasks = tuple(
        TrainingTask(**cast(Any, task), start=snapshots_from_arrays(arrays.get(f"start {number}", {})))
        for number, task in zip(value["numbers"], value["tasks"], strict=True)
    )
    return Lease(value["token"], tuple(value["numbers"]), tasks)


def _outcome_to_json(outcome: Outcome, arrays: dict[str, Any]) -> dict[str, Any]:
    evaluations = {}
    for number, each in outcome.evaluations.items():
        arrays |= {f"weights {number}:{name}": value for name, value in (each.weights or {}).items()}
        arrays |= {f"kept {number}:{name}": value for name, value in snapshots_to_arrays(each.snapshots).items()}
        evaluations[number] = {
            **{name: getattr(each, name) for name in _Evaluation.__annotations__ if name != "has_weights"},
            "spans": [(span.process, span.thread, span.started, span.ended) for span in each.spans],
            "scores": dict(each.scores),
            "notes": dict(each.notes),
            "has_weights": each.weights is not None,
        }
    fault = None if outcome.fault is None else asdict(outcome.fault)
    return {"token": outcome.token, "evaluations": evaluations, "finished": outcome.finished, "fault": fault}


def _evaluation_from_json(
    number: int, value: _Evaluation, arrays: Mapping[str, Mapping[str, NDArray[Any]]]
) -> Evaluation:
    given: dict[str, Any] = {**value}
    weights = dict(arrays.get(f"weights {number}", {})) if given.pop("has_weights") else None
    given["spans"] = tuple(Span(*span) for span in value["spans"])
    return Evaluation(**given, weights=weights, snapshots=snapshots_from_arrays(arrays.get(f"kept {number}", {})))


def _group_arrays(arrays: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, NDArray[Any]]]:
    """Groups arrays by their owner, then by name."""
    groups: dict[str, dict[str, NDArray[Any]]] = {}
    for key, value in arrays.items():
        group, _, name = key.partition(":")
        groups.setdefault(group, {})[name] = value
    return groups


def _plain(value: Any) -> Any:
    """Converts numpy numbers and mappings other than dictionaries to JSON types."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not a value of JSON")
