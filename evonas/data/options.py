"""`DataOptions`: the user's options for reading the data. Does not import pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evonas.data.read_options import ReadOptions
from evonas.data.sample_kind import KINDS, SampleOptions
from genomes.errors import InputError

__all__ = ["ARCHITECTURES", "DataOptions", "architecture_and_encoding"]

#: Encodings whose networks take data rows.
ARCHITECTURES = tuple(dict.fromkeys(name for names in KINDS.values() for name in names))


def architecture_and_encoding(architecture: str, encoding: str) -> tuple[str, str]:
    """The requested architecture and text encoding, where the `encoding` option may also name the architecture; "" for
    none.

    Raises:
        InputError: two architectures are named.

    Example:
        >>> architecture_and_encoding("", "dense"), architecture_and_encoding("dense", "cp1252")
        (('dense', ''), ('dense', 'cp1252'))
    """
    if encoding not in ARCHITECTURES:
        return architecture, encoding
    if architecture not in ("", encoding):
        raise InputError(f"architecture must be given once, not as {architecture!r} and {encoding!r}: leave one out")
    return encoding, ""


@dataclass(frozen=True)
class DataOptions:
    """Options on rows, columns and files, as in `evonas.search`.

    Attributes:
        task: "regression", "binary" or "multiclass"; None to infer it from the target.
        drop: names of columns to exclude.
        roles: column -> role, to override inferred roles.
        group, time_column: names of columns by which rows are split.
        image_size, grayscale: options for a folder of images.
        architecture, series, series_id, split: options for samples with a shape, see `SampleOptions`.
        reading: format of files.
        steps: number of elements of a dataset to read, by default all of a finite one.
    """

    task: str | None = None
    drop: Sequence[str] = ()
    roles: Mapping[str, str] | None = None
    group: str = ""
    time_column: str = ""
    image_size: Any = None
    grayscale: bool = False
    architecture: str = ""
    series: bool = False
    series_id: str = ""
    split: str = ""
    reading: ReadOptions = field(default_factory=ReadOptions)
    steps: int | None = None

    def read_arguments(self, samples: SampleOptions | None = None) -> dict[str, Any]:
        """Keyword arguments of `evonas.data.load.read_data`.

        Args:
            samples: options on the rows once the space is known, by default those given here.
        """
        asked = samples or SampleOptions(self.architecture, self.series, self.series_id, self.split)
        return {
            "task": self.task,
            "drop": self.drop,
            "roles": self.roles,
            "group": self.group,
            "time_column": self.time_column,
            "size": self.image_size,
            "grayscale": self.grayscale,
            "options": self.reading,
            "samples": asked,
            "steps": self.steps,
        }
