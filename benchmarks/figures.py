"""Figures of merit with their required values, and their table. Imports the standard library only."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Figure", "show"]


@dataclass(frozen=True)
class Figure:
    """One row of the table.

    Attributes:
        name: description of the measurement.
        must, aim: required value and target value.
        measured: the measured value; None if not measured.
        unit: unit of the values, such as "x" or "%".
        most: whether must and aim are upper bounds.
        note: additional information.
    """

    name: str
    must: float
    aim: float
    measured: float | None
    unit: str = "x"
    most: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """The comparison with must and aim as text."""
        if self.measured is None:
            return "not measured"
        sign = -1 if self.most else 1
        reached = [sign * self.measured >= sign * bound for bound in (self.must, self.aim)]
        return "aim reached" if reached[1] else "must reached" if reached[0] else "falls short"


def show(figures: list[Figure]) -> None:
    """Prints the table."""
    print(f"\n{'figure':<66}{'must':>7}{'aim':>8}{'measured':>11}  verdict")
    for figure in figures:
        sign = "<=" if figure.most else ""
        bounds = [f"{sign}{bound:g}{figure.unit}" for bound in (figure.must, figure.aim)]
        measured = (
            "-"
            if figure.measured is None
            else f"{figure.measured:.{2 if figure.most and figure.unit == 'x' else 1}f}{figure.unit}"
        )
        print(f"{figure.name:<66}{bounds[0]:>7}{bounds[1]:>8}{measured:>11}  {figure.verdict}")
        print(f"    {figure.note}")
