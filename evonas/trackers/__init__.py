"""Listeners of a running search: your own callbacks, and the trackers that come with evonas.

==========================  ==========================================================================================
`Callback`                  called at start, evaluation, generation and end; all methods are optional
`EvaluatedCandidate`        a trained network: generation and index, genes and evaluation
`read_evaluated(run)`         the same of all networks that a run has committed
`tensorboard.TensorBoard`   learning curves, and genes with scores in the HPARAMS tab
`mlflow.MLflow`             a run with a nested run for each network, the exported model and the report
`wandb.WandB`               an offline run of Weights & Biases
`trackers_of(...)`          those that a command's options ask for
==========================  ==========================================================================================

    class Best(evonas.Callback):
        def on_generation(self, generation):
            print(generation.number, generation.best)

    evonas.search(x, y, callbacks=[Best()])

A callback that fails does not fail the search: a line reports it, and it is not called again. A tracker logs a network
once, by its place in the run, whatever stops and resumes there were between. A tracker's library is loaded when the
tracker is made. Imports no Keras and no pandas.
"""

from evonas.trackers.callback import Callback, EvaluatedCandidate, read_evaluated
from evonas.trackers.choose import trackers_of

__all__ = ["Callback", "EvaluatedCandidate", "read_evaluated", "trackers_of"]

#: The earlier name.
evaluated_in = read_evaluated
