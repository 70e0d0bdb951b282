"""Export of the figures of a report as pictures, by kaleido in a headless browser."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evonas.io.marked_files import check_place, mark_bytes, mark_text, publish
from evonas.reporting.figure import Figure
from genomes.errors import InputError

__all__ = ["check_pictures", "write_pictures"]

_WIDTH, _HEIGHT, _SCALE = 900, 500, 2


def check_pictures(folder: Path) -> None:
    """Raises InputError if pictures cannot be drawn, or the folder is a file."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"pictures go to a folder, but {folder} is a file: choose another name")
    try:
        import kaleido  # noqa: F401
        import plotly  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"pictures need {error.name}, which is not installed: pip install 'evonas[report]', or write --format html"
        ) from None


def write_pictures(figures: Sequence[Figure], folder: Path, format: str) -> Path:
    """Writes one file per figure, named after it.

    Raises:
        InputError: a file there was not written by evonas, or no browser is available.
    """
    paths = [folder / f"{figure.name}.{format}" for figure in figures]
    for path in paths:
        check_place(path, "picture")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as drafts:
            drawn = [Path(drafts) / path.name for path in paths]
            _draw(figures, drawn, format)
            for draft, path in zip(drawn, paths, strict=True):
                content = draft.read_bytes()
                publish(path, mark_text(content.decode()) if format == "svg" else mark_bytes(content))
    except OSError as error:
        raise InputError(f"pictures need a writable folder, not {folder} ({error}): choose another") from None
    return folder


def _draw(figures: Sequence[Figure], paths: Sequence[Path], format: str) -> None:
    """Draws all figures in one browser, which takes longer to start than to draw."""
    import plotly.io

    whole: list[Any] = [figure.plotly() for figure in figures]
    heights = [int(figure.layout.get("height", _HEIGHT)) for figure in figures]
    try:
        plotly.io.write_images(
            whole, [str(path) for path in paths], format=format, width=_WIDTH, height=heights, scale=_SCALE
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"pictures need a Chrome or Chromium that kaleido can start, but it cannot ({str(error).splitlines()[0]}): "
            "install one, or write --format html"
        ) from None
