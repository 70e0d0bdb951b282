"""Random streams, each determined by a seed, a tag in `RandomStream` and the numbers of the draw.

Streams do not depend on time, on the process or on earlier draws, so that a resumed run draws the same numbers as an
uninterrupted one. There are two kinds of seeds: the seed of the run, for data splits, strategies and training seeds,
and the seed of one training run, for its weights and the order of its rows.

Imports only the standard library, and numpy when something is drawn.
"""

from __future__ import annotations

import hashlib
import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, unique
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "RandomStream",
    "candidate_seed",
    "draw_seed",
    "first_generation_rng",
    "generation_rng",
    "seeded_random",
    "stream_rng",
    "stream_seed",
    "survival_rng",
    "unchanged_random",
]


@unique
class RandomStream(IntEnum):
    """The purposes of random numbers, with the numbers that identify the draws of a stream.

    Tags must never be changed or reused, since that would change the results of all seeds.
    """

    # Derived from the seed of a run.
    SPLIT = 0
    GENERATION = 1  # generation
    SURVIVAL = 2  # generation
    FIRST_GENERATION = 3
    CANDIDATE = 4  # digest of the genome, replicate
    # Derived from the seed of a training run.
    REPLICATE = 5  # fold, replicate
    INITIAL_WEIGHTS = 6  # node
    EPOCH_ORDER = 7  # epoch
    INHERITANCE = 8  # fold and replicate, counted through
    TRANSFER = 9
    PERTURBATION_POWER = 10
    PERTURBATION = 11  # node, parameter
    LATE_HYPERPARAMETER = 12  # name
    # Independent of training.
    PERMUTED_COLUMNS = 13  # for a report, whose seed is 0
    PROBE = 14  # a sample model, to find out whether models train natively
    # Derived from the seed of a run.
    BASELINE_ROWS = 15  # subset of the training rows for a baseline
    # Independent of any seed (it is 0).
    NEIGHBOUR_COLUMNS = 16
    NEIGHBOUR_ROWS = 17
    EVALUATION_COST = 18  # networks that measure the cost of an evaluation
    # Derived from the seed of a training run.
    AUGMENTATION = 19  # epoch
    BIAS_ROWS = 21  # node
    # Independent of any seed (it is 0).
    ROW_SUBSET = 25  # class
    # Independent of any seed (it is 0).
    RANDOM_CONVOLUTIONS = 24  # dilation
    # Derived from the seed of a training run.
    REFERENCES = 26


def draw_seed() -> int:
    """A fresh run seed, for runs without a given one; must be recorded."""
    return secrets.randbits(31)


def stream_rng(stream: RandomStream, seed: int, *numbers: int | str) -> np.random.Generator:
    """The generator of one stream.

    Args:
        stream: the purpose of the draw.
        seed: seed of the run or of the training run, 0 or more.
        numbers: numbers that identify the draw, with the same count for all draws of a stream.

    Example:
        >>> stream_rng(RandomStream.GENERATION, 7, 0).random() == stream_rng(RandomStream.GENERATION, 7, 0).random()
        True
        >>> stream_rng(RandomStream.GENERATION, 7, 0).random() == stream_rng(RandomStream.SURVIVAL, 7, 0).random()
        False
    """
    import numpy as np

    return np.random.default_rng(_sequence(stream, seed, *numbers))


def stream_seed(stream: RandomStream, seed: int, *numbers: int | str) -> int:
    """A seed in [0, 2**31) derived from another one; arguments as in `stream_rng`."""
    return int(_sequence(stream, seed, *numbers).generate_state(1)[0]) >> 1


def generation_rng(seed: int, generation: int) -> np.random.Generator:
    """The generator of a strategy for one generation."""
    return stream_rng(RandomStream.GENERATION, seed, generation)


def first_generation_rng(seed: int) -> np.random.Generator:
    """The generator of the cheap networks with which a short run starts."""
    return stream_rng(RandomStream.FIRST_GENERATION, seed)


def survival_rng(seed: int, generation: int) -> np.random.Generator:
    """The generator for the draws of a strategy in `tell`."""
    return stream_rng(RandomStream.SURVIVAL, seed, generation)


def candidate_seed(seed: int, digest: str, replicate: int = 0) -> int:
    """The training seed of a network, in [0, 2**31); equal networks of a run start from equal weights."""
    return stream_seed(RandomStream.CANDIDATE, seed, digest, replicate)


def _sequence(stream: RandomStream, seed: int, *numbers: int | str) -> np.random.SeedSequence:
    """Fixed-length entropy of eight words; numpy pads shorter entropy with zeros, so that [7] and [7, 0] would be
    equal.
    """
    import numpy as np

    # Lengths distinguish ("1", "2") from ("1, 2").
    parts = [str(part if isinstance(part, str) else int(part)) for part in (stream, seed, *numbers)]
    text = "".join(f"{len(part)}:{part}" for part in parts)
    words = np.frombuffer(hashlib.sha256(text.encode()).digest(), "<u4").astype(np.uint32)
    return np.random.SeedSequence(words)


@contextmanager
def unchanged_random() -> Iterator[None]:
    """Restores the global generators of Python and numpy, which Keras uses when it builds models, on exit."""
    import numpy as np

    state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)  # noqa: NPY002


@contextmanager
def seeded_random(rng: np.random.Generator) -> Iterator[None]:
    """Seeds the global generators of Python and numpy, which DEAP uses, and restores them on exit."""
    import numpy as np

    state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(int(rng.integers(2**63)))
    np.random.seed(int(rng.integers(2**32)))  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)  # noqa: NPY002
