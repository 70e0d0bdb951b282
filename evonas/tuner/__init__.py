"""Searches a build function that was written for KerasTuner, unchanged.

    >>> from evonas import tuner                                                            # doctest: +SKIP
    >>> search = tuner.Evolution(build_model, objective="val_accuracy", max_trials=30)      # doctest: +SKIP
    >>> search.search(x, y, epochs=10, validation_split=0.2)                                # doctest: +SKIP
    >>> search.results_summary()                                                            # doctest: +SKIP
    >>> model = search.get_best_models()[0]                                                 # doctest: +SKIP

=====================  ==============================================================================================
`Evolution`            the tuner: `search`, `get_best_models`, `get_best_hyperparameters`, `results_summary`,
                       `search_space_summary`, `remaining_trials`
`HyperParameters`      the argument of `build(hp)`: `Int`, `Float`, `Choice`, `Boolean`, `Fixed`,
                       `conditional_scope`, `name_scope`, `get`, `values`
`HyperModel`           base class with `build(hp)` and, optionally, `fit(hp, model, *args, **kwargs)`
`Objective`            a logged metric and its direction, if evonas does not know it
=====================  ==============================================================================================

KerasTuner itself need not be installed. What differs from it:

- The space is found by calling `build`, not only once for each conditional scope but also for what Python's own `if`
  and `for` hide; a `fit` of your own is called, too, up to where it uses the model. What only a trial reveals, other
  names or more values of a known one, is drawn at random there, and searched from the next generation on.
- Trials run in this process where the model of the defaults is trained natively, without Keras's `fit`; else in a
  worker process, which the function, arrays and callbacks are sent to. `in_process` says otherwise. What callbacks
  learn stays there. Generators, `tf.data.Dataset`s and `PyDataset`s that cannot be sent are read
  here, batch by batch, while trials train on them: shuffled and augmented again in every epoch, never held in memory.
- A class derived from `Evolution` is called as in KerasTuner: with a `run_trial` or an `on_...` method for trials its
  trials run in this process. A method of KerasTuner's that would never be called is refused when the class is made.
- The first trial has the defaults. A trial that fails costs that trial; when the first ones all fail alike, the search
  stops. An objective that is not logged stops it too.
- A project is an evonas run directory, committed trial by trial. The same tuner on the same directory continues
  it; one with another function, space or data is refused, unless `overwrite=True`.
- Oracles and distribution strategies are not there. docs/kerastuner.md lists every name of KerasTuner's and what
  becomes of it.
"""

from evonas.tuner.arguments import HyperModel
from evonas.tuner.hyperparameters import HyperParameters
from evonas.tuner.objectives import Objective
from evonas.tuner.tuner import Evolution

__all__ = ["Evolution", "HyperModel", "HyperParameters", "Objective"]
