"""A user's own compiled Keras models, trained natively where everything in them is known. Imports Keras.

    >>> given = lowered(model)                                                              # doctest: +SKIP
    >>> given.reason if isinstance(given, Refused) else given.predict(x)                    # doctest: +SKIP

`graph.py` takes a model apart, `inputs.py`, `layers.py`, `losses.py`, `metrics.py` and `optimizers.py` say what each
part is natively, a row for each kind, and refuse what is in no row; `model.py` puts it together as a `Lowered`.
`training.py` trains one, epoch by epoch, and puts everything back into the model; `fit.py` is `keras.Model.fit`.
"""
