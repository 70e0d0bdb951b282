"""The Pareto front of a run: the networks that no other beats in every objective. Imports the standard library only."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["front"]


def front(losses: Sequence[tuple[float, ...]]) -> list[int]:
    """Positions of those that no other dominates, best in the first objective first; of equals, the first alone."""
    found: list[int] = []
    # Whatever dominates a point comes before it in this order.
    for place in sorted(range(len(losses)), key=lambda place: (losses[place], place)):
        point = losses[place]
        if not any(all(a <= b for a, b in zip(losses[other], point, strict=True)) for other in found):
            found.append(place)
    return found
