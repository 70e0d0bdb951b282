"""`run_digest`: identifies a run among several that are logged to the same folder or server."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genomes.codec import canonical_json

if TYPE_CHECKING:
    from evonas.runs.reader import RunReader

__all__ = ["run_digest"]


def run_digest(run: RunReader) -> str:
    """Eight hexadecimal digits that depend on a run's data, settings and space; a resumed run has the same digest."""
    about: Mapping[str, Any] = {
        "settings": run.settings.model_dump(mode="json"),
        "space": run.space_json,
        "data": run.fingerprint,
    }
    return hashlib.sha256(canonical_json(about).encode()).hexdigest()[:8]
