"""`EvolvedTrainer`: scores networks whose weights come from chains of seeds, a whole population at a time. No training.

The programs are those of the population trainer with nothing to train: an epoch without a step is a forward pass over
the validation rows, and here the training rows are among those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evonas.data.prepared import PreparedData, Split
from evonas.evaluation import Evaluation, Status
from evonas.scoring import mean_loss
from evonas.training.cost import pack_bytes, weights_of
from evonas.training.lineage import Lineages
from evonas.training.members import Member
from evonas.training.network import Network
from evonas.training.packing import Part, Planner, Workload, union_of
from evonas.training.population import PopulationTrainer
from evonas.training.scores import scores
from evonas.training.trainer import TrainingSettings, TrainingTask
from genomes.architecture import graph_from_json

__all__ = ["EvolvedTrainer"]

_MOST_SLOTS = 64
#: How much larger than needed a program may be before a smaller one is compiled.
_MOST_WASTE = 4


class EvolvedTrainer(PopulationTrainer):
    """Meets `Trainer`, for tasks with a `lineage`. Replicates would all be the same: there is one."""

    def __init__(self, data: PreparedData, settings: TrainingSettings) -> None:
        """Puts the rows of all folds on the device.

        Args:
            data: what to score on.
            settings: what is the same for every network.
        """
        self._scored = data.splits
        self._lineages = Lineages()
        rows = replace(data, splits=tuple(_with_training_rows(split) for split in data.splits))
        super().__init__(rows, replace(settings, replicates=1))
        self._folds = tuple(replace(fold, train_rows=0) for fold in self._folds)
        self._planner = _OneProgram(replace(self._planner.device, ladder=tuple(2**k for k in range(4, 14))))

    def train(
        self, tasks: Sequence[TrainingTask], done: frozenset[int] = frozenset()
    ) -> Iterator[Mapping[int, Evaluation]]:
        """See `Trainer.train`: one part, since a generation takes no longer than committing each network would."""
        ready: dict[int, Evaluation] = {}
        for part in super().train(tasks, done):
            ready |= part
            yield {}
        yield ready

    def _work(self, task: TrainingTask) -> Any:
        work = super()._work(replace(task, epochs=1, horizon=None))
        graph = graph_from_json(task.architecture)
        problem = self._seen(work.view).problem
        sizes = problem.num_features, problem.num_outputs
        weights = self._lineages.weights(task.architecture, graph, task.lineage, *sizes)
        members = (
            replace(member, network=_untrained(member.network), initial=lambda: weights) for member in work.members
        )
        return replace(work, members=tuple(members))

    def _evaluation(self, work: Any, member: Member, outcome: Any, seconds: float) -> Evaluation:
        if isinstance(outcome, str):
            return super()._evaluation(work, member, outcome, seconds)
        split = self._scored[self._folds.index(member.fold)]
        outputs, trained = np.split(outcome.outputs, [len(split.x_validation)])
        problem, loss = self._problem, self._settings.loss
        found = scores(problem, split.y_validation, outputs)
        fitness = mean_loss(problem, loss, split.y_train, trained, split.weight_train)
        good = bool(found) and bool(np.isfinite(fitness))
        return Evaluation(
            status=Status.OK if good else Status.FAILED,
            scores=found if good else {},
            reason="" if good else "the outputs are not finite",
            best_epoch=1 if good else 0,
            epochs=1,
            curve=(mean_loss(problem, loss, split.y_validation, outputs),),
            train_curve=(fitness,),
            train_seconds=seconds,
            parameters=work.parameters,
            weights=outcome.best if good else None,
        )


@dataclass
class _OneProgram(Planner):
    """Plans one program for all networks: the last one, while it holds them and is not far too large.

    A forward pass is so short that compiling for each architecture that comes along would take nearly all the time.
    """

    def plan(self, networks: Sequence[Network], epochs: Sequence[int], workload: Workload) -> list[Part]:
        """See `Planner.plan`."""
        tight = replace(union_of([self.need(network, workload) for network in networks], workload), steps=0, epochs=1)
        shape = self.book[-1] if self.book else None
        if (
            shape is None
            or union_of([shape, tight], workload) != shape
            or weights_of(shape) > _MOST_WASTE * weights_of(tight)
        ):
            slots = 1
            while slots < min(len(networks), _MOST_SLOTS):
                slots *= 2
            shape = replace(tight, slots=slots)
            while shape.slots > 1 and pack_bytes(shape) > workload.memory_bytes:
                shape = replace(shape, slots=shape.slots // 2)
        self.book = [shape]
        return [Part(shape, tuple(range(len(networks))), 1.0)]


def _untrained(network: Network) -> Network:
    """The network without what plays a part in training only: programs need not hold it."""
    nothing = (0.0,) * len(network.widths)
    return replace(
        network, dropouts=nothing, penalties=(*nothing, 0.0), optimizer="sgd", batch_size=1, schedule="constant"
    )


def _with_training_rows(split: Split) -> Split:
    """The training rows behind the validation rows; of those to train on, one is left, for the programs' shapes."""
    return Split(
        x_train=split.x_train[:1],
        y_train=split.y_train[:1],
        x_validation=np.concatenate([split.x_validation, split.x_train]),
        y_validation=np.concatenate([split.y_validation, split.y_train]),
    )
