"""Ranges and choices: their elements, and how values are drawn and varied."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomes import Choice, Range
from genomes.checks import Real, Truth, Whole, Word
from genomes.domains import domain_to_json, read_domain

DOMAINS = {
    "whole": (Range(1, 9), Whole(0, 100)),
    "two": (Range(1, 2), Whole(0, 100)),
    "whole, log": (Range(1, 1000, log=True), Whole(0, 1000)),
    "whole or 0": (Range(3, 5, zero=True), Whole(0, 100)),
    "real": (Range(-1.0, 1.0), Real(-2.0, 2.0)),
    "real, log": (Range(1e-6, 1e-1, log=True), Real(0.0, 1.0)),
    "real or 0": (Range(1e-6, 1e-1, log=True, zero=True), Real(0.0, 1.0)),
    "numbers": (Choice((1, 5, 3)), Whole(0, 10)),
    "words": (Choice(("a", "b")), Word(("a", "b", "c"))),
    "truths": (Choice((True, False)), Truth()),
    "fixed": (Choice((0.5,)), Real(0.0, 1.0)),
}
every_domain = pytest.mark.parametrize(("domain", "kind"), DOMAINS.values(), ids=DOMAINS.keys())
quick = settings(max_examples=50, deadline=None, derandomize=True)


@every_domain
@quick
@given(seed=st.integers(0, 2**32 - 1))
def test_values_are_members_of_their_domain(domain, kind, seed):
    rng = np.random.default_rng(seed)
    value = domain.sample(rng)
    other = domain.vary(value, rng)
    for member in (value, other):
        assert domain.contains(member)
        assert kind.read(member, "here") == member
        assert type(member) in (int, float, str, bool)
        assert 0.0 <= domain.position(member) <= 1.0
    assert (other == value) == domain.is_fixed


@every_domain
def test_domains_survive_json(domain, kind):
    assert read_domain(domain_to_json(domain), kind, "here") == domain


@pytest.mark.parametrize("name", ["whole", "two", "whole or 0", "numbers", "words"])
def test_variation_reaches_every_member(name):
    domain, rng = DOMAINS[name][0], np.random.default_rng(0)
    value, seen = domain.sample(rng), set()
    for _ in range(1000):
        value = domain.vary(value, rng)
        seen.add(value)
    assert seen == {value for value in (*range(12), "a", "b") if domain.contains(value)}


def test_whole_numbers_are_drawn_evenly():
    rng = np.random.default_rng(0)
    counts = np.bincount([Range(1, 4).sample(rng) for _ in range(4000)], minlength=5)
    assert counts[0] == 0
    assert (np.abs(counts[1:] - 1000) < 120).all()


def test_zero_is_a_quarter_of_the_draws_and_positions_ascend():
    domain, rng = Range(1e-4, 1e-1, log=True, zero=True), np.random.default_rng(0)
    assert 0.22 < np.mean([domain.sample(rng) == 0 for _ in range(4000)]) < 0.28
    positions = [domain.position(value) for value in (0, 1e-4, 1e-3, 1e-2, 1e-1)]
    assert positions == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])
    assert not domain.contains(5e-5)


@pytest.mark.parametrize(
    ("domain", "low", "high", "expected"),
    [
        (Range(1, 9), 3, 5, Range(3, 5)),
        (Range(1, 9), 9, 20, Choice((9,))),
        (Range(1, 9), 10, 20, None),
        (Range(3, 9, zero=True), 0, 2, Choice((0,))),
        (Range(3, 9, zero=True), 0, 3, Choice((0, 3))),
        (Range(3, 9, zero=True), 1, 5, Range(3, 5)),
        (Choice((1, 5, 3)), 2, 9, Choice((5, 3))),
        (Choice((1, 5, 3)), 6, 9, None),
    ],
)
def test_restrict(domain, low, high, expected):
    assert domain.restrict(low, high) == expected
