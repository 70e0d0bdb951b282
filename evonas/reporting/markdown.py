"""Reports as Markdown: text, tables, and the captions of figures."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from itertools import groupby
from textwrap import wrap

from evonas.io.printable import printable
from evonas.reporting.content import Report, Table, Text
from evonas.reporting.figure import Figure

__all__ = ["escape", "markdown", "plain_text", "table_lines"]

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#|~!$])")


def markdown(report: Report) -> str:
    """The report as Markdown."""
    lines = [f"# {escape(report.title)}", "", escape(report.subtitle), ""]
    for section in report.sections:
        lines += [f"## {escape(section.title)}", ""]
        for alike, group in groupby(section.blocks, lambda block: isinstance(block, Figure) and block.caption):
            blocks = list(group)
            if alike:
                lines += _figures([block for block in blocks if isinstance(block, Figure)])
                continue
            for block in blocks:
                if isinstance(block, Text):
                    lines += [f"**{escape(block.text)}**" if block.large else escape(block.text), ""]
                elif isinstance(block, Table):
                    lines += [*table_lines(block), ""]
                    lines += [escape(block.caption), ""] if block.caption else []
    names = ", ".join(figure.name for figure in report.figures)
    lines += ["## Figures", "", f"`evonas report --format svg` writes each as a file: {names}.", ""]
    return "\n".join(lines)


def _figures(figures: Sequence[Figure]) -> list[str]:
    """The titles and the caption of figures that share a caption, and their values if there are few."""
    # Titles and captions of figures are already HTML.
    titles, caption = (escape(html.unescape(text)) for text in (_titles(figures), figures[0].caption))
    lines = [f"**{titles}.** {caption}", ""]
    for figure in figures:
        lines += [*table_lines(Table(figure.header, figure.rows)), ""] if figure.rows else []
    return lines


def _titles(figures: Sequence[Figure]) -> str:
    return ", ".join(figure.title for figure in figures)


def table_lines(table: Table) -> list[str]:
    """The lines of a table; numbers are not aligned, since renderers do that."""
    rows = [[escape(cell) or " " for cell in row] for row in (table.header, *table.rows)]
    texts = [f"| {' | '.join(row)} |" for row in rows]
    return [texts[0], "|" + " --- |" * len(table.header), *texts[1:]]


def plain_text(report: Report) -> str:
    """The text and tables of a report for a terminal."""
    lines = [report.title, report.subtitle]
    for section in report.sections:
        blocks = [block for block in section.blocks if isinstance(block, Text | Table)]
        if blocks:
            lines += ["", section.title]
        for block in blocks:
            lines.append("")
            if isinstance(block, Text):
                lines += wrap(block.text, 98)
                continue
            rows = [[printable(cell) for cell in row] for row in (block.header, *block.rows)]
            widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
            lines += wrap(block.caption, 98)
    return "\n".join(lines)


def escape(text: str) -> str:
    """Escapes text from data, so that it contains no HTML, links or table cells."""
    return html.escape(_SPECIAL.sub(r"\\\1", printable(text)), quote=False)
