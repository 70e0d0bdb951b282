"""Training: the only part of evonas that imports Keras and its backends. It runs in the worker process.

The steps for a network:

1. `evonas.training_tasks` defines the inputs: `TrainingTask` (one network), `TrainingSettings` (common to all) and the
   `Trainer` protocol; `evonas.export_tasks` those of an export.
2. `evonas.networks` computes initial weights, data order and learning rates in numpy, equally for all trainers.
3. `native` trains each network individually on a CPU; `population` trains a generation in a few compiled programs;
   `single` trains one `keras.Model` at a time with `fit`, and is the reference. User-defined models are trained by
   `single.user_model`; `single.trials` runs a `Trial`, which fits and scores by itself: `single.keras_tuner`
   (KerasTuner), `single.cross_validation` (scikit-learn).
4. `model` builds the `keras.Model` of an architecture graph; `export` writes it as a file that plain Keras opens.

With `KERAS_BACKEND=jax`, nothing here imports TensorFlow.
"""
