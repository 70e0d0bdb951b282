"""Training of members in the slots of one program, with tracking of slots and progress.

When a member ends, its slot takes the next waiting one. When none is waiting and most slots are idle, the remaining
members move to a smaller program if that pays off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from evonas.evaluation import Snapshot, Weights
from evonas.networks.initial import epoch_order
from evonas.training.optimizers import FROZEN
from evonas.training.population.backends import current_backend
from evonas.training.population.cost import Device, compile_seconds, step_microseconds
from evonas.training.population.layout import PopulationMember, constants, pack, schedule, unpack
from evonas.training.population.shape import ProgramShape

__all__ = ["SlotState", "Stopping", "run_slots"]

Array = NDArray[Any]
Arrays = dict[str, Any]
_NEVER = np.iinfo(np.int32).max // 2
_LEARNER = ("parameters", "first", "second", "moving", "best", "best_moving")
_WAITING = ("best_loss", "reference", "wait")
_MOVING = ("/moving_mean", "/moving_variance")


@dataclass(frozen=True)
class Stopping:
    """When a training ends before its budget: see `evonas.training_tasks.TrainingSettings`."""

    patience: int | None
    min_delta: float


@dataclass(eq=False)
class SlotState:
    """A slot's member and its progress."""

    position: int
    member: PopulationMember
    weights: Weights = field(default_factory=dict)
    train_curve: list[float] = field(default_factory=list)
    curve: list[float] = field(default_factory=list)
    seconds: float = 0.0
    began: float = field(default_factory=time.time)
    ended: bool = False

    @property
    def epoch(self) -> int:
        """Epochs trained."""
        return len(self.curve)


def run_slots(
    program: Callable[[ProgramShape], Callable[..., tuple[Arrays, Arrays]]],
    shape: ProgramShape,
    take: Callable[[int], Sequence[tuple[int, PopulationMember]]],
    data: Arrays,
    stopping: Stopping,
    device: Device,
    cancelled: Callable[[], bool] = lambda: False,
    seated: Callable[[Sequence[SlotState]], None] = lambda states: None,
) -> Iterator[dict[int, tuple[Snapshot, float, float]]]:
    """Trains members in the slots of one program until none waits and all have ended.

    Args:
        program: returns the compiled program of a shape.
        shape: the shape that holds every member.
        take: returns up to a given number of waiting members, with their positions; empty if none is waiting.
        data: the rows of all folds on the device.
        stopping: early stopping.
        device: decides whether a smaller program pays.
        cancelled: polled between calls; if true, the remaining members are not trained.
        seated: called with the members in the slots before each call.

    Yields:
        position -> result of the member, its share of the seconds, and when it began, for members that have ended.
    """
    patience = _NEVER if stopping.patience is None else stopping.patience
    running = _Slots(shape, stopping)
    while not cancelled():
        free = running.shape.slots - len(running.occupied)
        taken = take(free) if free else ()
        # Some folds of a network may have stopped while others continue.
        stopped = {k: (m.start, 0.0, time.time()) for k, m in taken if m.start and m.start.waited >= patience}
        if stopped:
            yield stopped
        running.fill([SlotState(k, member) for k, member in taken if k not in stopped])
        if not running.occupied:
            if taken:
                continue
            break
        if not taken and free and (smaller := _smaller(running, device)):
            running = running.move_to(smaller)
        seated(list(running.occupied.values()))
        running.advance(program(running.shape), data)
        if ended := running.leave():
            yield ended


def _smaller(running: _Slots, device: Device) -> ProgramShape | None:
    """A shape with fewer slots for those still in training, if it saves more than its compilation costs."""
    slots = running.shape.slots
    while slots // 2 >= len(running.occupied):
        slots //= 2
    shape = replace(running.shape, slots=slots)
    left = max(
        (slot_state.member.epochs - slot_state.epoch) * slot_state.member.steps
        for slot_state in running.occupied.values()
    )
    saving = left * (step_microseconds(running.shape, device) - step_microseconds(shape, device)) * 1e-6
    return shape if saving > compile_seconds(shape, device) else None


class _Slots:
    """The slots of one program: their state on the device and the members in them."""

    def __init__(self, shape: ProgramShape, stopping: Stopping) -> None:
        self.shape = shape
        self.occupied: dict[int, SlotState] = {}
        self._stopping = stopping
        self._state: Arrays = {}
        self._members: Arrays = {}

    def fill(self, states: Sequence[SlotState]) -> None:
        """Seats members in free slots."""
        free = [slot for slot in range(self.shape.slots) if slot not in self.occupied]
        taken = dict(zip(free, states, strict=False))
        if not taken:
            return
        self.occupied |= taken
        for slot_state in taken.values():
            start = slot_state.member.start
            slot_state.weights = start.weights if start else slot_state.member.initial()
            slot_state.train_curve, slot_state.curve = (
                (list(start.train_curve), list(start.curve)) if start else ([], [])
            )
        prepared = [self._prepare(slot_state) for slot_state in taken.values()]
        if not self._state:
            # Unused slots hold a copy of the first member, which is not trained.
            prepared += [prepared[0]] * (self.shape.slots - len(prepared))
            stacked = [_stack([each[k] for each in prepared]) for k in (0, 1)]
            self._state, self._members = _map(keras.ops.convert_to_tensor, stacked)
            chunks = (self.shape.chunks, self.shape.slots, self.shape.chunk_rows, self.shape.num_outputs)
            self._state["best_outputs"] = self._with_kept_outputs(np.zeros(chunks, np.float32), taken)
            return
        index = np.array(list(taken), np.int32)[:, None]
        outputs = self._state.pop("best_outputs")
        stacked = [_stack([each[k] for each in prepared]) for k in (0, 1)]

        def put(old: Any, new: Array) -> Any:
            return keras.ops.scatter_update(old, index, new)

        self._state, self._members = _map(put, [self._state, self._members], stacked)
        self._state["best_outputs"] = self._with_kept_outputs(outputs, taken)

    def _with_kept_outputs(self, outputs: Any, taken: dict[int, SlotState]) -> Any:
        """The outputs of all slots, with those of the best epochs behind members that continue."""
        kept = {slot: slot_state.member.start.outputs for slot, slot_state in taken.items() if slot_state.member.start}
        if kept:
            outputs = np.array(outputs)
            chunks, _, rows, width = outputs.shape
            for slot, values in kept.items():
                padded = np.zeros((chunks * rows, width), np.float32)
                padded[: len(values)] = values
                outputs[:, slot] = padded.reshape(chunks, rows, width)
        return keras.ops.convert_to_tensor(outputs)

    def _prepare(self, slot_state: SlotState) -> tuple[Arrays, Arrays]:
        """State and constants of a member without the slot axis."""
        member, shape, start = slot_state.member, self.shape, slot_state.member.start
        parameters, moving = _split(pack(slot_state.weights, member.network, shape))
        best, best_moving = _split(pack(start.best, member.network, shape)) if start else (parameters, moving)
        blank = {name: np.zeros_like(value) for name, value in parameters.items()}
        kept = (start.first, start.second) if start else ({}, {})
        moments = [
            blank | pack(part, member.network, shape, identity=False) if held else {}
            for part, held in zip(kept, (shape.first_moment, shape.second_moment), strict=True)
        ]
        state = {
            **dict(zip(_LEARNER, (parameters, *moments, moving, best, best_moving), strict=True)),
            "best_loss": np.float32(start.best_loss if start else np.inf),
            "reference": np.float32(start.reference if start else np.inf),
            "wait": np.int32(start.waited if start else 0),
        }
        patience = _NEVER if self._stopping.patience is None else self._stopping.patience
        return state, constants(member, shape, patience, self._stopping.min_delta)

    def advance(self, program: Callable[..., tuple[Arrays, Arrays]], data: Arrays) -> None:
        """Trains all slots for one call and records the results."""
        began = time.perf_counter()
        shape = self.shape
        rows = np.zeros((shape.epochs, shape.steps, shape.slots, shape.rows), np.int32)
        steps = np.empty((shape.epochs, shape.steps, shape.slots, len(FROZEN) + 1), np.float32)
        steps[...] = np.append(FROZEN, 0.0)
        first_step, slot_steps, remaining = (np.zeros(shape.slots, np.int32) for _ in range(3))
        for slot, slot_state in self.occupied.items():
            member = slot_state.member
            size, per_epoch, total = member.network.batch_size, member.steps, member.fold.train_rows
            count = min(shape.epochs, member.epochs - slot_state.epoch)
            first_step[slot], slot_steps[slot], remaining[slot] = slot_state.epoch * per_epoch, per_epoch, count
            if not per_epoch:  # nothing to train on: an epoch only evaluates the validation rows
                continue
            steps[:count, :per_epoch, slot, :-1] = schedule(member, slot_state.epoch, count)
            steps[:count, : per_epoch - 1, slot, -1] = size
            steps[:count, per_epoch - 1, slot, -1] = total - (per_epoch - 1) * size
            for e in range(count):
                order = np.zeros(per_epoch * size, np.int32)
                order[:total] = epoch_order(member.seed, slot_state.epoch + e, total)
                rows[e, :per_epoch, slot, :size] = order.reshape(per_epoch, size) + member.fold.train_start
        calendar = {
            "rows": rows.reshape(-1, *rows.shape[2:]),
            "steps": steps.reshape(-1, *steps.shape[2:]),
            "first_step": first_step,
            "slot_steps": slot_steps,
            "remaining": remaining,
            "num_steps": np.int32(slot_steps.max()),
            "num_epochs": np.int32(remaining.max()),
        }
        self._state, history = program(
            self._state, self._members, _map(keras.ops.convert_to_tensor, [calendar])[0], data
        )
        held = {name: np.asarray(value) for name, value in history.items()}
        for slot, slot_state in self.occupied.items():
            trained = int(held["trained"][:, slot].sum())
            slot_state.curve += [float(loss) for loss in held["validation"][:trained, slot]]
            slot_state.train_curve += [float(loss) for loss in held["train"][:trained, slot]]
            stopped = trained < remaining[slot] or not np.isfinite(slot_state.curve[-1])
            slot_state.ended = stopped or slot_state.epoch >= slot_state.member.epochs
        waited = np.asarray(self._state["wait"])
        patience = self._stopping.patience
        share = (time.perf_counter() - began) / len(self.occupied)
        for slot, slot_state in self.occupied.items():
            slot_state.ended = slot_state.ended or (patience is not None and bool(waited[slot] >= patience))
            slot_state.seconds += share

    def leave(self) -> dict[int, tuple[Snapshot, float, float]]:
        """Frees the slots of members that have ended; returns their results, seconds and start times by position."""
        slots = [slot for slot, slot_state in self.occupied.items() if slot_state.ended]
        if not slots:
            return {}
        index = np.array(slots, np.int32)
        outputs = np.asarray(keras.ops.take(self._state["best_outputs"], index, axis=1))
        state = {part: self._state[part] for part in (*_LEARNER, *_WAITING)}
        gather = current_backend().gather  # `keras.ops.take` is ten operations where it runs eagerly
        held = _map(lambda value: np.asarray(gather(value, index)), [state])[0]
        outcomes = {}
        for k, slot in enumerate(slots):
            slot_state = self.occupied.pop(slot)
            member = slot_state.member
            mine = {part: {name: value[k] for name, value in held[part].items()} for part in _LEARNER}
            best_loss, reference, waited = (held[name][k].item() for name in _WAITING)
            trainable = {name: value for name, value in slot_state.weights.items() if not name.endswith(_MOVING)}
            blank = {name: np.zeros_like(value) for name, value in trainable.items()}

            def cut(arrays: Arrays, names: Weights, member: PopulationMember = member) -> dict[str, Array]:
                return unpack(arrays, names, member.network, self.shape)

            snapshot = Snapshot(
                weights=cut(mine["parameters"] | mine["moving"], slot_state.weights),
                first=cut(mine["first"], trainable) if self.shape.first_moment else blank,
                second=cut(mine["second"], trainable) if self.shape.second_moment else blank,
                best=cut(mine["best"] | mine["best_moving"], slot_state.weights),
                outputs=outputs[:, k].reshape(-1, self.shape.num_outputs)[: member.fold.validation_rows],
                best_loss=best_loss,
                reference=reference,
                waited=waited,
                train_curve=tuple(slot_state.train_curve),
                curve=tuple(slot_state.curve),
            )
            outcomes[slot_state.position] = snapshot, slot_state.seconds, slot_state.began
        return outcomes

    def move_to(self, shape: ProgramShape) -> _Slots:
        """The same members in the slots of a smaller program."""
        running = _Slots(shape, self._stopping)
        slots = list(self.occupied)
        index = np.array((slots + slots[:1] * shape.slots)[: shape.slots], np.int32)
        outputs = keras.ops.take(self._state.pop("best_outputs"), index, axis=1)
        running._state, running._members = _map(
            lambda value: keras.ops.take(value, index, axis=0), [self._state, self._members]
        )
        running._state["best_outputs"] = outputs
        running.occupied = {k: self.occupied[slot] for k, slot in enumerate(slots)}
        return running


def _split(packed: Arrays) -> tuple[Arrays, Arrays]:
    """Trained variables and moving statistics."""
    moving = {name: value for name, value in packed.items() if name.endswith(_MOVING)}
    return {name: value for name, value in packed.items() if name not in moving}, moving


def _stack(each: list[Arrays]) -> Arrays:
    """Nested dictionaries of arrays, stacked along a new first axis."""
    return _map(lambda *values: np.stack(values), *[[one] for one in each])[0]


def _map(function: Callable[..., Any], *trees: list[Arrays]) -> list[Arrays]:
    """The function applied to the corresponding leaves of lists of nested dictionaries."""

    def walk(*nodes: Any) -> Any:
        if isinstance(nodes[0], dict):
            return {name: walk(*(node[name] for node in nodes)) for name in nodes[0]}
        return function(*nodes)

    return [walk(*nodes) for nodes in zip(*trees, strict=True)]
