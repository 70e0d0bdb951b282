"""`open_streams`: streams from another process in a form for `keras.Model.fit`. See `evonas.io.batch_streams`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from evonas.io.batch_streams import Stream

__all__ = ["open_streams"]

#: Number of batches of a data set to prefetch.
_AHEAD = 2


def open_streams(value: Any) -> Any:
    """Replaces the streams in a value by the generators, `tf.data.Dataset`s or `PyDataset`s that they represent."""
    if isinstance(value, Stream):
        return _OPENED[value.kind](value)
    if isinstance(value, Mapping) and any(_holds_streams(part) for part in value.values()):
        return {name: open_streams(part) for name, part in value.items()}
    if isinstance(value, (tuple, list)) and any(map(_holds_streams, value)):
        return type(value)(map(open_streams, value))
    return value


def _holds_streams(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return any(isinstance(part, Stream) for part in value)
    return isinstance(value, (Stream, Mapping))


def _dataset(stream: Stream) -> Any:
    import tensorflow as tf

    found = tf.data.Dataset.from_generator(stream.batches, output_signature=stream.spec)
    if stream.count is not None:
        found = found.apply(tf.data.experimental.assert_cardinality(stream.count))
    return found.prefetch(_AHEAD)


def _index(stream: Stream) -> keras.utils.PyDataset:
    class Remote(keras.utils.PyDataset):  # type: ignore[misc]
        @property
        def num_batches(self) -> int | None:
            return stream.count

        def __getitem__(self, index: int) -> Any:
            return stream.called(f"batch {index}")

        def on_epoch_begin(self) -> None:
            stream.called("epoch begin")

        def on_epoch_end(self) -> None:
            stream.called("epoch end")

    return Remote(**(stream.spec or {}))


_OPENED = {"generator": Stream.batches, "dataset": _dataset, "indexed": _index}
