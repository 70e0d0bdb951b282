"""`PreparedData`: numeric arrays ready for a network, and what is known of the task. Imports no pandas.

The driver prepares it once, writes it to the run directory as `data.npz` (no pickle), and the worker process reads it.
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
from genomes.architecture.embedding import with_columns
from genomes.architecture.graph import views_of
from genomes.codec import check_weight
from genomes.errors import InputError

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["FEW_SERIES", "PreparedData", "Problem", "Split", "check_labels", "labels_of", "whole_numbers"]

Array = NDArray[np.float32]

#: Arrays of images, series and texts from this many bytes on are read from the disk while networks train: the system
#: keeps in memory what it has room for, once for all processes.
MAPPED_BYTES = 1 << 30
#: Series up to which a fifth of them says next to nothing of a network: one of 40 that is wrong is 2.5 points. They are
#: validated in folds, all of them, and none are held out for a test that nobody asked for.
FEW_SERIES = 256
_INPUTS = ("x_train", "x_validation")
_DONOR = "donor/"


@dataclass(frozen=True)
class Problem:
    """What is predicted.

    Attributes:
        task: "regression", "binary" or "multiclass".
        num_features: width of the network's input.
        num_outputs: width of the network's output: targets of a regression, 1 for binary, classes for multiclass.
        target_mean, target_std: of each regression target on the training split; networks train on
            `(target - mean) / std`, predictions and scores are in the target's own units. Empty for classification.
        classes: labels in the order of the network's outputs, as text; empty for regression.
        feature_names: of the network's input columns, shape `(num_features,)`.
        target_names: of the predicted columns.
        input_shapes: of one sample, of each array that user-defined models takes; empty for a table, whose rows have
            shape `(num_features,)`.
        metric, direction: what is optimised, if it is none of `evonas.objective.METRICS`, and "min" or "max": see
            `evonas.metrics.named`. Scores then have it too.
        views: of each feature, which networks use it: "standard" for all, else the encoding in
            `genomes.architecture.layers.NUMERIC_ENCODINGS` whose networks use it too, or "unless robust": all but those
            that use the robust encoding instead. Shape `(num_features,)`; empty if all
            see all. Where networks see neighbours, their features have the marks of `neighbours_view`.
        numeric: of each feature, the number of the numeric column whose it is, -1 if it is of none, shape
            `(num_features,)`; empty if unknown, and in runs of older versions.
        categorical: of each feature, the number of the categorical column whose it is, -1 if it is of none, shape
            `(num_features,)`; empty if there is none, and in runs of an older evonas.
        label_type: of the labels as they were given: "text", "integer", "number" or "boolean"; empty for a regression,
            and in runs of an older evonas.
        quantiles: that the outputs are, rising; empty if they are means. The target, its mean and std are then there
            once for each of them.
        sample_shape: of one sample before it is flattened to `num_features`: (height, width, channels) of an image,
            (steps, channels) of a series, (tokens,) of a text; empty if rows are columns of a table.
        vocabulary: number of token ids of a text, whose features are these ids (0 is padding, 1 a word that is not
            known); 0 if features are numbers.
        masked: whether samples of a series are of several lengths: the last channel is then 1 if a step is there,
            and a step that is not is 0 in all channels, at the end.
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
        """The view of networks with these `numbers`, "standard" where the data have no such form, and neighbours."""
        return (numbers if numbers in self.views else "standard", *marks)

    def columns(self, *views: str) -> list[int]:
        """Positions of the features that networks of these views see, of those that are there."""
        return visible_columns(self.views, self.num_features, *views)

    def absent(self, *views: str) -> list[str]:
        """The marks of neighbours among the views whose features are not there yet."""
        return [mark for mark in marks_of(views) if mark not in self.views]

    def for_views(self, *views: str) -> Problem:
        """The problem as networks of these views see it: forms of `numbers`, and marks of neighbours."""
        places, marks = self.columns(*views), self.absent(*views)
        if len(places) == self.num_features and not marks:
            return self
        new = [mark for mark in marks for _ in range(self.num_outputs)]
        names = [self.feature_names[place] for place in places] if self.feature_names else []
        kept = [self.views[place] for place in places] if self.views else ["standard"] * len(places)
        if "robust" not in kept:
            kept = ["standard" if view == UNLESS_ROBUST else view for view in kept]
        numeric, categorical = (
            (*(columns[place] for place in places), *(-1 for _ in new)) if columns else ()
            for columns in (self.numeric, self.categorical)
        )
        return replace(
            self,
            num_features=len(places) + len(new),
            feature_names=(*names, *names_of_marks(marks, self)),
            views=(*kept, *new),
            numeric=numeric,
            categorical=categorical,
        )

    def attach_columns(self, graph: nx.DiGraph) -> nx.DiGraph:
        """The graph itself, told of which numeric column or categories the features are that its network sees, and
        of the shape of a sample where it has one.

        Raises:
            InputError: its network embeds numeric columns or categories, and the data have none.
        """
        seen = self.for_views(*views_of(graph))
        if self.sample_shape:
            graph.graph["sample"] = (self.sample_shape, self.masked)
        return with_columns(graph, seen.numeric, seen.views, seen.categorical)


def visible_columns(views: Sequence[str], num_features: int, *numbers: str) -> list[int]:
    """Positions of the features that networks of these views see, with `views` as in `Problem`."""
    if not views:
        return list(range(num_features))
    return [index for index, view in enumerate(views) if is_visible(view, numbers)]


def check_labels(classes: Sequence[str], label_type: str) -> None:
    """Raises ValueError for labels that are not different texts of that type, whoever wrote them."""
    if len(set(classes)) < len(classes) or not all(map(is_utf8, classes)):
        raise ValueError("class labels must be distinct texts encodable as UTF-8")
    if label_type not in ("", "text", "integer", "number", "boolean"):
        raise ValueError(f"{label_type!r:.40} is no type of labels")
    if label_type in ("integer", "number"):
        for name in classes:
            int(name) if label_type == "integer" else float(name)


def labels_of(problem: Problem) -> NDArray[Any]:
    """The labels in the type that they were given in, in the order of the network's outputs, `(num_classes,)`."""
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
    """The labels as numbers, if all of them are whole numbers of at most 9 digits; else empty."""
    numbers = [int(name) for name in classes if name.lstrip("-").isdecimal() and len(name) < 10]
    return numbers if list(map(str, numbers)) == list(classes) else []


@dataclass(frozen=True, eq=False)
class Split:
    """One training and one validation part, prepared.

    Attributes:
        x_train, x_validation: float32, shape `(num_samples, num_features)`; for user-defined models also arrays of any
            shape and type, see `evonas.data.inputs`.
        y_train, y_validation: float32 `(num_samples, num_outputs)` standardised targets for regression,
            float32 `(num_samples, 1)` of 0 and 1 for binary, int32 `(num_samples,)` class numbers for multiclass.
        weight_train: float32 `(num_samples,)` sample weights (class weights multiplied in), or None for all ones.
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
        problem: what is predicted.
        splits: one split, or one a fold of a cross-validation.
        x_test, y_test: the part that a search never sees, coded as in `Split`; None when there is none.
        fingerprint: hexadecimal digest of the rows, the target and the preparation; equal data have equal fingerprints.
        notes: one line for each column that is not used unchanged.
        preparation: the way from raw rows to the features of `x_test` and of the first split, fitted on its training
            rows. Under cross-validation each fold is coded by a fit of its own.
        raw: the first split's validation rows and the test rows as an exported model takes them
            (`Preparation.inputs`), by the names "validation" and "test"; empty if they were not kept.
        pretrained: a trained network whose layers all networks start from; None when they start from their seeds alone.
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
        """Whether a network's weights are those of a training on all rows: of few series in folds.

        What is scored are the folds' networks.
        """
        rows = len(self.splits[0].y_train) + len(self.splits[0].y_validation)
        return len(self.splits) > 1 and len(self.problem.sample_shape) == 2 and rows <= FEW_SERIES

    def for_views(
        self, *views: str, neighbours: NeighbourFeatures | None = None, training: bool = True
    ) -> PreparedData:
        """The data as networks of these views see them: without the other features, and with those of neighbours.

        Args:
            views: forms of `numbers`, and marks of neighbours.
            neighbours: gives their features, of these data; recomputed when None.
            training: whether training rows are needed, whose neighbours take the longest; else there are none.
        """
        if not training and self.problem.absent(*views):
            features = neighbours or NeighbourFeatures(self)
            return self._without_training_rows().for_views(*views, neighbours=features)
        problem, places = self.problem.for_views(*views), self.problem.columns(*views)
        if problem is self.problem:
            return self

        def cut(x: Any) -> Any:
            return None if x is None else np.ascontiguousarray(x[:, places])

        splits = (replace(s, x_train=cut(s.x_train), x_validation=cut(s.x_validation)) for s in self.splits)
        preparation = None if self.preparation is None else self.preparation.for_views(views)
        found = replace(self, splits=tuple(splits), x_test=cut(self.x_test), preparation=preparation, problem=problem)
        marks = self.problem.absent(*views)
        return found._with_neighbours(marks, neighbours or NeighbourFeatures(self)) if marks else found

    def new_rows(self, x: Inputs, *views: str) -> NDArray[Any]:
        """Rows that are not training rows, coded as `x_test`, as networks of these views see them."""
        rows = np.asarray(x)[:, self.problem.columns(*views)]
        regressions = [NeighbourFeatures(self).regression(mark) for mark in self.problem.absent(*views)]
        return with_estimates(rows, np.asarray(x), self.problem, regressions)

    def _without_training_rows(self) -> PreparedData:
        splits = (replace(s, x_train=s.x_train[:0], y_train=s.y_train[:0], weight_train=None) for s in self.splits)
        return replace(self, splits=tuple(splits))

    def _with_neighbours(self, marks: Sequence[str], features: NeighbourFeatures) -> PreparedData:
        splits = tuple(features.split(split, marks, fold) for fold, split in enumerate(self.splits))
        x_test = None if self.x_test is None else features.beside(self.x_test, marks, 0, "test")
        return replace(self, splits=splits, x_test=x_test, preparation=self._preparation_with(marks, features))

    def preparation_of(self, *views: str) -> Preparation | None:
        """The way from raw rows to what networks of these views see; that of `seen`, without its features."""
        marks, features = self.problem.absent(*views), NeighbourFeatures(self)
        seen = None if self.preparation is None else self.preparation.for_views(views)
        return replace(self, preparation=seen)._preparation_with(marks, features)

    def _preparation_with(self, marks: Sequence[str], features: NeighbourFeatures) -> Preparation | None:
        if self.preparation is None or not marks:
            return self.preparation
        return NeighbourPreparation.from_preparation(self.preparation, map(features.regression, marks), self.problem)

    def save(self, path: Path) -> None:
        """Writes one `.npz` file (plain arrays and one JSON text; nothing that could run code)."""
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
        # Of several arrays: their names, or their number.
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
        """Reads what `save` wrote.

        Raises:
            InputError: the file is missing, damaged or something else.
        """
        try:
            text = read_arrays(path, only=("about",))["about"].tobytes().decode()
            check_weight(text, "what they say of themselves")
            about = json.loads(text)
            is_shaped = bool(about["problem"].get("sample_shape"))
            arrays = read_arrays(path, mapped_from=MAPPED_BYTES if is_shaped else None)
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
