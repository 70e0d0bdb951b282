"""A search interface for unchanged build functions that were written for KerasTuner.

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
`Objective`            a logged metric and its direction, for metrics that evonas does not know
=====================  ==============================================================================================

KerasTuner itself need not be installed. Differences:

- The space is discovered by calling `build` with different values: once for each conditional scope, and also for
  hyperparameters behind Python's `if` and `for`; a custom `fit` is called too, up to the point where it uses the model.
  Names or values revealed only in trials are drawn at random there, and searched from the next generation on.
- Trials run in this process if the model with default values is trained natively, without Keras's `fit`; otherwise in a
  worker process, which receives copies of the function, arrays and callbacks, so that a callback's state stays there.
  `in_process` overrides this. Generators, `tf.data.Dataset`s and `PyDataset`s that cannot be sent are read
  here, batch by batch, while trials train: they are shuffled and augmented again in every epoch, and never held in
  memory as a whole.
- Subclasses of `Evolution` work as in KerasTuner: if they override `run_trial` or an `on_...` method for trials, trials
  run in this process. Overriding a method that would never be called is an error.
- The first trial uses the default values. A failing trial does not stop the search, unless all of the first trials fail
  in the same way, or the objective is not logged.
- A project is an evonas run directory, committed trial by trial. The same tuner on the same directory resumes it; a
  different function, space or data is rejected, unless `overwrite=True`.
- Oracles and distribution strategies are not supported. docs/kerastuner.md lists all names of KerasTuner and their
  counterparts.
"""

from evonas.tuner.arguments import HyperModel
from evonas.tuner.hyperparameters import HyperParameters
from evonas.tuner.objectives import Objective
from evonas.tuner.tuner import Evolution

__all__ = ["Evolution", "HyperModel", "HyperParameters", "Objective"]
