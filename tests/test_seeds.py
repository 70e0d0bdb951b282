"""Every stream has a distinct tag, and no two streams give the same numbers, whatever the seed and the indices."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np

from evonas.seeds import RandomStream, candidate_seed, generation_rng, stream_rng, stream_seed

ROOT = Path(__file__).parents[1]


def first_draw(stream: RandomStream, seed: int, *numbers: int | str) -> int:
    return int(stream_rng(stream, seed, *numbers).integers(2**63))


def test_streams_differ_pairwise() -> None:
    assert len({int(stream) for stream in RandomStream}) == len(RandomStream.__members__)
    seeds = [0, 1, 2, 7, 12, 2**31, 2**32, 2**32 + 1, 2**63 - 1]
    numbers: list[tuple[int | str, ...]] = [
        (),
        (0,),
        (1,),
        (2,),
        (12,),
        (0, 0),
        (0, 1),
        (1, 2),
        (1, "kernel"),
        ("1", 2**32),
    ]
    keys = [(stream, seed, *given) for stream in RandomStream for seed in seeds for given in numbers]
    assert len({first_draw(*key) for key in keys}) == len(keys)
    assert first_draw(*keys[5]) == first_draw(*keys[5])


def test_trailing_zeros_make_another_stream() -> None:
    """numpy pads entropy with zeros: the data split and the first generation once drew the same numbers."""
    for seed in range(50):
        split, generation = stream_rng(RandomStream.SPLIT, seed), generation_rng(seed, 0)
        plain = np.random.default_rng(np.random.SeedSequence(seed))
        assert len({rng.random() for rng in (split, generation, plain)}) == 3


def test_seeds_of_trainings_are_positive_and_differ() -> None:
    seeds = {candidate_seed(3, f"{digest:064x}", replicate) for digest in range(40) for replicate in range(3)}
    seeds |= {stream_seed(RandomStream.REPLICATE, 3, fold, replicate) for fold in range(5) for replicate in range(5)}
    assert len(seeds) == 145
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_no_other_module_makes_seed_sequences() -> None:
    """Custom entropy would be a stream without a tag."""
    found = {
        str(path.relative_to(ROOT))
        for package in ("evonas", "genomes")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("SeedSequence", "default_rng")
    }
    # The checks of spaces and strategies draw their own numbers.
    assert {path for path in found if not path.startswith("evonas/testing/")} == {"evonas/seeds.py"}
