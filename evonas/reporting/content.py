"""The content of a report, independent of its format: sections of paragraphs, tables and figures, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evonas.reporting.figure import Figure

__all__ = ["Block", "Report", "Section", "Table", "Text"]


@dataclass(frozen=True)
class Text:
    """A paragraph; `large` ones stand out."""

    text: str
    large: bool = False


@dataclass(frozen=True)
class Table:
    """A table of words.

    Attributes:
        header: of each column.
        rows: cells as text, shape `(num_rows, num_columns)`.
        caption: one sentence of explanation.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


Block = Text | Table | Figure


@dataclass(frozen=True)
class Section:
    """A heading and what is under it.

    Attributes:
        name: anchor for links: lower-case words and hyphens.
        title: the heading.
        blocks: in their order.
    """

    name: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Report:
    """A whole report; `figures` are all of its figures in their order."""

    title: str
    subtitle: str
    sections: Sequence[Section]

    @property
    def figures(self) -> list[Figure]:
        """Of all sections."""
        return [each for section in self.sections for each in section.blocks if isinstance(each, Figure)]
