"""Writes measurements to new files, or replaces files that a benchmark wrote and that are unchanged since."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evonas.io.marked_files import check_place, mark_json, publish
from genomes.errors import InputError

__all__ = ["report_path", "write_report"]


def report_path(text: str) -> Path:
    """Option type for a path to which `write_report` may write, checked before anything is measured.

    Raises:
        argparse.ArgumentTypeError: the path has a file that no benchmark wrote, or that was changed since.
    """
    path = Path(text)
    try:
        check_place(path, "report")
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return path


def write_report(path: Path, values: Mapping[str, Any], indent: int = 1) -> None:
    """Writes non-empty measurements as JSON with a mark as the last value.

    Raises:
        InputError: the path has a file that no benchmark wrote, or that was changed since.
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    publish(path, mark_json(json.dumps(values, indent=indent)))
