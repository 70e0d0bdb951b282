"""Where randomness comes from: every stream of a run is a function of the run's seed and of what it is for.

Nothing here depends on time, on the process or on what was drawn before, hence a resumed run draws what the straight
run drew. Imports numpy, when something is drawn, and the standard library only.
"""

from __future__ import annotations

import hashlib
import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "candidate_seed",
    "draw_seed",
    "first_generation_rng",
    "generation_rng",
    "seeded_random",
    "survival_rng",
    "unchanged_random",
]

# Streams of one run seed; numbers, so that adding one never shifts another.
_GENERATION, _CANDIDATE, _SURVIVAL, _FIRST = 0, 1, 2, 3


def draw_seed() -> int:
    """A fresh run seed, for those who gave none; record it."""
    return secrets.randbits(31)


def generation_rng(seed: int, generation: int) -> np.random.Generator:
    """The generator of everything that a strategy draws for one generation."""
    return _rng(seed, _GENERATION, generation)


def first_generation_rng(seed: int) -> np.random.Generator:
    """The generator of cheap networks that a run of short time begins with."""
    import numpy as np

    return np.random.default_rng(np.random.SeedSequence([seed, _FIRST, 0]))


def survival_rng(seed: int, generation: int) -> np.random.Generator:
    """The generator of what a strategy draws when a generation is told, for those that draw then too."""
    return _rng(seed, _SURVIVAL, generation)


def candidate_seed(seed: int, digest: str, replicate: int = 0) -> int:
    """The seed of one network's training, in [0, 2**31): equal networks of a run start from equal weights."""
    import numpy as np

    number = int.from_bytes(hashlib.sha256(digest.encode()).digest()[:16], "big")
    words = np.random.SeedSequence([seed, _CANDIDATE, number, replicate]).generate_state(1)
    return int(words[0]) >> 1


def _rng(*words: int) -> np.random.Generator:
    import numpy as np

    return np.random.default_rng(np.random.SeedSequence(words))


@contextmanager
def unchanged_random() -> Iterator[None]:
    """Leaves the global generators of Python and numpy, which Keras draws from when it builds, as they are."""
    import numpy as np

    state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)  # noqa: NPY002


@contextmanager
def seeded_random(rng: np.random.Generator) -> Iterator[None]:
    """Seeds the global generators that DEAP's selection draws from, Python's and numpy's; restores them after."""
    import numpy as np

    state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(int(rng.integers(2**63)))
    np.random.seed(int(rng.integers(2**32)))  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)  # noqa: NPY002
