"""`preparation_from_json`: reads a preparation of any kind, of columns or of whole samples, from JSON values."""

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
    """Reads the result of the `to_json` method of any preparation.

    Raises:
        InputError: the value is not a preparation; the message names the first invalid location.
    """
    if not isinstance(value, Mapping):
        raise InputError(f"a preparation must be a table of values, not {value!r:.80}: use the one that the run wrote")
    return _CLASSES.get(str(value.get("kind", "")), Preparation).from_json(value)
