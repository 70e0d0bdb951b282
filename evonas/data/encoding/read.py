"""`preparation_from_json`: a preparation of any kind, of columns or of whole samples, as a file holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evonas.data.encoding.pixels import ImagePreparation
from evonas.data.encoding.preprocessor import Preparation
from evonas.data.encoding.series import SeriesPreparation
from evonas.data.encoding.tokens import TextPreparation
from genomes.errors import InputError

__all__ = ["preparation_from_json"]

_CLASSES: dict[str, type[Preparation]] = {
    "image": ImagePreparation,
    "series": SeriesPreparation,
    "text": TextPreparation,
}


def preparation_from_json(value: Mapping[str, Any]) -> Preparation:
    """Reads what the `to_json` of any preparation gave.

    Raises:
        InputError: not such a value; names the first wrong place.
    """
    if not isinstance(value, Mapping):
        raise InputError(f"a preparation must be a table of values, not {value!r:.80}: take the one that the run wrote")
    return _CLASSES.get(str(value.get("kind", "")), Preparation).from_json(value)
