"""The archive that `evolution` learns from: its ranks stay in order, whatever is added and forgotten."""

from __future__ import annotations

import json

import numpy as np

from evonas.strategies.proposals import EvaluatedProposal, Proposal
from evonas.strategies.ranking import Rank
from evonas.strategies.surrogate.acquisition import MOST_FAILURES, spread_ranks
from evonas.strategies.surrogate.archive import Archive, ArchiveEntry
from tests.toy import ToySpace

SPACE = ToySpace()


def make_archive(count: int, ranks: list[Rank], seed: int = 0) -> Archive:
    """An archive of that many entries, with many ties."""
    rng, archive = np.random.default_rng(seed), Archive()
    for number in range(count):
        genome = SPACE.sample(rng)
        member = EvaluatedProposal(Proposal(genome, SPACE.digest(genome)), ranks[int(rng.integers(len(ranks)))])
        archive.add(ArchiveEntry(member, 1, SPACE.features(genome), (number, 0)), number < 20)
        archive.trim()
    return archive


def best_by_sorting(archive: Archive, count: int) -> list[tuple[int, int]]:
    """`Archive.best` by its definition."""
    tier = min(entry.rank[0] for entry in archive.entries)
    found: dict[str, ArchiveEntry] = {}
    for entry in sorted((entry for entry in archive.entries if entry.rank[0] == tier), key=lambda r: r.rank):
        found.setdefault(entry.member.digest, entry)
    return [entry.place for entry in found.values()][:count]


def test_the_best_match_sorting_also_for_many_and_after_json() -> None:
    for ranks in ([(0, 1.0), (0, 0.5), (0, 2.0), (1, 0.1), (2, 0.0)], [(1, 0.3), (1, 0.2), (2, 0.0)]):
        for count in (3, 50, 1_000):
            archive = make_archive(count, ranks)
            assert len(archive.entries) < 800
            assert [entry.place for entry in archive.best(12)] == best_by_sorting(archive, 12)
            back = Archive.from_json(json.loads(json.dumps(archive.to_json(SPACE))), SPACE)
            assert [entry.place for entry in back.best(30)] == best_by_sorting(archive, 30)


def test_observations_come_from_the_best_tier_and_are_bounded() -> None:
    archive = make_archive(700, [(0, float(loss)) for loss in range(50)] + [(1, 0.5)] * 10 + [(2, 0.0)] * 20)
    observations = archive.observations(lambda entry: entry.features, 80)
    assert observations.features.shape == (80, 3)
    losses = sorted(entry.rank[1] for entry in archive.entries if entry.rank[0] == 0)
    assert observations.losses.tolist() == [losses[place] for place in spread_ranks(len(losses), 80)]
    assert observations.typical == archive.typical
    failed = [entry.features for entry in archive.entries if entry.rank[0] > 0]
    np.testing.assert_array_equal(observations.failures, failed[-MOST_FAILURES:])


def test_few_are_taken_in_the_order_of_their_evaluation() -> None:
    archive = make_archive(30, [(0, 2.0), (0, 1.0)])
    observations = archive.observations(lambda entry: entry.features, 80)
    assert observations.losses.tolist() == [entry.rank[1] for entry in archive.entries]
    assert observations.failures.shape == (0, 3)


def test_thinning_keeps_the_best_and_the_ends() -> None:
    assert spread_ranks(5, 9) == [0, 1, 2, 3, 4]
    kept = spread_ranks(1_000, 100)
    assert kept[:60] == list(range(60))
    assert (len(kept), kept[-1]) == (100, 999)
    assert not Archive().is_informative
    assert not Archive().best(3)
