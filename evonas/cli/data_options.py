"""Options of commands that read data: roles of columns and rows, and table formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evonas.cli.options import (
    ArchitectureOption,
    BooleanOption,
    CategoricalOption,
    CommentOption,
    DateOption,
    DateOrderOption,
    DecimalOption,
    DropOption,
    EncodingOption,
    GrayscaleOption,
    GroupOption,
    ImageSizeOption,
    MissingOption,
    NumericOption,
    SeparatorOption,
    SeriesIdOption,
    SeriesOption,
    SkipRowsOption,
    SplitOption,
    TextOption,
    ThousandsOption,
    TimeOption,
    roles_of,
)

if TYPE_CHECKING:
    from evonas.data.options import DataOptions
    from evonas.data.read_options import ReadOptions

__all__ = ["DataFlags", "FileFlags"]


@dataclass(frozen=True)
class FileFlags:
    """Options of the format of tables."""

    separator: SeparatorOption = None
    encoding: EncodingOption = None
    decimal: DecimalOption = None
    thousands: ThousandsOption = None
    skip_rows: SkipRowsOption = None
    comment: CommentOption = None
    missing: MissingOption = None

    def reading(self, date_order: str | None = None, encoding: str | None = None) -> ReadOptions:
        """The options as `ReadOptions`.

        Args:
            date_order: of dates such as 01/02/2020.
            encoding: text encoding that replaces that of the option.

        Raises:
            InputError: an option is invalid.
        """
        from evonas.data.read_options import ReadOptions

        return ReadOptions.from_arguments(
            self.separator or "",
            (self.encoding if encoding is None else encoding) or "",
            self.decimal or "",
            self.thousands or "",
            self.skip_rows or 0,
            self.comment or "",
            self.missing or None,
            date_order or "",
        )


@dataclass(frozen=True)
class DataFlags:
    """Options of rows, columns and file formats."""

    group: GroupOption = None
    time_column: TimeOption = None
    drop: DropOption = None
    numeric: NumericOption = None
    boolean: BooleanOption = None
    categorical: CategoricalOption = None
    date: DateOption = None
    text: TextOption = None
    image_size: ImageSizeOption = None
    grayscale: GrayscaleOption = False
    architecture: ArchitectureOption = None
    series: SeriesOption = False
    series_id: SeriesIdOption = None
    split: SplitOption = None
    file: FileFlags = FileFlags()
    date_order: DateOrderOption = None

    def options(self, task: str | None) -> DataOptions:
        """The options as `DataOptions`.

        Raises:
            InputError: an option is invalid.
        """
        from evonas.data.options import DataOptions, architecture_and_encoding

        architecture, encoding = architecture_and_encoding(self.architecture or "", self.file.encoding or "")
        return DataOptions(
            task=task,
            drop=self.drop or (),
            roles=roles_of(self.numeric, self.boolean, self.categorical, self.date, self.text),
            group=self.group or "",
            time_column=self.time_column or "",
            image_size=self.image_size,
            grayscale=self.grayscale,
            architecture=architecture,
            series=self.series,
            series_id=self.series_id or "",
            split=self.split or "",
            reading=self.file.reading(self.date_order, encoding),
        )
