"""The content of a report, independent of its format: sections of paragraphs, tables and figures, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evonas.reporting.figure import Figure

__all__ = ["Block", "Report", "Section", "Table", "Text"]


@dataclass(frozen=True)
class Text:
    """A paragraph, which stands out if `large`."""

    text: str
    large: bool = False


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        header: heading of each column.
        rows: cells as text, shape `(num_rows, num_columns)`.
        caption: one sentence of explanation.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


Block = Text | Table | Figure


@dataclass(frozen=True)
class Section:
    """A heading with the blocks below it.

    Attributes:
        name: anchor for links: lower-case words and hyphens.
        title: heading.
        blocks: blocks, in order.
    """

    name: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Report:
    """A whole report."""

    title: str
    subtitle: str
    sections: Sequence[Section]

    @property
    def figures(self) -> list[Figure]:
        """The figures of all sections, in order."""
        return [each for section in self.sections for each in section.blocks if isinstance(each, Figure)]
