"""A curve as text."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["curve_lines"]

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def curve_lines(values: Sequence[float], width: int = 60, height: int = 12, marked: int | None = None) -> list[str]:
    """A curve in Braille dots, two a column and four a line, with the values of its ends on the left.

    Args:
        values: from left to right, finite, at least two.
        width, height: of the drawing in characters, labels not counted.
        marked: position of a value below which a `^` is set.

    Returns:
        `height` lines, and one more with the mark.
    """
    columns, rows = 2 * width, 4 * height
    low, high = min(values), max(values)
    cells = [[0] * width for _ in range(height)]
    last: int | None = None
    for column in range(columns):
        place = column * (len(values) - 1) / (columns - 1)
        left = min(int(place), len(values) - 2)
        value = values[left] + (place - left) * (values[left + 1] - values[left])
        row = rows - 1 - round((value - low) / (high - low or 1.0) * (rows - 1))
        # A steep curve stays one line.
        before = row if last is None else last
        for each in range(min(row, before) + 1, max(row, before)):
            cells[each // 4][column // 2] |= _DOTS[each % 4][column % 2]
        cells[row // 4][column // 2] |= _DOTS[row % 4][column % 2]
        last = row
    labels = {0: f"{high:.3g}", height - 1: f"{low:.3g}"}
    margin = max(map(len, labels.values()))
    lines = [
        f"{labels.get(k, ''):>{margin}} │{''.join(chr(0x2800 + dots) for dots in line)}".rstrip("\u2800")
        for k, line in enumerate(cells)
    ]
    if marked is not None:
        lines.append(" " * (margin + 2 + math.floor(marked / max(len(values) - 1, 1) * (width - 1))) + "^")
    return lines
