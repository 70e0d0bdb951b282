"""`Streams`: sources stay in their process and are read batch by batch on request from another one."""

from __future__ import annotations

import itertools
import os
import threading

import pytest

from evonas.io.batch_streams import Streams
from genomes import InputError


class Batches:
    """Numbered batches that are notified of epochs."""

    def __init__(self):
        self.epochs = []

    def __getitem__(self, number):
        return number * 10

    def on_epoch_end(self):
        self.epochs.append("end")


def test_a_generator_continues_and_a_data_set_restarts():
    with Streams() as streams:
        counting = streams.add("generator", "x", (number for number in itertools.count()))
        passes = itertools.count()
        again = streams.add("dataset", "x", None, begun=lambda _: iter([next(passes), "last"]))
        for wanted in ([0, 1], [2, 3]):
            reading = counting.batches()
            assert list(itertools.islice(reading, 2)) == wanted
            reading.close()
        assert list(again.batches()) == [0, "last"]
        assert list(again.batches()) == [1, "last"]


def test_batches_by_number_and_epochs():
    source = Batches()
    with Streams() as streams:
        stream = streams.add("indexed", "x", source)
        assert stream.called("batch 4") == 40
        stream.called("epoch begin")
        stream.called("epoch end")
    assert source.epochs == ["end"]


def test_errors_of_a_source_are_passed_on_and_exhausted_generators_are_refused():
    with Streams() as streams:
        short = streams.add("generator", "validation_data", iter([1]))
        assert list(short.batches()) == [1]
        with pytest.raises(
            InputError, match=r"validation_data must be a generator without end.* ended after 1 batches"
        ):
            list(short.batches())
        bad = streams.add("dataset", "x", 5)
        with pytest.raises(RuntimeError, match=r"x raised an error in the process that reads it(?s:.*)not iterable"):
            list(bad.batches())


def test_nothing_is_left_behind_and_requests_need_the_key():
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    with Streams() as streams:
        stream = streams.add("dataset", "x", [1, 2])
        with pytest.raises(Exception, match=r"digest|authentication"):
            list(type(stream)(stream.address, b"guessed", 0, "dataset", "x").batches())
        assert list(stream.batches()) == [1, 2]
        reading = stream.batches()
        assert next(reading) == 1  # someone is still reading
    assert not os.path.exists(stream.address)
    assert threading.active_count() == threads
    reading.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors
