"""User-defined extensions in worker processes: the metric of a run, and its layer kinds.

They are sent over the private socket between driver and worker, like `build` functions, whether given as objects or
installed; a worker never looks for them. Imports no Keras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evonas.user_model import PackedBuild

__all__ = ["load_extensions", "packed_extensions"]


def packed_extensions(objective: str | None, space: Any) -> PackedBuild | None:
    """Packs the extensions with which networks of a space are trained and scored; None if there are none.

    Args:
        objective: name of the objective.
        space: of the networks; lists their layer kinds.

    Raises:
        InputError: an extension is neither given nor installed, or cannot be sent to another process.
    """
    from evonas.metrics.named import metric_from_outside
    from genomes.architecture.layer_kind import LAYER_KINDS_FROM_OUTSIDE
    from genomes.architecture.layers import LAYERS

    metric = metric_from_outside(objective or "")
    kinds = [LAYER_KINDS_FROM_OUTSIDE.get(name) for name in getattr(space, "layer_kinds", ()) if name not in LAYERS]
    if metric is None and not kinds:
        return None
    from evonas.user_model import pack

    parts: dict[str, Any] = {f"layer kind {kind.name}": kind for kind in kinds}
    users = [kind.keras for kind in kinds]
    if metric is not None:
        parts[f"metric {metric.name}"] = metric
        users.append(metric.score)
    return pack((metric, kinds), " and ".join(parts), users, parts)


def load_extensions(packed: PackedBuild | None) -> None:
    """Registers the extensions of `packed_extensions` in this process. Runs the user's code."""
    if packed is None:
        return
    from evonas.metrics.metric import metric_name
    from genomes.architecture.layer_kind import LAYER_KINDS_FROM_OUTSIDE

    loaded: Any = packed.load()
    (metric, kinds), _ = loaded
    metric_name(metric)
    for kind in kinds:
        LAYER_KINDS_FROM_OUTSIDE.give(kind.name, kind)
