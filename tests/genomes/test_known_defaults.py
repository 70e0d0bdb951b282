"""Published defaults as genomes: known by name, and contained in every space that can express them."""

from __future__ import annotations

import pytest

from genomes import Choice, DenseSpace, Range
from genomes.dense.genes import gene_of
from genomes.dense.known_defaults import RECIPES, TASKS
from genomes.known_defaults import known_default_name, known_defaults
from tests.genomes.dense_spaces import SPACES


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", SPACES)
def test_they_are_different_members_that_are_known_by_name(name: str, task: str) -> None:
    space = SPACES[name]
    digests = []
    for variants in known_defaults(space, task):
        widths = [max((layer.units for layer in genome.layers), default=0) for genome in variants.values()]
        assert widths == sorted(widths, reverse=True)
        for genome in variants.values():
            assert space.contains(genome)
            assert known_default_name(space, genome) in {recipe.name + rest for recipe in RECIPES for rest in ("",)} | {
                f"{recipe.name}, {width} wide" for recipe in RECIPES for width in widths
            }
            digests.append(space.digest(genome))
    assert len(set(digests)) == len(digests)
    assert known_default_name(space, space.typical()) is None or space.digest(space.typical()) in digests


def test_the_default_space_has_all_of_them() -> None:
    for task in TASKS:
        names = [next(iter(variants)) for variants in known_defaults(DenseSpace(), task)]
        assert names == [*("tree cuts", "learned neighbours", "high frequencies", "RealMLP", "TabM", "plain network")]
    found = [next(iter(variants.values())) for variants in known_defaults(DenseSpace(), "multiclass")]
    _, learned, _, realmlp, tabm, _ = found
    assert [genome.output for genome in found].count("neighbours") == 1
    assert (learned.output, learned.embedding, learned.embedding_sigma) == ("neighbours", "periodic", 0.1)
    assert gene_of(realmlp, "beta2") == 0.95
    assert gene_of(realmlp, "label_smoothing") == 0.1
    assert [layer.units for layer in tabm.layers] == [128] * 3
    assert tabm.members == max(DenseSpace().members.options)  # the closest option of the space
    assert tabm.embedding == "linear"
    without = DenseSpace(embedding=("none", "linear"))
    narrow = list(known_defaults(without, "regression")[1])
    assert narrow == ["RealMLP", "RealMLP, 128 wide", "RealMLP, 64 wide", "RealMLP, 32 wide"]


def test_neighbours_are_in_the_most_promising_columns() -> None:
    space = DenseSpace(neighbour_columns=("a", "b", "c"), neighbour_sets=(("a", "c"), ("b",)))
    found = [next(iter(variants.items())) for variants in known_defaults(space, "regression")]
    near = {name: genome.neighbours.columns for name, genome in found if genome.neighbours is not None}
    names = ("plain network with neighbours", "tree cuts with neighbours", "TabM with neighbours")
    assert near == dict.fromkeys(names, ("a", "c"))
    assert found[0][0] == "plain network with neighbours"  # first, since a short search may not have time for another
    off = known_defaults(DenseSpace(neighbours=False), "regression")
    assert all(genome.neighbours is None for variants in off for genome in variants.values())


def test_numbers_are_clipped_to_the_space_and_options_must_be_in_it() -> None:
    space = DenseSpace(layers=2, units=Range(8, 40), batch_size=[16, 32], dropout=0.0, schedule="constant")
    for variants in known_defaults(space, "regression"):
        genome = next(iter(variants.values()))
        assert [layer.units for layer in genome.layers] == [40, 40]
        assert (genome.dropout, genome.training.batch_size, genome.training.schedule) == (0.0, 32, "constant")
    assert known_defaults(DenseSpace(optimizer="sgd"), "regression") == ()
    assert known_defaults(DenseSpace(activation=Choice(("tanh", "elu"))), "regression") == ()


def test_batches_are_small_where_rows_are_few() -> None:
    space = DenseSpace()
    found = (known_defaults(space, "binary", rows) for rows in (None, 2_000, 1_999))
    sizes = [{next(iter(each)): next(iter(each.values())).training.batch_size for each in one} for one in found]
    assert sizes[0] == sizes[1]
    assert (sizes[0]["TabM"], sizes[0]["tree cuts"], sizes[0]["RealMLP"]) == (256, 128, 256)
    assert (sizes[2]["TabM"], sizes[2]["tree cuts"], sizes[2]["RealMLP"]) == (64, 32, 256)
    assert (sizes[0]["learned neighbours"], sizes[2]["learned neighbours"]) == (256, 256)
    few = known_defaults(space, "binary", 500)
    assert [known_default_name(space, genome) for genome in few[2].values()] == list(few[2])
    fixed = DenseSpace(batch_size=128)
    assert known_defaults(fixed, "binary", 500) == known_defaults(fixed, "binary")
