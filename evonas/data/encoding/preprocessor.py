"""`Preparation`: the fitted conversion of raw columns to a network's input, as a plain value.

Statistics are fitted on training rows only (`fit.py`). Applying it needs neither scikit-learn nor a pickle. Imports
pandas inside functions only.
"""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from evonas.data.cells import date_parts, date_texts, flags, seconds, texts
from evonas.data.encoding.bag_of_words import BagOfWords
from evonas.data.encoding.logarithm import Logarithm
from evonas.data.encoding.periodic import Periodic
from evonas.data.encoding.piecewise import PiecewiseLinear, reader
from evonas.data.encoding.robust import Robust
from evonas.data.frames import plain_column
from evonas.data.read_options import MISSING
from evonas.data.written import Written, convert_column
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["UNLESS_ROBUST", "Categories", "InputKind", "Number", "Preparation", "input_name", "is_visible", "view_of"]

#: Bound to which all scaled numbers are clipped, so that none overflows in float32.
FURTHEST = 1e6
#: Bound of the numbers of a column, in standard deviations of the training rows. A network extrapolates far outside of
#: them, which can double the RMSE of 4,000 rows by one of them (`benchmarks/outliers.py`). By Chebyshev's inequality at
#: most one in 400 training rows is clipped.
BOUND = 20.0

#: View of standardised numbers that also have a robust encoding: visible to all networks except those with only that
#: encoding.
UNLESS_ROBUST = "unless robust"

#: Name of a model's input if the rows are one array.
ARRAY = "columns"
#: Names of other layers of an exported model, including those assigned by Keras with a number appended.
_RESERVED = re.compile(
    r"(features|network|prediction|other|columns|target_units|logit_scale|probability|label|input|absolute|activation|add|argmax|cast"
    r"|clip|concatenate|cos|divide|equal|floor|get_item|greater|isnan|less|log|matmul|maximum|minimum|multiply|negative"
    r"|rescaling|reshape|sign|sin|sort|sqrt|string_lookup|subtract|sum|take|text_vectorization|true_divide|where)(_\d+)?"
)

Positions = NDArray[np.intp]
#: Part of a column -> its kind for the user; all others are dates.
_KINDS = {"number": "numeric", "flag": "yes/no", "present": "present or missing"}
ColumnFeature = Literal["number", "flag", "days", "month", "weekday", "hour", "present"]
#: Type of a raw column as input of a model: float32 with NaN for missing values, or text with "" for missing values.
InputKind = Literal["number", "text"]
DATE_PARTS: tuple[ColumnFeature, ...] = ("days", "month", "weekday", "hour")


@dataclass(frozen=True)
class Number:
    """A number extracted from a column, imputed and scaled: `(value - mean) / std`, with magnitudes up to `bound`.

    Attributes:
        column: name of the raw column.
        part: quantity that is extracted: the number itself, 0 or 1 for a flag, a part of a date, or whether there is a
            value.
        imputed: replacement for missing values.
        mean, std: statistics of the imputed training rows; 0 and 1 for no scaling.
        indicator: whether a second feature indicates missing values.
        form: type of the raw column as input of a model; dates are text.
        bound: maximum magnitude of the scaled number; preparations of older versions have only the default.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    column: str
    part: ColumnFeature
    imputed: float
    mean: float
    std: float
    indicator: bool
    form: InputKind = "number"
    bound: float = FURTHEST

    def __post_init__(self) -> None:
        if self.part in DATE_PARTS:
            object.__setattr__(self, "form", "text")
        numbers = (self.imputed, self.mean, self.std, self.bound)
        if not all(map(math.isfinite, numbers)) or self.std <= 0 or self.bound <= 0:
            raise InputError(
                f"imputed, mean, std and bound of {self.column!r} must be finite, std and bound positive, not "
                f"{numbers}: the preparation was not written by evonas or is damaged"
            )

    def names(self) -> list[str]:
        """Names of the features."""
        name = self.column if self.part in ("number", "flag") else f"{self.column}:{self.part}"
        return [name, f"{name}:missing"] if self.indicator else [name]

    def encode(self, series: pd.Series[Any]) -> NDArray[np.float64]:
        """The features of raw cells, shape `(num_samples, 1 or 2)`."""
        values = _read(series, self.part)
        missing = np.isnan(values)
        with np.errstate(over="ignore"):
            scaled = (np.where(missing, self.imputed, values) - self.mean) / self.std
        scaled = np.clip(scaled, -self.bound, self.bound)
        return np.stack([scaled, missing], axis=1) if self.indicator else scaled[:, None]


@dataclass(frozen=True)
class Categories:
    """One-hot features of a text column.

    Attributes:
        column: name of the raw column.
        categories: values with a separate feature; "" is a missing value.
        other: whether a further, last feature represents every other value (rare in training, or unknown). Without
            it an unknown value is all zeros.
        form: type of the raw column as input of a model.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    column: str
    categories: tuple[str, ...]
    other: bool
    form: InputKind = "text"

    def __post_init__(self) -> None:
        if len(set(self.categories)) < len(self.categories):
            raise InputError(f"categories of {self.column!r} must differ, not {self.categories!r:.80}: leave one out")

    def names(self) -> list[str]:
        """Names of the features."""
        kept = [f"{self.column}={category or '(missing)'}" for category in self.categories]
        return [*kept, f"{self.column}=(other)"] if self.other else kept

    def encode(self, series: pd.Series[Any]) -> NDArray[np.float64]:
        """The features of raw cells, shape `(num_samples, len(names()))`."""
        other = len(self.categories)
        # As in a file, a word for "no value" that is not a category means a missing value.
        places = dict.fromkeys(MISSING, self.categories.index("") if "" in self.categories else other)
        places |= {category: index for index, category in enumerate(self.categories)}
        rows = np.array([places.get(cell or "", other) for cell in texts(series)], dtype=np.intp)
        one_hot = np.eye(other + 1)[rows]
        return one_hot if self.other else one_hot[:, :other]


Step = Number | Categories | PiecewiseLinear | Logarithm | Periodic | Robust | BagOfWords


@dataclass(frozen=True)
class Preparation:
    """The conversion of a table of raw rows to a network's input.

    Attributes:
        steps: encoders of the columns, in the order of the network's input features.
        format: version of the JSON format.
        array: column names, in order, if the rows are a single array; empty for a table with named columns.
        shape: shape of one row of that array, if it has more than one dimension.
        written: notation of the text columns that hold numbers or dates.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    steps: tuple[Step, ...]
    format: Literal[1] = 1
    array: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    written: tuple[Written, ...] = ()

    def __post_init__(self) -> None:
        if self.shape and math.prod(self.shape) != len(self.array):
            raise InputError(
                f"shape of a preparation must have as many values as its array has columns, {len(self.array)}, not "
                f"{self.shape}: use the one that the run wrote"
            )
        if not self.steps:
            raise InputError("a preparation must have at least one step: prepare a table with a usable column")

    def columns(self) -> tuple[str, ...]:
        """Names of the raw columns that `apply` needs."""
        return tuple(dict.fromkeys(step.column for step in self.steps))

    def feature_names(self) -> tuple[str, ...]:
        """Names of the network's input features, shape `(num_features,)`."""
        return tuple(name for step in self.steps for name in step.names())

    def views(self) -> tuple[str, ...]:
        """For each feature, its encoding of `genomes.architecture.layers.NUMERIC_ENCODINGS`; "standard" is visible to
        all networks, and `UNLESS_ROBUST` to all except those with only "robust".
        """
        return tuple(view for step, view in self._steps_with_views() for _ in step.names())

    def numeric(self) -> tuple[int, ...]:
        """For each feature, the index of its numeric column; -1 for all others."""
        places: dict[str, int] = {}
        for step in self.steps:
            if isinstance(step, (PiecewiseLinear, Logarithm, Periodic)) or (
                isinstance(step, Number) and step.part == "number"
            ):
                places.setdefault(step.column, len(places))
        columns = (
            -1 if isinstance(step, (Categories, BagOfWords)) else places.get(step.column, -1) for step in self.steps
        )
        return tuple(column for step, column in zip(self.steps, columns, strict=True) for _ in step.names())

    def categorical(self) -> tuple[int, ...]:
        """For each feature, the index of its categorical column; -1 for all others."""
        places: dict[str, int] = {}
        found: list[int] = []
        for step in self.steps:
            place = places.setdefault(step.column, len(places)) if isinstance(step, Categories) else -1
            found += [place] * len(step.names())
        return tuple(found)

    def for_views(self, views: Collection[str]) -> Preparation:
        """The preparation restricted to the features that networks with these views see."""
        return replace(self, steps=tuple(step for step, view in self._steps_with_views() if is_visible(view, views)))

    def features_of_columns(self, views: Collection[str]) -> dict[str, list[int]]:
        """Raw column -> indices of its features, among those that networks with these views see."""
        found: dict[str, list[int]] = {}
        index = 0
        for step in self.for_views(views).steps:
            width = len(step.names())
            found.setdefault(step.column, []).extend(range(index, index + width))
            index += width
        return found

    def summary(self) -> str:
        """The number and kinds of the columns, for the user."""
        kinds: dict[str, str] = {}
        for step in self.steps:
            if view_of(step) != "standard":
                continue  # of a column that gives its number, too
            if isinstance(step, Number):
                kinds.setdefault(step.column, _KINDS.get(step.part, "date"))
            else:
                kinds.setdefault(step.column, "text" if isinstance(step, BagOfWords) else "categorical")
        counts = ", ".join(f"{count} {kind}" for kind, count in Counter(kinds.values()).most_common())
        return f"{len(kinds):,} column{'s' * (len(kinds) != 1)} to learn from ({counts})"

    def _steps_with_views(self) -> list[tuple[Step, str]]:
        """Each step with its view."""
        robust = {step.column for step in self.steps if isinstance(step, Robust)}
        plain = {step.column for step in self.steps if isinstance(step, Number) and step.part == "number"}

        def view(step: Step) -> str:
            if isinstance(step, Number) and step.part == "number" and step.column in robust:
                return UNLESS_ROBUST
            return "standard" if isinstance(step, Robust) and step.column not in plain else view_of(step)

        return [(step, view(step)) for step in self.steps]

    def apply(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """The network input for raw rows. Needs the columns of `columns()`, in any order; others are ignored.

        Returns:
            The features, float32, shape `(num_samples, num_features)`.

        Raises:
            InputError: a column is missing, or a cell cannot be read in the way that its column was read for training.
        """
        columns = self._columns(frame)
        parts = [step.encode(columns[step.column]) for step in self.steps]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def input_names(self) -> dict[str, str]:
        """Raw column -> name of the model's input for it, which is the column's name if Keras allows it."""
        given: dict[str, str] = {}
        for column in self.columns():
            name = input_name(column)
            while name in given.values():
                name = input_name(f"{name}_")
            given[column] = name
        return given

    def inputs(self, frame: pd.DataFrame) -> Any:
        """Raw rows as an exported model takes them; needs the columns that `apply` needs.

        Returns:
            Name of the input -> the column, shape `(num_samples,)`, float32 with NaN for missing values or text with ""
            for missing values (dates as "2000-12-31 23:59:59", UTC). If the rows are one array, that array, float32,
            shape `(num_samples, num_columns)` or `(num_samples, *shape)`, with zeros in unused columns.

        Raises:
            InputError: see `apply`.
        """
        columns, names = self._columns(frame), self.input_names()
        steps = {step.column: step for step in reversed(self.steps)}
        found = {name: _as_input(columns[name], steps[name]) for name in self.columns()}
        if self.array:
            nothing = np.zeros(len(frame), np.float32)
            rows = np.stack([found.get(name, nothing) for name in self.array], axis=1)
            return rows.reshape(len(rows), *self.shape) if self.shape else rows
        return {names[name]: values for name, values in found.items()}

    def _columns(self, frame: pd.DataFrame) -> dict[str, pd.Series[Any]]:
        known = [str(name) for name in frame.columns]
        places = {name: index for index, name in enumerate(known)}
        for name in self.columns():
            if name not in places:
                close = difflib.get_close_matches(name, known, 3)
                hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "add it (empty cells are imputed)"
                raise InputError(f"the table must have the column {name!r}, not only {', '.join(known[:20])}: {hint}")
        written = {each.column: each for each in self.written}
        found = {name: plain_column(frame.iloc[:, places[name]]) for name in self.columns()}
        return {
            name: convert_column(cells, written[name]) if name in written else cells for name, cells in found.items()
        }

    def takes_text(self) -> bool:
        """Whether a model on the raw columns takes text."""
        return any(step.form == "text" for step in self.steps)

    def dates_of(self, column: str) -> str:
        """The format of a column's dates, see `evonas.data.dates`; "" if the year comes first."""
        return next((each.dates for each in self.written if each.column == column), "")

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Preparation:
        """Reads a preparation from JSON values.

        Raises:
            InputError: the value is not a preparation; the message names the first invalid location.
        """
        import json

        import pydantic

        try:
            text = json.dumps(value)
            return pydantic.TypeAdapter(cls).validate_json(text, strict=True)
        except pydantic.ValidationError as error:
            # A step is validated as each type; the type with the fewest errors is taken as the intended one.
            errors = error.errors()
            branches = Counter(each["loc"][:3] for each in errors)
            first = min(errors, key=lambda each: branches[each["loc"][:3]])
            place = ".".join(map(str, first["loc"])) or "preparation"
            raise InputError(
                f"{place} of a preparation: {first['msg']}, not {first['input']!r:.80}; use the one that the run wrote"
            ) from None


def input_name(column: str) -> str:
    """The name of a model's input for a column, if no other column of the model has a similar name."""
    name = column.replace("/", "_") or "_"
    while _RESERVED.fullmatch(name):
        name += "_"
    return name


def view_of(step: Step) -> str:
    """The encoding of `genomes.architecture.layers.NUMERIC_ENCODINGS` to which a step itself belongs."""
    return step.view if isinstance(step, (PiecewiseLinear, Logarithm, Periodic, Robust)) else "standard"


def is_visible(view: str, numbers: Collection[str]) -> bool:
    """Whether networks with these views ("standard" if empty) see the features of a view.

    Networks with only the robust encoding see it instead of the standardised number; neighbours use the latter.
    """
    if view == UNLESS_ROBUST:
        return not numbers or any(each != "robust" for each in numbers)
    return view == "standard" or view in numbers


def _read(series: pd.Series[Any], part: ColumnFeature) -> NDArray[np.float64]:
    """The given part of every cell, NaN if missing, shape `(num_samples,)`."""
    if part == "number":
        return reader(series)  # models take float32, hence fit and search on float32 too
    if part == "flag":
        return flags(series)
    if part == "present":
        return np.array([cell is not None and cell not in MISSING for cell in texts(series)], dtype=np.float64)
    return date_parts(np.floor(seconds(series)))[part]


def _as_input(series: pd.Series[Any], step: Step) -> NDArray[Any]:
    """The raw column as a model takes it, shape `(num_samples,)`."""
    if isinstance(step, Number) and step.part in DATE_PARTS:
        return date_texts(np.floor(seconds(series)))
    if step.form == "text":
        return np.array([cell or "" for cell in texts(series)], dtype=object)
    part = step.part if isinstance(step, Number) else "number"
    values = _read(series, part)
    if part == "present":
        values[values == 0] = np.nan
    return values.astype(np.float32)
