"""Training: the only part of evonas that imports Keras and its backends. It runs in the worker process.

The steps for a network:

1. `evonas.tasks` defines the inputs: `TrainingTask` (one network), `TrainingSettings` (the same for all), the
   `Trainer` protocol, and the values of an export.
2. `evonas.networks` draws initial weights, data order and learning rates in plain numpy: the same for every trainer.
3. `native` trains each network by itself on a CPU; `population` a whole generation in a few compiled programs; `single`
   one `keras.Model` at a time with `fit`, and is the reference. What a user's function builds goes through
   `single.user_model`; `single.trials` leaves all to a `Trial`, which fits and scores by itself: `single.keras_tuner`
   (KerasTuner's way), `single.cross_validation` (scikit-learn's).
4. `model` builds the `keras.Model` of an architecture graph; `export` writes it as a file that plain Keras opens.

With `KERAS_BACKEND=jax`, nothing here imports TensorFlow.
"""
