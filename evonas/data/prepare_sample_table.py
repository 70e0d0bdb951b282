"""Tables of samples: series in wide or long form, or one text column. Imports pandas lazily."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from evonas.data.arrays import check_column, named_columns
from evonas.data.cells import texts
from evonas.data.encoding.bag_of_words import words_of
from evonas.data.frames import is_table
from evonas.data.keys import keys_of, numbers_of
from evonas.data.long_series import long_series, number_columns
from evonas.data.prepare_samples import Samples, prepare_samples, read_samples
from evonas.data.read_options import Style, Table
from evonas.data.sample_kind import SampleOptions
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from evonas.data.prepared import PreparedData

__all__ = ["SampleTable", "image_path_note", "sample_table", "text_column"]

#: Number of rows that determine whether a column holds text or paths of images.
_SAMPLE = 200
#: Maximum number of channels that a message names.
_SHOWN = 5
_IMAGE_ENDINGS = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, eq=False)
class SampleTable:
    """Tables that hold samples.

    Attributes:
        kind: "series" or "text"; "table" for plain rows.
        tables: tables of "training" and, if given, "validation" and "test".
        features: names of the columns that hold the samples, in order.
        targets: names of the targets.
        weight, group, time_column: names of columns that are not features, or "".
        options: options on the form of series.
    """

    kind: str
    tables: Mapping[str, Table]
    features: tuple[str, ...]
    targets: tuple[str, ...]
    weight: str
    group: str
    time_column: str
    options: SampleOptions

    def prepare(self, **common: Any) -> PreparedData:
        """Prepares the data.

        Args:
            common: arguments of `evonas.data.prepare_samples.prepare_samples` that do not follow from the tables.
        """
        samples: dict[str, Samples] = {}
        columns: dict[str, pd.DataFrame] = {}
        for part, table in self.tables.items():
            samples[part], columns[part] = self._read(part, named_columns(table.frame), table.style)
        training, style = columns["training"], self.tables["training"].style
        if self.weight:
            common["sample_weight"] = numbers_of(training[self.weight], style)
        timed = self.time_column and not self.options.series_id
        keys = keys_of(training, self.group, self.time_column if timed else "", common.get("folds"), style)
        data = prepare_samples(
            samples,
            {part: frame[list(self.targets)] for part, frame in columns.items()},
            groups=None if timed else keys,
            instants=keys if timed else None,
            split=self.options.split,
            few_in_folds=True,
            style=style,
            about={"features": list(self.features), "series_id": self.options.series_id},
            **common,
        )
        if self.kind == "text" or data.preparation is None:
            return data
        from evonas.data.encoding.series import SeriesPreparation

        assert isinstance(data.preparation, SeriesPreparation)
        named = replace(
            data.preparation,
            names=self.features,
            series_id=self.options.series_id,
            time_column=self.time_column if self.options.series_id else "",
        )
        return replace(data, preparation=named, notes=(*self._order_note(), *data.notes))

    def _order_note(self) -> list[str]:
        """A message if the steps of series in long form are not sorted by time."""
        if not self.options.series_id or self.time_column:
            return []
        shown = ", ".join(map(repr, self.features[:_SHOWN])) + ", ..." * (len(self.features) > _SHOWN)
        return [
            f"the steps of a series are in the order of its rows, and {shown} are its channels: if a column holds "
            "times, name it (--time-column, in Python time_column)"
        ]

    def _read(self, part: str, frame: pd.DataFrame, style: Style) -> tuple[Samples, pd.DataFrame]:
        """The samples of a part, and the remaining columns with one row per sample."""
        others = [*self.targets, *(name for name in (self.weight, self.group) if name)]
        for name in others:
            check_column(frame, name, f"{part} table's")
        if self.options.series_id:
            values, lengths, kept = long_series(
                frame, self.options.series_id, self.time_column, self.features, list(dict.fromkeys(others)), style
            )
            return Samples("series", values, lengths=lengths), kept
        others += [self.time_column] if self.time_column else []
        kept = frame[list(dict.fromkeys(others))]
        if self.kind == "text":
            check_column(frame, self.features[0], "text")
            return read_samples("text", frame[self.features[0]], part), kept
        return Samples("series", number_columns(frame, self.features, style)[:, :, None]), kept


def sample_table(
    tables: Mapping[str, Table],
    target: str | Sequence[str],
    options: SampleOptions,
    *,
    drop: Sequence[str] = (),
    roles: Mapping[str, str] | None = None,
    group: str = "",
    time_column: str = "",
    sample_weight: Any = None,
) -> SampleTable:
    """Determines the kind of the rows of tables: series if requested, text if it is the only feature.

    Raises:
        InputError: a named column is missing, or roles are given for columns of series.
    """
    frame = named_columns(tables["training"].frame)
    targets = (target,) if isinstance(target, str) else tuple(target)
    weight = sample_weight if isinstance(sample_weight, str) else ""
    named = {"target": targets, "dropped": drop, "weight": [weight], "group": [group], "time": [time_column]}
    named["series id"] = [options.series_id]
    for what, names in named.items():
        for name in names:
            if name:
                check_column(frame, name, what)
    no_features = {*targets, *drop, weight, group, options.series_id}
    # In a plain table, time is also a feature; for series it orders steps or samples.
    timed = {time_column} if options.is_series else set()
    features = tuple(name for name in frame.columns if name not in no_features | timed)
    kind = "series" if options.is_series else "table"
    if kind == "series" and roles:
        raise InputError(
            f"roles must be left out with series, all of whose columns are numbers, not {dict(roles)!r:.80}: drop "
            "columns that are not numeric"
        )
    if kind == "series" and not features:
        raise InputError("series must have a column of numbers at least, but no column is left: drop fewer")
    if kind == "table" and len(features) == 1 and _is_text(frame[features[0]], (roles or {}).get(features[0])):
        kind = "text"
    return SampleTable(kind, tables, features, targets, weight, group, time_column, options)


def text_column(x: Any) -> Any:
    """The column of a table that has only one, if it holds text; any other value is unchanged."""
    if not is_table(x) or getattr(x, "shape", ())[1:] != (1,):
        return x
    column = named_columns(x).iloc[:, 0]
    return column if _is_text(column, None) else x


def _is_text(column: pd.Series[Any], role: str | None) -> bool:
    """Whether the column is text, by its role or because it holds many distinct texts, most with several words."""
    if role is not None:
        return role == "text"
    if column.dtype.kind in "biufcmM":
        return False
    cells = [cell for cell in texts(column.iloc[:_SAMPLE]) if cell is not None]
    return 2 * sum(len(words_of(cell)) > 2 for cell in cells) > len(cells) and 2 * len(set(cells)) > len(cells)


def image_path_note(frame: pd.DataFrame) -> tuple[str, ...]:
    """A message for each column whose cells are names of images, which are not read."""
    found = []
    for index, name in enumerate(frame.columns):
        column = frame.iloc[:, index]
        if column.dtype.kind in "biufcmM":
            continue
        cells = [str(cell) for cell in column.iloc[:_SAMPLE].to_numpy() if cell is not None]
        if cells and all(cell.lower().endswith(_IMAGE_ENDINGS) for cell in cells):
            found.append(
                f"column {str(name)!r} holds names of images, which are not read: a folder with a subfolder for each "
                "class is"
            )
    return tuple(found)
