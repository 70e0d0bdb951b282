"""Formatting of scores, durations, counts and commands."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from evonas.runs.reader import RunReader
from evonas.runs.records import Record
from genomes.encodings import short_name

if TYPE_CHECKING:
    pass

__all__ = ["best_words", "clock", "command", "format_score", "parameter_words", "plural", "score_of", "scores_words"]


def format_score(score: float | None) -> str:
    """Formats with five significant digits, without dropping integer digits and without unusual exponents."""
    if score is None or not math.isfinite(score):
        return "none"
    if score == 0 or not 1e-4 <= abs(score) < 1e15:
        return f"{score:.4g}"
    return f"{score:,.{max(0, 4 - math.floor(math.log10(abs(score))))}f}"


def clock(seconds: float) -> str:
    """A duration as `0:07`, `12:30` or `1:02:03`."""
    minutes, rest = divmod(round(min(seconds, 1e12)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def scores_words(scores: Mapping[str, float], first: str) -> str:
    """Formats all metrics, the objective first."""
    names = [first, *sorted(scores.keys() - {first})]
    return ", ".join(f"{name} {format_score(scores[name])}" for name in names if name in scores)


def score_of(record: Record | None, objective: str) -> float | None:
    """The objective's score; None if there is no record."""
    return None if record is None else record.evaluation.scores.get(objective)


def best_words(record: Record | None) -> str:
    """Short description of a network."""
    if record is None:
        return "none yet"
    return f"{short_name(record.genome)}, {record.evaluation.parameters:,} parameters"


def parameter_words(trained: int, fixed: int) -> str:
    """A number of parameters in words.

    Args:
        trained: parameters that are trained.
        fixed: parameters that are not, such as those of random convolutions.

    Example:
        >>> parameter_words(1, 0), parameter_words(1200, 0), parameter_words(1200, 300)
        ('1 parameter', '1,200 parameters', '1,200 trained parameters (1,500 with fixed ones)')
    """
    return (
        f"{trained:,} trained parameters ({trained + fixed:,} with fixed ones)"
        if fixed
        else plural(trained, "parameter")
    )


def command(name: str, run: RunReader, *options: str) -> str:
    """A command for the run that can be pasted into a shell."""
    return shlex.join(["evonas", name, str(run.directory), *options])


def plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
