"""`WandB`: logs a search as a run of Weights & Biases, offline unless `WANDB_MODE` is set.

A search is one run with one step per network, in the order of the candidates: its scores, genes and final losses. A
    list
next to the runs records which networks were logged, so that a search that is interrupted and resumed is logged once;
`wandb sync` merges the sessions of a search, since they share an id.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.config import Budget
from evonas.evaluation import Status
from evonas.trackers.callback import Callback, EvaluatedCandidate, read_evaluated
from evonas.trackers.identity import run_digest
from evonas.trackers.libraries import library
from genomes.errors import InputError

if TYPE_CHECKING:
    from evonas.export_tasks import Exported
    from evonas.runs.reader import RunReader

__all__ = ["WandB"]


class WandB(Callback):
    """Logs a search into a folder of offline runs.

    Args:
        folder: folder for the runs, created if necessary.
        project: name of the project.

    Raises:
        InputError: wandb is not installed, or `folder` is a file.

    Example:
        >>> evonas.search(x, y, callbacks=[WandB("wandb-runs")])  # doctest: +SKIP
    """

    def __init__(self, folder: str | Path, project: str = "evonas") -> None:
        self.folder, self._project = Path(folder), project
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"wandb must be a folder, but {folder} is a file: choose another name")
        self._wandb = library("wandb", "wandb")
        self._run: Any = None
        self._logged: set[str] = set()
        self._list = self.folder

    def on_start(self, run: RunReader, budget: Budget) -> None:
        """Starts a session of the run, and logs networks that earlier sessions did not log."""
        self.folder.mkdir(parents=True, exist_ok=True)
        digest = run_digest(run)
        self._list = self.folder / f"evonas-{digest}.txt"
        if self._list.is_file():
            self._logged = set(self._list.read_text("utf-8").split())
        self._run = self._wandb.init(
            project=self._project,
            dir=str(self.folder),
            id=f"evonas-{digest}",
            name=run.directory.absolute().name,
            resume="allow",
            mode=os.environ.get("WANDB_MODE", "offline"),
            config=run.settings.model_dump(mode="json", exclude_none=True),
            settings=self._wandb.Settings(silent=True, console="off", disable_git=True, save_code=False),
        )
        for candidate in read_evaluated(run):
            self.on_evaluation(candidate)

    def on_evaluation(self, candidate: EvaluatedCandidate) -> None:
        """Logs a network, unless it exceeded a limit and was not trained."""
        evaluation = candidate.evaluation
        if evaluation.status is Status.INFEASIBLE or candidate.name in self._logged:
            return
        values: dict[str, Any] = {name: score for name, score in evaluation.scores.items() if math.isfinite(score)}
        values |= {f"genes/{name}": value for name, value in candidate.genes.items()}
        for tag, curve in (("loss", evaluation.train_curve), ("val_loss", evaluation.curve)):
            if curve:
                values[tag] = curve[-1]
        about = {"generation": candidate.generation, "index": candidate.index, "epochs": evaluation.epochs}
        self._run.log({**values, **about, "status": evaluation.status.value, "seconds": evaluation.train_seconds})
        self._logged.add(candidate.name)
        with self._list.open("a", encoding="utf-8") as file:
            file.write(f"{candidate.name}\n")

    def on_end(self, run: RunReader, exported: Exported | None) -> None:
        """Logs the best network's scores, and ends the session."""
        if run.best(1):
            best = run.ranked(1)
            self._run.summary.update({f"best/{name}": score for name, score in best.evaluation.scores.items()})
        self._run.finish()
