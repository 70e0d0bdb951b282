"""Augmentation changes samples by the specified amounts, and equal seeds change them equally."""

from __future__ import annotations

import numpy as np
import pytest

from evonas.training.augmentation import Augmentation, augmentation_of

IMAGE = (8, 6, 2)
X = np.random.default_rng(0).normal(size=(40, 96)).astype(np.float32)


def augment(x=X, shape=IMAGE, seed=1, masked=False, **options):
    rng = np.random.default_rng(seed)
    return Augmentation(shape, masked=masked, **options).apply(x, rng).reshape(-1, *shape)


def test_half_of_the_images_are_mirrored():
    given, found = X.reshape(-1, *IMAGE), augment(flip=True)
    mirrored = [bool((a == b[:, ::-1]).all()) for a, b in zip(found, given, strict=True)]
    same = [bool((a == b).all()) for a, b in zip(found, given, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 10 < sum(mirrored) < 30


@pytest.mark.parametrize("shape", [IMAGE, (48, 2)], ids=["images", "series"])
def test_a_shift_moves_by_whole_places_within_its_bound(shape):
    given, found = X.reshape(-1, *shape), augment(shape=shape, shift=0.25)
    furthest = [int(0.25 * side) for side in shape[:-1]]
    moves = set()
    for before, after in zip(given, found, strict=True):
        padded = np.pad(before, [*((far, far) for far in furthest), (0, 0)])
        starts = np.ndindex(*(2 * far + 1 for far in furthest))
        cuts = {at: padded[tuple(slice(k, k + n) for k, n in zip(at, shape[:-1], strict=True))] for at in starts}
        moves |= {at for at, cut in cuts.items() if (cut == after).all()}
        assert any((cut == after).all() for cut in cuts.values())
    assert len(moves) > 5


def test_rotation_by_zero_is_the_identity_and_by_half_a_turn_flips():
    from evonas.training.augmentation import _move

    class Fixed:
        """Always draws the upper bound."""

        def uniform(self, low, high, size):
            return np.full(size, high)

    given = X.reshape(-1, *IMAGE)
    np.testing.assert_allclose(_move(given, Fixed(), 0.0, 0.0, 0.0), given, atol=1e-6)
    np.testing.assert_allclose(_move(given, Fixed(), 0.0, 0.5, 0.0), given[:, ::-1, ::-1], atol=1e-4)
    down = _move(given, Fixed(), 0.5, 0.0, 0.0)
    np.testing.assert_allclose(down[:, 4:, 3:], given[:, :4, :3], atol=1e-5)
    assert not down[:, :4].any()


def test_cutout_is_a_square_of_that_side():
    cut = (augment(np.ones_like(X), cutout=0.5) == 0).all(axis=-1)
    assert max(area.sum() for area in cut) == 4 * 3
    assert all(area.any() for area in cut)


def test_masked_steps_stay_masked():
    series = X.reshape(-1, 16, 6).copy()
    series[:, :, -1] = 1.0
    series[:, 10:] = 0.0
    found = augment(series.reshape(40, -1), (16, 6), masked=True, noise=0.5)
    np.testing.assert_array_equal(found[:, 10:], 0.0)
    np.testing.assert_array_equal(found[..., -1], series[..., -1])
    assert np.std(found[:, :10, :-1] - series[:, :10, :-1]) == pytest.approx(0.5, rel=0.1)


def test_mixup_mixes_samples_and_targets_alike():
    y = np.eye(3, dtype=np.float32)[np.arange(40) % 3]
    x, mixed, weight = Augmentation((40, 3), mixup=0.4).mix(y, y, y[:, 0], np.random.default_rng(0))
    np.testing.assert_allclose(x, mixed)
    np.testing.assert_allclose(mixed.sum(axis=1), 1.0, rtol=1e-5)
    assert ((mixed > 0.05) & (mixed < 0.95)).any()
    np.testing.assert_allclose(weight, mixed[:, 0])


def test_equal_draws_change_samples_equally_and_tokens_are_left_alone():
    options = {"flip": True, "shift": 0.2, "rotation": 0.1, "zoom": 0.2, "noise": 0.1, "cutout": 0.2}
    np.testing.assert_array_equal(augment(**options), augment(**options))
    assert (augment(**options) != augment(seed=2, **options)).any()
    assert augment(**options).dtype == np.float32
    assert augmentation_of({"flip": True}, (10,)) is None
    assert augmentation_of({"flip": False}, IMAGE) is None
    assert augmentation_of({"flip": True}, IMAGE) == Augmentation(IMAGE, flip=True)
