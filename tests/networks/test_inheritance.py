"""What a child computes with its parent's weights: the same where its change allows it, nearly the same elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from evonas.networks.alignment import align_nodes
from evonas.networks.forward import ACTIVATIONS, forward
from evonas.networks.inheritance import inherit_weights
from evonas.networks.initial import initial_weights
from genomes.architecture.embedding import with_columns
from genomes.dense import DenseSpace
from genomes.domains import Range
from tests.training.networks import NUMERIC, graph

SKIPS = [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)]
NORMALIZATIONS = ("none", "batch", "layer")
ROWS = np.random.default_rng(0).normal(size=(300, 4))


def weights_after_training(network, num_outputs=2, seed=3):
    """Weights as after a training: none has its initial value."""
    weights = initial_weights(network, 4, num_outputs, seed)
    rng = np.random.default_rng(seed)
    return {
        name: (value + 0.3 * np.abs(rng.normal(size=value.shape))).astype(np.float32) for name, value in weights.items()
    }


def child_outputs(parent, child, num_outputs=2, seed=3):
    """Outputs of the parent and of the child with its weights, and whether inheritance claims that they are equal."""
    weights = weights_after_training(parent, num_outputs, seed)
    initial = initial_weights(child, 4, num_outputs, 5)
    found, same = inherit_weights(parent, weights, child, initial, ROWS[:200], np.random.default_rng(1))
    assert {name: value.shape for name, value in found.items()} == {n: value.shape for n, value in initial.items()}
    assert all(value.dtype == np.float32 for value in found.values())
    before, after = (forward(g, w, ROWS).outputs[len(g) - 1] for g, w in ((parent, weights), (child, found)))
    return before, after, same


def relu(*widths, edges=None, **attributes):
    return graph(widths, edges, activation="relu", **attributes)


KEPT = {
    "itself": (relu(8, 6), relu(8, 6)),
    "wider": (relu(8, 6), relu(13, 6)),
    "all wider, a single output behind": (graph((8, 6)), graph((9, 31))),
    "wider, batch normalisation": (relu(8, 6, normalization="batch"), relu(11, 7, normalization="batch")),
    "twice as wide, layer normalisation": (relu(8, 6, normalization="layer"), relu(16, 12, normalization="layer")),
    "wider, with skip connections": (relu(8, 6, edges=SKIPS), relu(12, 9, edges=SKIPS)),
    "deeper": (relu(8, 6), relu(8, 6, 6)),
    "deeper and wider": (relu(8), relu(8, 12, 12)),
    "a copy in the middle": (relu(8, 6), relu(8, 8, 6)),
    "deeper, batch normalisation": (relu(8, normalization="batch"), relu(8, 8, normalization="batch")),
    "a layer on the input, wide enough for both signs": (relu(8), relu(8, 8)),
    "deeper, silu, wide enough for both signs": (graph((8,), activation="silu"), graph((8, 17), activation="silu")),
    "deeper, linear": (graph((8,), activation="linear"), graph((8, 8), activation="linear")),
    "deeper, with skip connections": (
        relu(8, edges=[(0, 1), (0, 2), (1, 2)]),
        relu(8, 9, edges=[(0, 1), (0, 3), (1, 2), (2, 3)]),
    ),
    "one more edge": (relu(8, 6), relu(8, 6, edges=SKIPS)),
    "batch normalisation from none": (relu(8, 6), relu(8, 6, normalization="batch")),
    "none from batch normalisation": (relu(8, 6, normalization="batch"), relu(8, 6)),
    "parametric from none": (relu(8, 6), relu(13, 6, parametric=True)),
    "parametric, wider": (relu(8, 6, parametric=True), relu(13, 7, parametric=True)),
    "parametric, batch normalisation from none": (
        graph((8, 6), parametric=True),
        graph((11, 6), parametric=True, normalization="batch"),
    ),
    "other training": (relu(8), relu(8, dropout=0.3, l2=0.1, batch_size=64, optimizer="sgd", learning_rate=1.0)),
}
NEAR = {
    "narrower": (relu(16, 12), relu(11, 12)),
    "one layer less": (relu(8, 8, 8), relu(8, 8)),
    "one edge less": (relu(8, 6, edges=SKIPS), relu(8, 6)),
    "another activation": (graph((8, 8), activation="tanh"), graph((8, 8), activation="gelu")),
    "layer normalisation from none": (relu(8, 6), relu(8, 6, normalization="layer")),
    "none from layer normalisation": (relu(8, 6, normalization="layer"), relu(8, 6)),
    **{f"deeper, {name}": (graph((8,), activation=name), graph((8, 8), activation=name)) for name in ACTIVATIONS},
}


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("num_outputs", [1, 3])
def test_the_function_is_kept(name, num_outputs):
    before, after, same = child_outputs(*KEPT[name], num_outputs)
    assert same
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5 * np.abs(before).max())


@pytest.mark.parametrize("name", NEAR)
def test_functions_that_cannot_be_kept_are_close(name):
    errors = []
    for seed in range(8):
        before, after, same = child_outputs(*NEAR[name], seed=seed)
        errors.append(((after - before) ** 2).mean() / before.var())
        assert same == (errors[-1] < 1e-9)
    assert np.median(errors) < 0.4


def test_copies_of_a_unit_learn_differently():
    """Their outgoing weights differ, hence so do their gradients, also in sign, which is all that matters to Adam."""
    parent, child = relu(8), relu(16)
    weights = weights_after_training(parent, 1)
    found, _ = inherit_weights(parent, weights, child, initial_weights(child, 4, 1, 5), ROWS, np.random.default_rng(1))
    np.testing.assert_array_equal(
        np.unique(found["layer_1/kernel"], axis=1), np.unique(weights["layer_1/kernel"], axis=1)
    )
    assert len(np.unique(found["output/kernel"])) == 16


def test_networks_are_aligned_layer_by_layer():
    a, b = relu(8, 16, 32), relu(8, 32)
    assert align_nodes(a, b) == {0: 0, 1: 1, 2: 3, 3: 4}
    assert align_nodes(b, a) == {0: 0, 1: 1, 3: 2, 4: 3}
    assert align_nodes(relu(8), relu(8, 8)) == {0: 0, 1: 1, 3: 2}
    assert align_nodes(relu(8), graph((9,))) == {0: 0, 1: 1, 2: 2}
    assert align_nodes(relu(), relu(8)) == {0: 0, 2: 1}


def graph_of(space, genome):
    return with_columns(space.architecture(genome), NUMERIC)


@pytest.mark.parametrize("skips", [False, True])
def test_every_mutation_and_crossover_can_be_inherited(skips):
    space, rng = DenseSpace(units=Range(4, 24), skip_connections=skips), np.random.default_rng(7)
    kept = {name: [] for name in space.mutations}
    for _ in range(10):
        genome = space.sample(rng)
        for name in kept:
            child, operator = space.mutate(genome, rng, name)
            _, after, same = child_outputs(graph_of(space, genome), graph_of(space, child))
            assert np.isfinite(after).all()
            kept[operator].append(same)
        crossed = space.crossover(genome, space.sample(rng), rng)
        assert np.isfinite(child_outputs(graph_of(space, genome), graph_of(space, crossed))[1]).all()
    assert all(kept["scale_learning_rate"])
    assert np.mean(kept["change_training_gene"]) > 0.5


@pytest.mark.keras
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_the_forward_pass_is_that_of_keras(normalization):
    from evonas.training.model import build_model, set_weights

    for activation in ACTIVATIONS:
        network = graph((6, 5), SKIPS, activation=activation, normalization=normalization)
        model, weights = build_model(network, 4, 2), weights_after_training(network)
        set_weights(model, weights)
        expected = model(ROWS.astype(np.float32)).numpy()
        np.testing.assert_allclose(forward(network, weights, ROWS).outputs[3], expected, rtol=1e-4, atol=1e-5)
