"""`DataOptions`: what a user says of the data beside the data themselves. Imports no pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evonas.data.read_options import ReadOptions
from evonas.data.sample_kind import KINDS, SampleOptions
from genomes.errors import InputError

__all__ = ["ARCHITECTURES", "DataOptions", "architecture_and_encoding"]

#: Encodings whose networks take rows of data.
ARCHITECTURES = tuple(dict.fromkeys(name for names in KINDS.values() for name in names))


def architecture_and_encoding(architecture: str, encoding: str) -> tuple[str, str]:
    """The architecture that is asked for and the encoding of text, by whose option it may be named; "" for none.

    Raises:
        InputError: two are named.

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
    """What rows and columns are, and how files are written; each as `evonas.search` has it.

    Attributes:
        task: "regression", "binary" or "multiclass"; None as the target looks.
        drop: names of columns to leave out.
        roles: column -> role, where what is inferred is not so.
        group, time_column: names of columns by which rows are split.
        image_size, grayscale: of the images of a folder.
        architecture, series, series_id, split: of samples with a shape, see `SampleOptions`.
        reading: how files are written.
        steps: how many elements of a dataset are read; all of one that ends unless given.
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
            samples: what is asked of the rows, once the space is known; as the options say unless given.
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
