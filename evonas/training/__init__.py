"""Training: the only part of evonas that imports Keras and what it runs on. It lives in the worker process.

The way of a network:

1. `trainer.py` has the values that come in: `TrainingTask` (one network), `TrainingSettings` (the same for all), and
   the `Trainer` protocol. It imports no Keras, nor does `deployment.py`, which has those of an export.
2. `initial.py` and `schedule.py` draw initial weights, data order and learning rates in plain numpy: the same for every
   trainer.
3. `population.py` trains a whole generation in a few compiled programs; `single.py` trains one `keras.Model` at a time
   with `fit`, and is the reference; `own.py` does that with what a user's function builds; `trials.py` leaves all to
   a `Trial`, which fits and scores by itself: `tuning.py` (KerasTuner's way), `cross_validation.py` (scikit-learn's).
4. `model.py` builds the `keras.Model` of an architecture graph; `export.py` writes it as a file that plain Keras opens.

With `KERAS_BACKEND=jax`, nothing here imports TensorFlow.
"""
