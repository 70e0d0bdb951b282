"""Comparison with random search of the same size in the same space, as a nested run.

References:
    Li and Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", UAI 2019.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evonas.api.prepared_search import search_prepared
from evonas.api.result import SearchResult
from evonas.api.resume import finalists, resume
from evonas.config import Budget, Settings
from evonas.data.prepared import PreparedData
from evonas.display import scores, summaries
from evonas.runs.consistency import same_space
from evonas.runs.directory import BASELINE_NAME, is_run
from evonas.runs.reader import DATA_NAME, RunReader
from evonas.strategies.registry import STRATEGIES, STRATEGY_SETTINGS
from evonas.user_model import Build

__all__ = ["baseline_lines", "baseline_values", "random_baseline_of"]


def random_baseline_of(
    run_dir: str | Path, top: int, seeds: int, *, build: Any = None, **listeners: Any
) -> SearchResult:
    """Trains the same number of random networks as the run, and retrains the best ones; continues an earlier attempt.

    Args:
        run_dir: the run directory.
        top, seeds: numbers of finalists and re-trainings, as in the run itself.
        build: the build function of the run, if it has one.
        **listeners: as of `evonas.api.prepared_search.search_prepared`.
    """
    out = Path(run_dir) / BASELINE_NAME
    own = None if build is None else Build.from_function(build)
    with RunReader(run_dir) as run:
        unused = STRATEGY_SETTINGS.keys() - set(STRATEGIES["random"].settings)
        given = {name: value for name, value in run.settings if name not in unused}
        settings = Settings(**{**given, "strategy": "random", "finalists": 0})
        space, budget = same_space(run), Budget(evaluations=run.evaluated)
    if not is_run(out):
        data = PreparedData.load(Path(run_dir) / DATA_NAME)
        search_prepared(data, space=space, settings=settings, budget=budget, out=out, build=own, **listeners)
    else:
        resume(out, evaluations=budget.evaluations, build=own, baseline=False, **listeners)
    where = {name: listeners.get(name) for name in ("threads", "execution")}
    return finalists(out, top, seeds, build=own, **where)


def baseline_values(run: RunReader, baseline: SearchResult | None) -> dict[str, Any] | None:
    """The comparison as JSON values; None without one."""
    if baseline is None:
        return None
    with RunReader(baseline.run_dir) as random:
        return {name: summaries.summary_values(each) for name, each in (("random", random), ("run", run))}


def baseline_lines(run: RunReader, baseline: SearchResult | None) -> list[str]:
    """The comparison as lines of text; empty without one."""
    if baseline is None:
        return []
    with RunReader(baseline.run_dir) as random:
        theirs, ours = (each.finalists[0] for each in (random, run))
        loss = run.objective.loss
        better = loss(ours.mean) < loss(theirs.mean)
        evaluated = f"{random.evaluated:,} random networks of the same space"
        return [
            "",
            f"Random search, {evaluated}: {run.objective.name} {scores.format_score(theirs.mean)} "
            f"(search {scores.format_score(theirs.search_score)}, test {scores.format_score(theirs.test_mean)})",
            f"This run{' is better' if better else ' is not better'}: {scores.format_score(ours.mean)} "
            f"(search {scores.format_score(ours.search_score)}, test {scores.format_score(ours.test_mean)})",
        ]
