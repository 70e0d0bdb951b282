"""Comparison of the best network with the baselines of its run: table and verdict, as text and as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evonas.objective import Objective
from evonas.runs.baselines import BaselineModel, Baselines
from evonas.runs.finalists import Finalist
from evonas.runs.reader import RunReader

__all__ = ["FINAL_MODEL", "NETWORK", "Verdict", "baseline_rows", "baseline_values", "champion_test_scores"]
__all__ += ["ours_of", "retrained_test_scores", "verdict_of"]

NETWORK, FINAL_MODEL = "best network", "final model"
#: Margins below this are shown as 0.0%.
_LEAST_MARGIN = 0.0005


@dataclass(frozen=True)
class Verdict:
    """Which of the network and the baselines is the best.

    Attributes:
        part: rows on which they are compared: "test", or "validation" if not all have test scores.
        winner: its name; `ours` for the run's own model.
        margin: difference between the winner and the network, or the network and the next best, relative to the loser's
            score; None if undefined.
        complete: whether all baselines were trained completely.
        ours: the run's own model: `NETWORK`, or `FINAL_MODEL` if that is a mean of several.
    """

    part: str
    winner: str
    margin: float | None
    complete: bool = True
    ours: str = NETWORK

    @property
    def words(self) -> str:
        """One sentence."""
        rows, ours = f"on the {self.part} rows", "network" if self.ours == NETWORK else self.ours
        if self.margin is not None and self.margin < _LEAST_MARGIN:
            return f"The {ours} and the best baseline are equally good {rows}."
        by = "" if self.margin is None else f", by {self.margin:.1%}"
        if self.winner == self.ours:
            so_far = "" if self.complete else ", as far as they were trained,"
            return f"The {ours} is better than the baselines{so_far} {rows}{by}."
        return f"{self.winner[:1].upper()}{self.winner[1:]} is better than the {ours} {rows}{by}."


def verdict_of(
    objective: Objective,
    validation: Mapping[str, float],
    test: Mapping[str, float],
    baselines: Baselines,
    ours: str = NETWORK,
) -> Verdict | None:
    """Compares by the objective; None if nothing has a score.

    Args:
        objective: of the run.
        validation, test: scores of the network, or of the final model.
        baselines: the models to compare it with.
        ours: the model with these scores, see `Verdict`.
    """
    name = objective.name
    for part, scores in (("test", test), ("validation", validation)):
        theirs = {each.name: _scores(each, part)[name] for each in baselines.models if name in _scores(each, part)}
        if name in scores and theirs:
            best = min(theirs, key=lambda other: objective.loss(theirs[other]))
            wins = objective.loss(scores[name]) < objective.loss(theirs[best])
            behind, ahead = (theirs[best], scores[name]) if wins else (scores[name], theirs[best])
            margin = abs(ahead - behind) / abs(behind) if behind else None
            return Verdict(part, ours if wins else best, margin, baselines.complete, ours)
    return None


def ours_of(run: RunReader) -> str:
    """The model to which the compared scores of a run belong: `NETWORK` or `FINAL_MODEL`."""
    model = run.final_model
    return NETWORK if model is None or not run.final_test.scores_of(model) else FINAL_MODEL


def champion_test_scores(run: RunReader) -> dict[str, float]:
    """Committed test scores of the final model; for a single network, those of its re-training.

    If the final model is a mean without scores, those of the best network.
    """
    if (model := run.final_model) is not None and (scores := run.final_test.scores_of(model)):
        return scores
    return retrained_test_scores(run.finalists) if run.best(1) else {}


def retrained_test_scores(finalists: Sequence[Finalist]) -> dict[str, float]:
    """Test scores of the first finalist; empty if there is none."""
    if not finalists:
        return {}
    champion = finalists[0].champion
    chosen = (each for each in finalists[0].retrainings if each.seed == champion.seed)
    return dict(next((each.test or {} for each in chosen), {}))


def _scores(model: BaselineModel, part: str) -> Mapping[str, float]:
    return model.test if part == "test" else model.validation


def baseline_values(run: RunReader, test: Mapping[str, float]) -> dict[str, Any] | None:
    """The baselines and the verdict as JSON values; None if none were requested."""
    found = run.baselines.found
    if found is None:
        return None
    validation = run.ranked(1).evaluation.scores if run.best(1) and run.final_model is None else {}
    verdict = verdict_of(run.objective, validation, test, found, ours_of(run))
    return {**asdict(found), "verdict": None if verdict is None else asdict(verdict)}


def baseline_rows(run: RunReader, test: Mapping[str, float]) -> list[tuple[str, float | None, float | None, str]]:
    """Name, objective on validation and test rows, and description: first the network, then the baselines."""
    found, name = run.baselines.found, run.objective.name
    if found is None or not found.models or not run.best(1):
        return []
    model = run.final_model
    label, about = (NETWORK, "") if model is None else (FINAL_MODEL, model.note)
    # A mean has no validation score: its members are re-trainings, or were trained on those rows.
    rows = [(label, run.ranked(1).evaluation.scores.get(name) if model is None else None, test.get(name), about)]
    for each in found.models:
        about = each.about + ("" if each.complete else " so far")
        rows.append((each.name, each.validation.get(name), each.test.get(name), about))
    return rows
