"""Native training of user-defined compiled Keras models that consist of supported parts only. Imports Keras.

    >>> lowered = lower_model(model)                                                        # doctest: +SKIP
    >>> lowered.reason if isinstance(lowered, Refused) else lowered.predict(x)              # doctest: +SKIP

`graph.py` decomposes a model into steps; `inputs.py`, `layers.py`, `losses.py`, `metrics.py` and `optimizers.py` hold
tables with one row per supported kind, and refuse everything else; `model.py` assembles a `LoweredModel`. `training.py`
trains it epoch by epoch and writes the results back into the Keras model; `fit.py` replaces `keras.Model.fit`.
"""
