"""Opening of a predictor by path: the final model of a run, or an exported file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evonas.api.result import SearchResult
from evonas.deploy.prediction import Predictor, predictor_of_file
from evonas.user_model import Build

__all__ = ["open_predictor"]


def open_predictor(source: str | Path, build: Any = None) -> Predictor:
    """A predictor from a run directory or an exported model.

    Args:
        source: a run directory, or a `.keras` file of evonas, whose classes are read from the model card next to it.
        build: the build function of the run, if it has one.

    Raises:
        InputError: the source is neither, or no network has a score yet.
    """
    path = Path(source)
    if not path.is_dir():
        return predictor_of_file(path)
    result = SearchResult(path, None if build is None else Build.from_function(build))
    return Predictor(result._data.problem, result)
