"""Generations in numbers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GenerationSummary", "summarised"]


@dataclass(frozen=True)
class GenerationSummary:
    """One generation in numbers. Losses are of what was trained in it, None when nothing succeeded."""

    generation: int
    candidates: int
    evaluations: int
    failed: int
    best_loss: float | None
    median_loss: float | None
    train_seconds: float


def summarised(number: int, candidates: int, losses: list[float | None], seconds: float) -> GenerationSummary:
    """The summary of a generation with these losses, None where there is none."""
    scored = sorted(loss for loss in losses if loss is not None)
    middle = len(scored) // 2
    median = None if not scored else scored[middle] if len(scored) % 2 else (scored[middle - 1] + scored[middle]) / 2
    best = scored[0] if scored else None
    return GenerationSummary(number, candidates, len(losses), len(losses) - len(scored), best, median, seconds)
