"""Callbacks of a running search: your own, and the built-in trackers.

==========================  ==========================================================================================
`Callback`                  called at the start, after evaluations and generations, and at the end
`EvaluatedCandidate`        a trained network: generation and index, genes and evaluation
`read_evaluated(run)`       all networks that a run has committed, as `EvaluatedCandidate`s
`tensorboard.TensorBoard`   learning curves, and genes with scores in the HPARAMS tab
`mlflow.MLflow`             a run with a nested run for each network, the exported model and the report
`wandb.WandB`               an offline run of Weights & Biases
`trackers_of(...)`          the trackers requested by a command's options
==========================  ==========================================================================================

    class Best(evonas.Callback):
        def on_generation(self, generation):
            print(generation.number, generation.best)

    evonas.search(x, y, callbacks=[Best()])

A callback that fails does not make the search fail: a message reports it, and it is not called again. A tracker logs
each network once, identified by its generation and index, even if the run is interrupted and resumed. A tracker's
library is loaded when the tracker is created. Imports no Keras and no pandas.
"""

from evonas.trackers.callback import Callback, EvaluatedCandidate, read_evaluated
from evonas.trackers.choose import trackers_of

__all__ = ["Callback", "EvaluatedCandidate", "read_evaluated", "trackers_of"]

#: Former name of `read_evaluated`.
evaluated_in = read_evaluated
