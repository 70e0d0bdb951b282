"""`PreparedData`: numeric arrays ready for a network, and the description of the task. Does not import pandas.

The driver prepares the data once and writes them to the run directory as `data.npz` (no pickle); worker processes read
them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from evonas.data.cells import is_utf8
from evonas.data.columns import ColumnPlan
from evonas.data.encoding.preprocessor import UNLESS_ROBUST, Preparation, is_visible
from evonas.data.encoding.read import preparation_from_json
from evonas.data.inputs import Inputs, named_arrays, num_rows
from evonas.data.neighbours import NeighbourFeatures, NeighbourPreparation, marks_of, names_of_marks, with_estimates
from evonas.data.pretrained import PretrainedNetwork
from evonas.data.raw_rows import pack_rows, unpack_rows
from evonas.data.stored_splits import check_outputs, check_split, check_target
from evonas.io.npz import read_arrays
from evonas.machine import data_bytes
from genomes.architecture.embedding import with_columns
from genomes.architecture.graph import views_of
from genomes.codec import check_weight
from genomes.errors import InputError

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["FEW_SERIES", "PreparedData", "Problem", "Split", "check_labels", "labels_of", "whole_numbers"]

Array = NDArray[np.float32]

#: Minimum size in bytes, and as a share of the free memory, of arrays of images, series and texts that are read from
#: disk during training: the system caches what fits into memory, once for all processes.
MAPPED_BYTES, MAPPED_SHARE = 1 << 30, 1 / 4
#: Number of series up to which a fifth of them is too small a validation part: one error in 40 is 2.5 points. They are
#: validated by cross-validation, without a test part unless requested.
FEW_SERIES = 256
_INPUTS = ("x_train", "x_validation")
_DONOR = "donor/"


@dataclass(frozen=True)
class Problem:
    """The description of a prediction task.

    Attributes:
        task: "regression", "binary" or "multiclass".
        num_features: width of the network's input.
        num_outputs: width of the network's output: number of targets for regression, 1 for binary, number of classes
            for multiclass.
        target_mean, target_std: statistics of each regression target on the training split; networks train on `(target
            - mean) / std`, predictions and scores are in the original units. Empty for classification.
        classes: labels in the order of the network's outputs, as text; empty for regression.
        feature_names: names of the network's input columns, shape `(num_features,)`.
        target_names: names of the predicted columns.
        input_shapes: shape of a sample in each array that a user-defined model takes; empty for a table, whose rows
            have shape `(num_features,)`.
        metric, direction: optimised metric, if it is not one of `evonas.objective.METRICS`, and "min" or "max", see
            `evonas.metrics.named`. Scores then include it.
        views: for each feature, the networks that use it: "standard" for all, an encoding in
            `genomes.architecture.layers.NUMERIC_ENCODINGS` for those with this encoding, or "unless robust" for all
            except those that use the robust encoding instead. Shape `(num_features,)`; empty if all networks see all
            features. Neighbour features have the marks of `neighbours_view`.
        numeric: for each feature, the index of its numeric column, or -1, shape `(num_features,)`; empty if unknown,
            and in runs of older versions.
        categorical: for each feature, the index of its categorical column, or -1, shape `(num_features,)`; empty if
            there are none, and in runs of older versions.
        label_type: original type of the labels: "text", "integer", "number" or "boolean"; empty for regression, and in
            runs of older versions.
        quantiles: quantiles that the outputs predict, ascending; empty if they predict means. The target, its mean and
            std are repeated for each quantile.
        sample_shape: shape of a sample before it is flattened to `num_features`: (height, width, channels) for images,
            (steps, channels) for series, (tokens,) for texts; empty for tables.
        vocabulary: number of token ids, if the features are the ids of a text (0 is padding, 1 an unknown word); 0 if
            features are numbers.
        masked: whether series have different lengths: the last channel is then 1 for steps of the series, and padding
            at the end is 0 in all channels.
    """

    task: str
    num_features: int
    num_outputs: int
    target_mean: tuple[float, ...] = ()
    target_std: tuple[float, ...] = ()
    classes: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    input_shapes: tuple[tuple[int, ...], ...] = ()
    metric: str = ""
    direction: str = ""
    views: tuple[str, ...] = ()
    label_type: str = ""
    quantiles: tuple[float, ...] = ()
    numeric: tuple[int, ...] = ()
    sample_shape: tuple[int, ...] = ()
    vocabulary: int = 0
    masked: bool = False
    categorical: tuple[int, ...] = ()

    def view(self, numbers: str, *marks: str) -> tuple[str, ...]:
        """The view of networks with these `numbers` ("standard" if the data lack this encoding) and neighbours."""
        return (numbers if numbers in self.views else "standard", *marks)

    def columns(self, *views: str) -> list[int]:
        """Indices of the existing features that networks with these views see."""
        return visible_columns(self.views, self.num_features, *views)

    def absent(self, *views: str) -> list[str]:
        """The neighbour marks among the views whose features have not been added yet."""
        return [mark for mark in marks_of(views) if mark not in self.views]

    def for_views(self, *views: str) -> Problem:
        """The problem as networks with these views (numeric encodings and neighbour marks) see it."""
        marks = self.absent(*views)
        indices = self.columns(*views) if self.views or marks else range(self.num_features)  # no list of many pixels
        if len(indices) == self.num_features and not marks:
            return self
        new = [mark for mark in marks for _ in range(self.num_outputs)]
        names = [self.feature_names[index] for index in indices] if self.feature_names else []
        kept = [self.views[index] for index in indices] if self.views else ["standard"] * len(indices)
        if "robust" not in kept:
            kept = ["standard" if view == UNLESS_ROBUST else view for view in kept]
        numeric, categorical = (
            (*(columns[index] for index in indices), *(-1 for _ in new)) if columns else ()
            for columns in (self.numeric, self.categorical)
        )
        return replace(
            self,
            num_features=len(indices) + len(new),
            feature_names=(*names, *names_of_marks(marks, self)),
            views=(*kept, *new),
            numeric=numeric,
            categorical=categorical,
        )

    def attach_columns(self, graph: nx.DiGraph) -> nx.DiGraph:
        """Annotates the graph with the numeric or categorical column of each feature that its network sees, and with
        the shape of a sample if it has several axes, and returns it.

        Raises:
            InputError: the network embeds numeric columns or categories, but the data have none.
        """
        seen = self.for_views(*views_of(graph))
        if self.sample_shape:
            graph.graph["sample"] = (self.sample_shape, self.masked)
        return with_columns(graph, seen.numeric, seen.views, seen.categorical)


def visible_columns(views: Sequence[str], num_features: int, *numbers: str) -> list[int]:
    """Indices of the features that networks with these views see, with `views` as in `Problem`."""
    if not views:
        return list(range(num_features))
    return [index for index, view in enumerate(views) if is_visible(view, numbers)]


def check_labels(classes: Sequence[str], label_type: str) -> None:
    """Raises ValueError unless the labels, which may come from any file, are distinct texts of that type."""
    if len(set(classes)) < len(classes) or not all(map(is_utf8, classes)):
        raise ValueError("class labels must be distinct texts encodable as UTF-8")
    if label_type not in ("", "text", "integer", "number", "boolean"):
        raise ValueError(f"{label_type!r:.40} is not a label type")
    if label_type in ("integer", "number"):
        for name in classes:
            int(name) if label_type == "integer" else float(name)


def labels_of(problem: Problem) -> NDArray[Any]:
    """The labels in their original type, in the order of the network's outputs, `(num_classes,)`."""
    names, kind = problem.classes, problem.label_type
    if kind == "boolean":
        return np.array([name == "True" for name in names])
    if kind == "number":
        return np.array([float(name) for name in names])
    if kind == "integer":
        values = [int(name) for name in names]
        fits = all(-(1 << 63) <= value < 1 << 63 for value in values)
        return np.array(values, np.int64 if fits else object)
    return np.array(names if kind else whole_numbers(names) or names)


def whole_numbers(classes: Sequence[str]) -> list[int]:
    """The labels as integers if all of them are integers of at most 9 digits; else empty."""
    numbers = [int(name) for name in classes if name.lstrip("-").isdecimal() and len(name) < 10]
    return numbers if list(map(str, numbers)) == list(classes) else []


@dataclass(frozen=True, eq=False)
class Split:
    """A prepared training part and validation part.

    Attributes:
        x_train, x_validation: float32, shape `(num_samples, num_features)`; for user-defined models also arrays of any
            shape and type, see `evonas.data.inputs`.
        y_train, y_validation: float32 `(num_samples, num_outputs)` standardised targets for regression, float32
            `(num_samples, 1)` of 0 and 1 for binary, int32 `(num_samples,)` class indices for multiclass.
        weight_train: float32 `(num_samples,)` sample weights including class weights, or None for all ones.
    """

    x_train: Inputs
    y_train: NDArray[Any]
    x_validation: Inputs
    y_validation: NDArray[Any]
    weight_train: Array | None = None


@dataclass(frozen=True, eq=False)
class PreparedData:
    """Everything that training and scoring need.

    Attributes:
        problem: description of the task.
        splits: one split, or one per cross-validation fold.
        x_test, y_test: the part that a search never sees, encoded as in `Split`; None if there is none.
        fingerprint: hexadecimal digest of the rows, the target and the preparation; equal data have equal fingerprints.
        notes: messages for the user about the data, one line each.
        preparation: conversion of raw rows to the features of `x_test` and of the first split, fitted on its training
            rows. Each cross-validation fold is encoded by a separate fit.
        raw: the first split's validation rows and the test rows as an exported model takes them (`Preparation.inputs`),
            under "validation" and "test"; empty if they were not kept.
        pretrained: trained network from whose layers all networks start; None for random initial weights.
        plan: the role of each column of a table; not kept in files.
    """

    problem: Problem
    splits: tuple[Split, ...]
    x_test: Inputs | None = None
    y_test: NDArray[Any] | None = None
    fingerprint: str = ""
    notes: tuple[str, ...] = field(default=())
    preparation: Preparation | None = None
    pretrained: PretrainedNetwork | None = None
    raw: Mapping[str, Inputs] = field(default_factory=dict)
    plan: ColumnPlan | None = None

    @property
    def refits(self) -> bool:
        """Whether a network's final weights are trained on all rows, as for few series with cross-validation.

        The networks of the folds are scored.
        """
        rows = len(self.splits[0].y_train) + len(self.splits[0].y_validation)
        return len(self.splits) > 1 and len(self.problem.sample_shape) == 2 and rows <= FEW_SERIES

    def for_views(
        self, *views: str, neighbours: NeighbourFeatures | None = None, training: bool = True
    ) -> PreparedData:
        """The data as networks with these views see them: without other features, and with neighbour features.

        Args:
            views: numeric encodings and neighbour marks.
            neighbours: neighbour features of these data, by default computed here.
            training: whether to include training rows, whose neighbour features take the longest to compute.
        """
        if not training and self.problem.absent(*views):
            features = neighbours or NeighbourFeatures(self)
            return self._without_training_rows().for_views(*views, neighbours=features)
        problem, indices = self.problem.for_views(*views), self.problem.columns(*views)
        if problem is self.problem:
            return self

        def cut(x: Any) -> Any:
            return None if x is None else np.ascontiguousarray(x[:, indices])

        splits = (replace(s, x_train=cut(s.x_train), x_validation=cut(s.x_validation)) for s in self.splits)
        preparation = None if self.preparation is None else self.preparation.for_views(views)
        found = replace(self, splits=tuple(splits), x_test=cut(self.x_test), preparation=preparation, problem=problem)
        marks = self.problem.absent(*views)
        return found._with_neighbours(marks, neighbours or NeighbourFeatures(self)) if marks else found

    def new_rows(self, x: Inputs, *views: str, fold: int = 0) -> NDArray[Any]:
        """Rows that are no training rows of the fold, encoded like `x_test`, as networks with these views see them."""
        columns, rows = self.problem.columns(*views), np.asarray(x)
        rows = rows if len(columns) == rows.shape[1] else rows[:, columns]  # a copy may not fit in memory
        regressions = [NeighbourFeatures(self).regression(mark, fold) for mark in self.problem.absent(*views)]
        return with_estimates(rows, np.asarray(x), self.problem, regressions)

    def _without_training_rows(self) -> PreparedData:
        splits = (replace(s, x_train=s.x_train[:0], y_train=s.y_train[:0], weight_train=None) for s in self.splits)
        return replace(self, splits=tuple(splits))

    def _with_neighbours(self, marks: Sequence[str], features: NeighbourFeatures) -> PreparedData:
        splits = tuple(features.split(split, marks, fold) for fold, split in enumerate(self.splits))
        x_test = None if self.x_test is None else features.beside(self.x_test, marks, 0, "test")
        return replace(self, splits=splits, x_test=x_test, preparation=self._preparation_with(marks, features))

    def preparation_of(self, *views: str) -> Preparation | None:
        """The conversion of raw rows to the features that networks with these views see."""
        marks, features = self.problem.absent(*views), NeighbourFeatures(self)
        seen = None if self.preparation is None else self.preparation.for_views(views)
        return replace(self, preparation=seen)._preparation_with(marks, features)

    def _preparation_with(self, marks: Sequence[str], features: NeighbourFeatures) -> Preparation | None:
        if self.preparation is None or not marks:
            return self.preparation
        return NeighbourPreparation.from_preparation(self.preparation, map(features.regression, marks), self.problem)

    def save(self, path: Path) -> None:
        """Writes one `.npz` file of plain arrays and a JSON text, which cannot contain code."""
        arrays: dict[str, NDArray[Any]] = {}
        parts = [(f"split_{number}", split) for number, split in enumerate(self.splits)]
        for place, split in parts:
            for name in ("y_train", "y_validation", "weight_train"):
                if (value := getattr(split, name)) is not None:
                    arrays[f"{place}/{name}"] = value
        inputs = [(f"{place}/{name}", getattr(split, name)) for place, split in parts for name in _INPUTS]
        if self.x_test is not None and self.y_test is not None:
            inputs.append(("x_test", self.x_test))
            arrays["y_test"] = self.y_test
        for place, x in inputs:
            several = isinstance(x, (tuple, Mapping))
            for number, part in enumerate(named_arrays(x).values()):
                arrays[f"{place}/{number}" if several else place] = part
        about: dict[str, Any] = {"problem": asdict(self.problem), "splits": len(self.splits)}
        about |= {"fingerprint": self.fingerprint, "notes": list(self.notes)}
        # For several arrays: their names, or their number.
        first = self.splits[0].x_train
        about["inputs"] = list(first) if isinstance(first, Mapping) else len(first) if isinstance(first, tuple) else 0
        about["raw"] = {}
        for name, rows in self.raw.items():
            found, about["raw"][name] = pack_rows(rows, f"raw/{name}")
            arrays |= found
        about["preparation"] = None if self.preparation is None else self.preparation.to_json()
        about["donor"] = None if self.pretrained is None else self.pretrained.about()
        if self.pretrained is not None:
            arrays |= {f"{_DONOR}{name}": value for name, value in self.pretrained.weights.items()}
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        with path.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> PreparedData:
        """Reads a file written by `save`.

        Raises:
            InputError: the file is missing, damaged or not such a file.
        """
        try:
            text = read_arrays(path, only=("about",))["about"].tobytes().decode()
            check_weight(text, "their description")
            about = json.loads(text)
            is_shaped = bool(about["problem"].get("sample_shape"))
            arrays = read_arrays(path, mapped_from=min(MAPPED_BYTES, data_bytes(MAPPED_SHARE)) if is_shaped else None)
            return cls._from_arrays(arrays, about)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error).splitlines()[0]
            raise InputError(f"{path} must be prepared data that evonas saved, but {what}: prepare it again") from None

    @classmethod
    def _from_arrays(cls, arrays: dict[str, NDArray[Any]], about: dict[str, Any]) -> PreparedData:
        names = about.get("inputs") or 0

        def inputs(place: str) -> Inputs:
            if isinstance(names, list):
                return {str(name): arrays[f"{place}/{number}"] for number, name in enumerate(names)}
            return tuple(arrays[f"{place}/{number}"] for number in range(names)) if names else arrays[place]

        problem = TypeAdapter(Problem).validate_python(about["problem"])
        check_labels(problem.classes, problem.label_type)
        check_outputs(problem)
        if len(problem.views) not in (0, problem.num_features):
            raise ValueError(f"{len(problem.views)} views do not match {problem.num_features} features")
        for columns in (problem.numeric, problem.categorical):
            if len(columns) not in (0, problem.num_features):
                raise ValueError(f"{len(columns)} columns do not match {problem.num_features} features")
        splits = []
        for place in (f"split_{number}" for number in range(min(about["splits"], len(arrays)))):
            x_train, x_validation = (inputs(f"{place}/{name}") for name in _INPUTS)
            y_train, y_validation = arrays[f"{place}/y_train"], arrays[f"{place}/y_validation"]
            split = Split(x_train, y_train, x_validation, y_validation, arrays.get(f"{place}/weight_train"))
            splits.append(check_split(split, problem))
        if "y_test" in arrays:
            check_target(arrays["y_test"], problem)
        given = {name.removeprefix(_DONOR): value for name, value in arrays.items() if name.startswith(_DONOR)}
        raw = {part: unpack_rows(arrays, f"raw/{part}", columns) for part, columns in about.get("raw", {}).items()}
        for part, y in {"validation": splits[0].y_validation, "test": arrays.get("y_test")}.items():
            if part in raw and (y is None or num_rows(raw[part]) != len(y)):
                raise ValueError(f"raw rows of {part} are not those of its target")
        return cls(
            problem=problem,
            raw=raw,
            splits=tuple(splits),
            x_test=inputs("x_test") if "y_test" in arrays else None,
            y_test=arrays.get("y_test"),
            fingerprint=str(about["fingerprint"]),
            notes=tuple(map(str, about["notes"])),
            preparation=None if about["preparation"] is None else preparation_from_json(about["preparation"]),
            pretrained=None if about.get("donor") is None else PretrainedNetwork.from_arrays(about["donor"], given),
        )
