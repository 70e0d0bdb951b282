"""Reports as self-contained HTML files with plotly.js, data, style and script.

Text from data is escaped in HTML, and JSON contains no `<`; the script writes text only. A content security policy
allows only the page's own scripts, by their digests. plotly.js, which takes longer to start than everything else, is
started after the page is shown.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evonas.io.printable import printable
from evonas.reporting.candidates import candidate_details, candidate_table
from evonas.reporting.content import Block, Report, Table, Text
from evonas.reporting.figure import Figure
from evonas.reporting.rundata import RunData
from genomes.errors import InputError

__all__ = ["blocks_html", "check_plotly", "has_plotly", "html_page"]

#: Figures that take the full width of the page.
_WIDE = ("lineage", "operators", "importance", "parallel-coordinates", "columns", "pareto", "timeline", "phases")


def has_plotly() -> bool:
    """Whether plotly is installed; its script is read from there, without importing the package."""
    return _script_path() is not None


def check_plotly() -> None:
    """Raises InputError if plotly is not installed."""
    if not has_plotly():
        raise InputError(
            "a report as HTML needs plotly, which is not installed: pip install 'evonas[report]', or write --format md"
        )


def html_page(run: RunData | None, report: Report) -> str:
    """The report as an HTML page.

    Args:
        run: the search whose candidates the table lists; None for no table.
        report: content above the table.
    """
    digest, plotly = _plotly()
    style, script = _asset("page.css"), _asset("page.js")
    scripts = " ".join(f"'sha256-{each}'" for each in (digest, _digest(script)))
    policy = f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:"
    links = [("candidates", "All networks")] if run is not None and run.records else []
    links = [*((section.name, section.title) for section in report.sections), *links]
    navigation = "".join(f'<a href="#{name}">{_text(title)}</a>' for name, title in links)
    sections = "".join(
        f'<section id="{section.name}"><h2>{_text(section.title)}</h2>{blocks_html(section.blocks)}</section>'
        for section in report.sections
    )
    figures = {figure.name: figure.to_json() for figure in report.figures}
    table = {"columns": []} if run is None else candidate_table(run)
    details = {} if run is None else candidate_details(run)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark">'
        f"<title>{_text(report.title)} - evonas</title><style>{style}</style></head>\n"
        f'<body><a class="skip" href="#main">Skip to the answer</a>'
        f"<header><h1>{_text(report.title)}</h1><p>{_text(report.subtitle)}</p>"
        f'<nav aria-label="Sections">{navigation}</nav></header>\n<main id="main">{sections}{_candidates(run)}</main>'
        f'<dialog id="detail" aria-labelledby="detail-title"></dialog>\n'
        f"<noscript><p>Figures and the table of all networks need JavaScript.</p></noscript>\n"
        f"{_data('figures', figures)}{_data('candidates-data', table)}"
        f"{_pack('details-data', _json(details))}{plotly}"
        f"<script>{script}</script></body></html>\n"
    )


def _candidates(run: RunData | None) -> str:
    if run is None or not run.records:
        return ""
    return (
        '<section id="candidates"><h2>All networks</h2>'
        "<p>Sort by a column's heading; open a network by its number. The filter takes words and comparisons, "
        "such as <code>crossover parameters&lt;5000</code>.</p>"
        '<p><label>Filter <input id="filter" type="search" spellcheck="false" autocomplete="off"></label> '
        '<output id="count" aria-live="polite"></output></p>'
        '<div class="scroll" tabindex="0" role="region" aria-label="All networks"><table id="table"></table></div>'
        '<p class="pages"><button id="previous" type="button">Previous</button> <span id="page"></span> '
        '<button id="next" type="button">Next</button></p></section>'
    )


def blocks_html(blocks: Sequence[Block]) -> str:
    """Blocks as HTML; small figures in a row are placed side by side."""
    parts: list[str] = []
    row: list[str] = []
    for block in blocks:
        if isinstance(block, Figure):
            row.append(_figure(block))
            continue
        if row:
            parts.append(f'<div class="figures">{"".join(row)}</div>')
            row = []
        parts.append(_table(block) if isinstance(block, Table) else _paragraph(block))
    if row:
        parts.append(f'<div class="figures">{"".join(row)}</div>')
    return "".join(parts)


def _figure(figure: Figure) -> str:
    height = int(figure.layout.get("height", 380))
    wide = " wide" if figure.name in _WIDE else ""
    return (
        f'<figure class="figure{wide}"><figcaption><h3>{_caption(figure.title)}</h3>'
        f"<p>{_caption(figure.caption)}</p></figcaption>"
        f'<div class="plot" data-figure="{html.escape(figure.name)}" style="height:{height}px" role="img" '
        f'aria-label="{_caption(figure.title)}: {_caption(figure.caption)}"></div></figure>'
    )


def _caption(text: str) -> str:
    """Escapes quotes and `<` in titles and captions, whose labels are already escaped."""
    return text.replace('"', "&quot;").replace("<", "&lt;")


def _paragraph(block: Text) -> str:
    return f'<p class="large">{_text(block.text)}</p>' if block.large else f"<p>{_text(block.text)}</p>"


def _table(table: Table) -> str:
    header = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in table.header)
    rows = "".join(
        f'<tr><th scope="row">{_text(row[0])}</th>{"".join(f"<td>{_text(cell)}</td>" for cell in row[1:])}</tr>'
        for row in table.rows
    )
    caption = f"<p>{_text(table.caption)}</p>" if table.caption else ""
    body = f"<table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="scroll" tabindex="0">{body}</div>{caption}'


def _text(text: object) -> str:
    return html.escape(printable(text))


def _data(name: str, values: Any) -> str:
    """Values as JSON that browsers cannot interpret as HTML or a script."""
    text = _json(values).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>\n'


def _json(values: Any) -> str:
    return json.dumps(values, allow_nan=False, separators=(",", ":"))


def _pack(name: str, text: str) -> str:
    """Text that the page needs only after it is shown or on a click, compressed and base64-encoded."""
    import gzip

    packed = base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()
    return f'<script type="text/plain" id="{name}">{packed}</script>\n'


@functools.cache
def _plotly() -> tuple[str, str]:
    """The digest of plotly.js, and the packed script."""
    check_plotly()
    path = _script_path()
    script = "" if path is None else path.read_text(encoding="utf-8")
    return _digest(script), _pack("plotly-data", script)


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _asset(name: str) -> str:
    return (files("evonas.reporting") / "assets" / name).read_text(encoding="utf-8")


def _script_path() -> Path | None:
    found = find_spec("plotly")
    folders = [] if found is None else [Path(each) for each in found.submodule_search_locations or ()]
    paths = [folder / "package_data" / "plotly.min.js" for folder in folders]
    return next((path for path in paths if path.is_file()), None)
