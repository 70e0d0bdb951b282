"""The trainer for CPUs: one network per thread, at its exact shapes, in compiled loops.

1. `kernels/`: the table of operations that networks consist of, and their code.
2. `lowering.py`: converts an architecture graph into a `Program` of instructions.
3. `compilation.py`: compiles the kernels once per machine and loads them in milliseconds, without numba.
4. `training.py`: one training run, from weights to a snapshot.
5. `trainer.py`: `NativeTrainer`, which implements `Trainer`; `threads.py`: the threads in which it trains.

User-defined compiled Keras models that consist of supported parts only are trained by the same kernels. These modules
import Keras:

    >>> lowered = lower_model(model)                                                        # doctest: +SKIP
    >>> lowered.reason if isinstance(lowered, Refused) else lowered.predict(x)              # doctest: +SKIP

`keras_graph.py` decomposes a model into steps; `keras_inputs.py`, `keras_layers.py`, `keras_losses.py`,
`keras_metrics.py` and `keras_optimizers.py` hold tables with one row per supported kind, and refuse everything else
(`refusal.py`); `keras_model.py` assembles a `LoweredModel`. `keras_training.py` trains it epoch by epoch and writes the
results back into the Keras model; `keras_fit.py` replaces `keras.Model.fit`.
"""

from evonas.training.native.trainer import NativeTrainer

__all__ = ["NativeTrainer"]
