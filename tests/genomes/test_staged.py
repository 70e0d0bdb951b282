"""Networks of stages of blocks: valid for data of any size, children differ as they say, files say what is wrong."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomes import ConvolutionalSpace, InputError, Range, SequenceSpace, architecture
from genomes.architecture import count_flops, count_parameters, kinds_of, node_shapes
from genomes.encodings import describe, genome_of_any_space, short_name
from genomes.known_defaults import known_default_name
from genomes.staged import Stage, StagedSpace
from genomes.staged.convolutional_genome import Block, ConvolutionalGenome
from genomes.staged.sequence_genome import SequenceGenome
from genomes.training import replace_fields
from tests.genomes.staged_spaces import STAGED_SPACES

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=20, deadline=None, derandomize=True)

SHAPES = [(1, 1, 1), (8, 8, 1), (13, 2, 3), (5, 3), (1, 1), (100, 12)]


def evolved(space: StagedSpace, seed: int):
    """A genome after some mutations and a crossover."""
    rng = np.random.default_rng(seed)
    genomes = [space.sample(rng), space.sample(rng)]
    for _ in range(int(rng.integers(4))):
        genomes = [space.mutate(genome, rng)[0] for genome in genomes]
    return space.crossover(*genomes, rng)


@few
@given(seed=seeds, shape=st.sampled_from(SHAPES))
def test_children_are_valid_for_data_of_any_size(seed, shape):
    spaces = [ConvolutionalSpace(), STAGED_SPACES["gaps in counts"]] + ([SequenceSpace()] if len(shape) == 2 else [])
    for space in spaces:
        graph = space.architecture(evolved(space, seed))
        assert node_shapes(graph, shape, 3)[len(graph) - 1] == (3,)
        assert count_parameters(graph, math.prod(shape), 3, shape) > 0
        assert count_flops(graph, math.prod(shape), 3, shape) > 0
        assert kinds_of(graph) <= space.layer_kinds


@few
@given(seed=seeds, length=st.integers(1, 300))
def test_children_are_valid_for_texts_of_any_length(seed, length):
    space = SequenceSpace.for_text()
    graph = space.architecture(evolved(space, seed))
    assert graph.nodes[1]["kind"] in ("tokens", "bag_of_words")
    assert node_shapes(graph, (length,), 2)[len(graph) - 1] == (2,)


def test_every_kind_of_layer_that_a_space_names_is_in_some_network():
    for spaces in ([ConvolutionalSpace()], [SequenceSpace(), SequenceSpace.for_text()]):
        found = set()
        for space in spaces:
            for seed in range(30):
                found |= kinds_of(space.architecture(space.sample(np.random.default_rng(seed))))
        assert found == spaces[0].layer_kinds


def chain(*blocks, downsampling="max", **genes):
    stages = tuple(Stage((block,), downsampling) for block in blocks)
    return ConvolutionalGenome(stages, **{"normalization": "none", **genes})


PLAIN = Block(4, 1, 3, separable=False, residual=False, squeeze_excite=0)


def test_graphs_by_hand():
    plain = architecture.draw(ConvolutionalSpace().architecture(chain(PLAIN, head_layers=1, head_units=7)))
    assert [line[1:].strip() for line in plain.splitlines()[::2]] == [
        "input",
        "conv 4 of 3 relu",
        "max pooling by 2",
        "global average pooling",
        "7 relu",
        "output",
    ]
    residual = replace_fields(PLAIN, convolutions=2, residual=True, squeeze_excite=2)
    graph = ConvolutionalSpace().architecture(chain(residual, residual, downsampling="stride"))
    drawn = [line.partition("  ")[2].strip() for line in architecture.draw(graph).splitlines()[::2]]
    block = [
        "conv 4 of 3 relu, stride 2",
        "conv 4 of 3 linear",
        "squeeze and excite by 2",
        "conv 4 of 1 linear, stride 2",
        "add, relu",
    ]
    assert drawn[1:11] == block * 2
    assert node_shapes(graph, (9, 9, 3), 2)[10] == (3, 3, 4)
    same = ConvolutionalSpace().architecture(chain(PLAIN, residual, downsampling="none"))
    assert Counter(same.nodes[node]["kind"] for node in same)["conv"] == 3  # equal shapes are added as they are


def test_a_network_may_see_smaller_images():
    space, whole = ConvolutionalSpace(), chain(PLAIN)
    graph = space.architecture(replace_fields(whole, input_pooling=2))
    assert architecture.draw(graph).splitlines()[2][1:].strip() == "average pooling by 2"
    size = 784, 2, (28, 28, 1)
    assert count_parameters(graph, *size) == count_parameters(space.architecture(whole), *size)
    assert 3.9 < count_flops(space.architecture(whole), *size) / count_flops(graph, *size) < 4.1
    child, name = space.mutate(whole, np.random.default_rng(0), "change_input_pooling")
    assert (child.input_pooling, name) == (2, "change_input_pooling")


def test_convolutions_by_hand_cost_what_they_cost():
    graph = ConvolutionalSpace().architecture(chain(PLAIN, replace_fields(PLAIN, filters=8)))
    first, second, output = 9 * 3 * 4 + 4, 9 * 4 * 8 + 8, 8 * 2 + 2
    assert count_parameters(graph, 192, 2, (8, 8, 3)) == first + second + output
    assert count_flops(graph, 192, 2, (8, 8, 3)) == 2 * (64 * 9 * 3 * 4 + 16 * 9 * 4 * 8 + 8 * 2)


@pytest.mark.parametrize(
    "operator", ["insert_block", "remove_block", "duplicate_block", "insert_stage", "remove_stage"]
)
def test_structural_mutations_change_counts_by_one(operator):
    space, rng = ConvolutionalSpace(stages=Range(1, 4), blocks=Range(1, 4)), np.random.default_rng(0)
    step = -1 if operator.startswith("remove") else 1
    seen = 0
    for _ in range(20):
        parent = space.sample(rng)
        child, name = space.mutate(parent, rng, operator)
        if name == operator:
            seen += 1
            if operator.endswith("stage"):
                assert len(child.stages) == len(parent.stages) + step
            else:
                pairs = list(zip(parent.stages, child.stages, strict=True))
                assert sorted(len(b.blocks) - len(a.blocks) for a, b in pairs)[-1 if step > 0 else 0] == step
    assert seen > 5


@pytest.mark.parametrize("space", [ConvolutionalSpace(), SequenceSpace(), SequenceSpace.for_text()])
def test_moves_change_their_genes_alone(space):
    rng, encoding = np.random.default_rng(1), space.encoding
    for operator, genes in encoding.moves.items():
        for _ in range(10):
            parent = space.sample(rng)
            child, name = space.mutate(parent, rng, operator)
            if name != operator or operator == "change_layer":
                continue
            before, after = (encoding.once_values(genome) for genome in (parent, child))
            changed_genes = {gene for gene in before.keys() & after.keys() if before[gene] != after[gene]}
            for old, new in zip(parent.stages, child.stages, strict=True):
                changed_genes |= {gene for gene in encoding.stage if getattr(old, gene) != getattr(new, gene)}
                for a, b in zip(old.blocks, new.blocks, strict=True):
                    changed_genes |= {gene for gene in encoding.block if getattr(a, gene) != getattr(b, gene)}
            assert len(changed_genes) <= 1
            assert changed_genes <= set(genes)


def test_crossover_is_by_stages():
    space, rng = ConvolutionalSpace(stages=Range(1, 5)), np.random.default_rng(3)
    mixed = 0
    for _ in range(30):
        a, b = space.sample(rng), space.sample(rng)
        child = space.crossover(a, b, rng)
        splits = [
            (one, other)
            for one, other in ((a, b), (b, a))
            for k in range(len(child.stages) + 1)
            if child.stages[:k] == one.stages[:k]
            and (k == len(child.stages) or child.stages[k:] == other.stages[k - len(child.stages) :])
        ]
        assert splits
        mixed += child.stages not in (a.stages, b.stages)
    assert mixed > 5


def test_random_networks_get_wider_and_are_often_trained_on_samples_as_they_are():
    space, rng = ConvolutionalSpace(), np.random.default_rng(0)
    genomes = [space.sample(rng) for _ in range(200)]
    for genome in genomes:
        widths = [block.filters for stage in genome.stages for block in stage.blocks]
        assert widths == sorted(widths)
    for name in ("flip", "rotation", "mixup"):
        assert 0.45 < np.mean([not getattr(genome.training, name) for genome in genomes]) < 0.75


BAD_SPACES = {
    "gene": ({"network": {"filter": 3}}, r"network.filter is not a setting .*did you mean 'filters'"),
    "table": ({"network": {"mixup": 0.1}}, r"network.mixup is not a setting .*move it to \[training\]"),
    "word": (
        {"network": {"downsampling": "maximum"}},
        r"network.downsampling must be one of none, stride, max, average",
    ),
    "stages": ({"network": {"stages": 9}}, r"network.stages must be a whole number from 0 to 8, not 9"),
    "too deep": ({"network": {"stages": 8, "blocks": 8}}, r"network.stages times network.blocks must be at most 32"),
    "number": ({"training": {"rotation": 0.5}}, r"training.rotation must be a number from 0 to 0.25, not 0.5"),
}


@pytest.mark.parametrize(("value", "message"), BAD_SPACES.values(), ids=BAD_SPACES)
def test_bad_spaces_are_refused(value, message):
    with pytest.raises(InputError, match=message):
        ConvolutionalSpace.from_json({"encoding": "convolutional", **value})


BAD_GENOMES = {
    "missing": (
        lambda g: g["stages"][0]["blocks"][0].pop("kernel"),
        r"genome.stages\[0\].blocks\[0\].kernel must be given",
    ),
    "idle": (
        lambda g: g["stages"][0]["blocks"][0].update(heads=2),
        r"blocks\[0\].heads must be absent, as it does nothing",
    ),
    "value": (lambda g: g["stages"][0].update(downsampling="up"), r"genome.stages\[0\].downsampling must be one of"),
    "outside": (
        lambda g: g["stages"][0]["blocks"][0].update(kernel=4),
        r"blocks\[0\].kernel must be in .* of the space",
    ),
    "no block": (lambda g: g["stages"][0].update(blocks=[]), r"genome.stages\[0\].blocks must have at least one block"),
    "training": (lambda g: g["training"].pop("batch_size"), r"genome.training.batch_size must be given and is missing"),
    "unknown": (lambda g: g.update(colour="red"), r"genome.colour is not a setting"),
}


@pytest.mark.parametrize(("change", "message"), BAD_GENOMES.values(), ids=BAD_GENOMES)
def test_bad_genomes_are_refused(change, message):
    space = SequenceSpace(layer="conv")
    value = space.genome_to_json(space.sample(np.random.default_rng(0)))
    change(value)
    with pytest.raises(InputError, match=message):
        space.genome_from_json(value)


def test_what_does_nothing_is_neither_in_genomes_nor_in_their_json():
    space = SequenceSpace()
    for seed in range(20):
        genome = space.sample(np.random.default_rng(seed))
        assert (genome.tokens, genome.vocabulary) == (False, 2)
        for block in (block for stage in genome.stages for block in stage.blocks):
            assert block.layer == "attention" or (block.heads, block.positions) == (1, "none")
        for stage in space.genome_to_json(genome)["stages"]:
            assert all("heads" in block or block["layer"] != "attention" for block in stage["blocks"])


KNOWN = {
    "images": ["small VGG", "small ResNet", "LeNet"],
    "series": ["small MiniRocket", "MiniRocket", "FCN", "ResNet of series", "TCN", "GRU"],
    "texts": [
        "bag of words",
        "bag of words and pairs",
        "mean of word vectors",
        "convolution over words",
        "bidirectional LSTM",
    ],
}


@pytest.mark.parametrize(("name", "wanted"), KNOWN.items())
def test_published_networks_are_members_known_by_name(name, wanted):
    space = STAGED_SPACES[name]
    found = space.known_defaults("multiclass")
    assert [next(iter(each)) for each in found] == wanted
    genomes = [(name, genome) for each in found for name, genome in each.items()]
    assert all(space.contains(genome) for _, genome in genomes)
    assert [known_default_name(space, genome) for _, genome in genomes] == [name for name, _ in genomes]


def test_spaces_that_cannot_express_a_network_do_not_have_it():
    assert ConvolutionalSpace(stages=4).known_defaults("multiclass") == ()
    assert [next(iter(each)) for each in ConvolutionalSpace(residual=False).known_defaults("binary")][1:] == ["LeNet"]


def test_genomes_are_read_without_their_space_and_named_in_short():
    genome = chain(PLAIN, replace_fields(PLAIN, filters=300))
    value = ConvolutionalSpace().genome_to_json(genome)
    space, back = genome_of_any_space(value)
    assert isinstance(space, ConvolutionalSpace)
    assert back == genome  # which its default space does not hold
    assert not space.contains(back)
    assert short_name(value) == "4-300 conv"
    assert "conv 300 of 3 relu" in describe(space, genome)
    assert short_name(SequenceSpace().genome_to_json(SequenceGenome(()))) == "no stage"
    with pytest.raises(InputError, match=r"genome.encoding must be one of dense, convolutional, sequence"):
        genome_of_any_space({"encoding": "graph"})
