"""What identifies a run where several are logged in one place."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genomes.codec import canonical_json

if TYPE_CHECKING:
    from evonas.runs.reader import RunReader

__all__ = ["run_digest"]


def run_digest(run: RunReader) -> str:
    """Eight digits that tell a run from those of other data, settings or spaces; the same after a resumption."""
    about: Mapping[str, Any] = {
        "settings": run.settings.model_dump(mode="json"),
        "space": run.space_json,
        "data": run.fingerprint,
    }
    return hashlib.sha256(canonical_json(about).encode()).hexdigest()[:8]
