"""A user's build functions and data for them: small models of every sort."""

from __future__ import annotations

import numpy as np

from genomes import HyperparameterSpace, Range

SPACE = HyperparameterSpace({"units": Range(4, 16), "learning_rate": 0.01, "batch_size": 16})


def rows(shape, count=120, seed=0):
    """Noise of that shape, with a signal in its mean."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=count)
    return rng.normal(size=(count, *shape)) * 0.5 + signal.reshape(-1, *[1] * len(shape)), signal


def convolutional(genes):
    """Uncompiled, softmax, not built yet."""
    import keras

    return keras.Sequential(
        [
            keras.layers.Conv2D(genes.units, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def recurrent(genes):
    """Compiled, a regression in the target's original units, on sequences."""
    import keras

    x = keras.Input((6, 2))
    model = keras.Model(x, keras.layers.Dense(1)(keras.layers.GRU(genes.units)(x)))
    model.compile(keras.optimizers.RMSprop(0.02), loss="huber")
    return model


def two_inputs(genes, problem):
    """Uncompiled, one logit, words beside numbers."""
    import keras

    words = keras.Input((5,), name="words", dtype="int32")
    numbers = keras.Input((3,), name="numbers")
    h = keras.layers.Flatten()(keras.layers.Embedding(10, 4)(words))
    h = keras.layers.Dense(genes["units"], activation="relu")(keras.layers.Concatenate()([h, numbers]))
    return keras.Model({"words": words, "numbers": numbers}, keras.layers.Dense(problem.num_outputs)(h))


def images():
    """Three classes by brightness, shape `(120, 6, 6, 1)`."""
    x, signal = rows((6, 6, 1))
    return x, np.digitize(signal, [-0.5, 0.5])


def sequences():
    """Numbers around 50, shape `(120, 6, 2)`."""
    x, signal = rows((6, 2))
    return x, 50 + 3 * signal


def mixed_inputs():
    """A yes/no target from words and numbers."""
    x, signal = rows((3,))
    words = np.random.default_rng(1).integers(0, 10, (len(x), 5))
    return {"words": words, "numbers": x}, np.where(signal > 0, "yes", "no")


KINDS = {
    "convolutional": (convolutional, images),
    "recurrent": (recurrent, sequences),
    "two inputs": (two_inputs, mixed_inputs),
}
