"""A child with convolutions, recurrence or attention computes what its parent does, if the change can preserve it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evonas.networks.forward import raw_outputs
from evonas.networks.inheritance import inherit_weights
from evonas.networks.initial import initial_weights
from evonas.networks.layered import fit_frozen
from evonas.networks.perturbation import perturb
from tests.training.layered import (
    ADD,
    ATTENTION,
    EMBEDDING,
    FLAT,
    IMAGE,
    LEARNED,
    MEAN,
    NETWORKS,
    SERIES,
    TOKENS,
    conv,
    dense,
    make_layered,
    pool,
    recurrent,
    rows,
)


def inherit(parent, child):
    """Outputs of both on separate rows, what the child claims about them, and its weights."""
    (sample, masked), width = parent.graph["sample"], math.prod(parent.graph["sample"][0])
    fitted_to = rows(sample, masked, 70)
    found = perturb(fit_frozen(parent, initial_weights(parent, width, 3, 0), fitted_to), 5)
    trained = {name: np.abs(value) + 0.5 if "variance" in name else value for name, value in found.items()}
    own = fit_frozen(child, initial_weights(child, width, 3, 1), fitted_to)
    weights, kept = inherit_weights(parent, trained, child, own, fitted_to, np.random.default_rng(0))
    assert {name: value.shape for name, value in weights.items()} == {name: value.shape for name, value in own.items()}
    x = rows(sample, masked, 20, seed=3)
    return raw_outputs(parent, trained, x), raw_outputs(child, weights, x), kept, weights


PLAIN = [conv(6), conv(8, stride=2, activation="gelu"), MEAN, dense(5)]
RESIDUAL = [(0, 1), (1, 2), (1, 3), (2, 3), (3, 4), (4, 5)]


def residual(filters, **second):
    return [conv(filters), conv(filters, activation="linear", **second), ADD, MEAN]


SIDE_BY_SIDE = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (4, 5)]


def branches(first, second):
    return [conv(first), conv(second, (5,)), conv(6, (1,)), MEAN]


KEEPING = {
    "same": (make_layered(PLAIN), make_layered(PLAIN)),
    "wider": (make_layered(PLAIN), make_layered([conv(9), conv(11, stride=2, activation="gelu"), MEAN, dense(8)])),
    "deeper": (make_layered(PLAIN), make_layered([conv(6), conv(7), *PLAIN[1:]])),
    "deeper, separable": (make_layered(PLAIN), make_layered([conv(6), conv(6, separable=True), *PLAIN[1:]])),
    "larger kernel": (make_layered([conv(6), conv(4), MEAN]), make_layered([conv(6, (5, 7)), conv(4), MEAN])),
    "flattened": (make_layered([conv(4), pool("max", 4), FLAT]), make_layered([conv(7), pool("max", 4), FLAT])),
    "wider residual": (make_layered(residual(4), RESIDUAL), make_layered(residual(7), RESIDUAL)),
    "new residual": (make_layered([conv(4), MEAN]), make_layered([conv(4), conv(4), ADD, MEAN], RESIDUAL)),
    "wider side by side": (make_layered(branches(3, 4), SIDE_BY_SIDE), make_layered(branches(5, 7), SIDE_BY_SIDE)),
    "wider recurrent": (
        make_layered([recurrent("gru", 4, False, True), recurrent("lstm", 3)], sample=SERIES),
        make_layered([recurrent("gru", 7, False, True), recurrent("lstm", 5)], sample=SERIES),
    ),
    "new attention": (
        make_layered([EMBEDDING, conv(5), MEAN], sample=TOKENS),
        make_layered([EMBEDDING, LEARNED, ATTENTION, conv(5), MEAN], sample=TOKENS),
    ),
}


@pytest.mark.parametrize(("parent", "child"), KEEPING.values(), ids=KEEPING)
def test_the_function_is_kept(parent, child):
    theirs, ours, kept, _ = inherit(parent, child)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    assert kept


def test_copies_become_different():
    *_, weights = inherit(make_layered([conv(3), conv(3), MEAN]), make_layered([conv(6), conv(3), MEAN]))
    kernel = weights["layer_2/kernel"]
    assert np.abs(kernel[:, :, :3] - kernel[:, :, 3:]).min(axis=(0, 1, 3)).max() > 0


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("other", ["images", "residual", "series", "text"])
def test_any_network_may_inherit_from_any_other(name, other):
    if NETWORKS[name].graph["sample"] == NETWORKS[other].graph["sample"]:
        _, ours, kept, _ = inherit(NETWORKS[other], NETWORKS[name])
        assert np.isfinite(ours).all()
        assert kept == (name == other)
        assert np.ptp(ours, axis=0).max() > 0


def test_inexact_inheritance_is_reported():
    for child in ([conv(4), conv(8, stride=2, activation="gelu"), MEAN, dense(5)], [PLAIN[0], PLAIN[2], PLAIN[3]]):
        *_, kept, weights = inherit(make_layered(PLAIN), make_layered(child))
        assert not kept
        assert weights["layer_1/kernel"].shape[:3] == (3, 3, IMAGE[-1])
