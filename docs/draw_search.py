"""Draws docs/search.svg: the terminal while `evonas run` searches, from a real run on the digits of scikit-learn.

python docs/draw_search.py
"""

from __future__ import annotations

import io
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from evonas.api.prepared_search import search_prepared
from evonas.api.resolve import space_and_numbers
from evonas.config import Budget, Settings
from evonas.data.load import read_data
from evonas.display.live import Live
from evonas.display.text import Plain
from evonas.interruption import Interruption
from evonas.runs.progress import Progress

PICTURE = Path(__file__).resolve().with_name("search.svg")
COMMAND = "evonas run digits.csv --target digit --objective accuracy --evaluations 100"
WIDTH = 104


class Recorder(Live):
    """A live display that keeps one frame instead of redrawing a terminal."""

    def __init__(self, console: Console, frame_at: int) -> None:
        """Keeps the frame after `frame_at` networks."""
        self._lines = io.StringIO()
        super().__init__(self._lines, Interruption(), console)
        self._frame_at: int | None = frame_at

    def start(self, run: Any, budget: Budget) -> None:
        Plain.start(self, run, budget)
        self.print_lines()

    def part(self, progress: Progress) -> None:
        super().part(progress)
        if self._frame_at is not None and progress.evaluated >= self._frame_at:
            self._console.print(self)
            self._frame_at = None

    def print_lines(self) -> None:
        """Moves the lines of text written so far to the picture."""
        self._console.print(Text(self._lines.getvalue().rstrip("\n") + "\n"))
        self._lines.seek(0)
        self._lines.truncate()


def main() -> None:
    from sklearn.datasets import load_digits

    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    display = Recorder(console, frame_at=70)
    console.print(Text(f"$ {COMMAND}\n", "bold"))
    x, digits = load_digits(return_X_y=True, as_frame=True)
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        table = Path("digits.csv")
        x.assign(digit=digits).to_csv(table, index=False)
        space, forms = space_and_numbers(None, None, None)
        prepared, source = read_data(table, "digit", seed=0, numbers=forms)
        search_prepared(
            prepared,
            space=space,
            settings=Settings(objective="accuracy", seed=0),
            budget=Budget.from_bounds(evaluations=100),
            out=Path("evonas-runs/digits"),
            source=source,
            on_start=display.start,
            on_part=display.part,
        )
    console.save_svg(str(PICTURE), title="evonas run")


if __name__ == "__main__":
    main()
