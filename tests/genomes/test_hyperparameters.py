"""Flat genes: how they are specified, conditions, features, and genomes from samplers of other libraries."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
import scipy.stats

from genomes import (
    Choice,
    Gene,
    HyperparameterGenome,
    HyperparameterSpace,
    InputError,
    Range,
    space_from_toml,
    space_to_toml,
)
from tests.genomes.flat_spaces import FLAT_SPACES

SAME = {
    "list": (["a", "b"], Choice(("a", "b"))),
    "one value": (3, Choice((3,))),
    "numbers": ([1, 2.5], Choice((1.0, 2.5))),
    "truths": (np.array([True, False]), Choice((True, False))),
    "steps": (range(16, 65, 16), Choice((16, 32, 48, 64))),
    "numpy": (np.linspace(0, 1, 3), Choice((0.0, 0.5, 1.0))),
    "numpy scalar": (np.float32(0.5), Choice((0.5,))),
    "table": ({"low": 1, "high": 9, "log": True}, Range(1, 9, log=True)),
    "mixed ends": (Range(0, 1.5), Range(0.0, 1.5)),
    "scipy uniform": (scipy.stats.uniform(0.5, 1.0), Range(0.5, 1.5)),
    "scipy loguniform": (scipy.stats.loguniform(1e-4, 1e-1), Range(1e-4, 1e-1, log=True)),
    "scipy randint": (scipy.stats.randint(8, 257), Range(8, 256)),
}


@pytest.mark.parametrize(("given", "domain"), SAME.values(), ids=SAME.keys())
def test_ways_to_give_a_domain(given, domain):
    (gene,) = HyperparameterSpace({"x": given}).genes
    assert gene == Gene(domain, name="x")
    member = domain.sample(np.random.default_rng(0))
    assert type(gene.domain.sample(np.random.default_rng(0))) is type(member)
    assert type(member) in (int, float, str, bool)


BAD = {
    "no genes": ({}, "genes must be 1 to 1000 in number, not 0"),
    "no table": ([1], "genes must be a table from names to domains, not [1]"),
    "name": ({"my gene": 1}, "genes must have names of letters, digits and _ such as learning_rate, not 'my gene'"),
    "taken": ({"items": 1}, "genes must not be named 'items', which is a method of mappings: use items_"),
    "none": ({"x": None}, "genes.x must be a range, or values that are all numbers, all names or all true and false"),
    "mixed": ({"x": [1, "a"]}, "not [1, 'a']: for none write a name such as \"none\""),
    "truth and number": ({"x": [True, 2]}, "genes.x[1] must be true or false, not 2"),
    "empty": ({"x": []}, "genes.x must have at least one option"),
    "endless": ({"x": range(10**12)}, "genes.x must have at most 1000 items"),
    "no condition": ({"x": Gene(1, when=(1, 2))}, "genes.x.when must be a table from genes to the values"),
    "twice": ({"x": ["a", "a"]}, "genes.x must have each option once"),
    "nan": ({"x": [1.0, float("nan")]}, "genes.x[1] must be a number from -1e+300 to 1e+300, not nan"),
    "inverted": ({"x": Range(3, 1)}, "genes.x.low must be below genes.x.high, not 3 and 1: exchange them"),
    "log of 0": ({"x": Range(0.0, 1.0, log=True)}, "genes.x.low must be above 0 with log = true"),
    "words as ends": ({"x": {"low": "a", "high": "b"}}, "genes.x.low must be a number"),
    "key": ({"x": {"low": 1, "hihg": 2}}, "genes.x.hihg is not a setting (its value is 2): did you mean 'high'?"),
    "unprintable": ({"x": ["a\n", "b"]}, "genes.x must be names of printable characters"),
    "scipy": ({"x": scipy.stats.norm(0, 1)}, "genes.x must be a range, a list or one of scipy's uniform,"),
    "unknown parent": ({"x": 1, "y": Gene(2, when={"z": 1})}, "genes.y.when must name genes, not 'z': known are x, y"),
    "no table of conditions": ({"x": 1, "y": Gene(2, when="x")}, "genes.y.when must be a table from genes to the"),
    "never": (
        {"x": [1, 2], "y": Gene(2, when={"x": [1, 3]})},
        "genes.y.when.x must be among the values of that gene ([1, 2]), not 3",
    ),
    "never in range": (
        {"x": Range(1, 9), "y": Gene(2, when={"x": {"low": 10, "high": 12}})},
        "genes.y.when.x must be a range that meets that of the gene ([1, 9]), not [10, 12]",
    ),
    "misspelt": ({"x": ["adam", "sgd"], "y": Gene(2, when={"x": "adm"})}, "genes.y.when.x must be one of adam, sgd"),
    "circle": (
        {"x": Gene([1, 2], when={"y": 1}), "y": Gene([1, 2], when={"x": 1})},
        "genes must not depend on themselves, as",
    ),
}


@pytest.mark.parametrize(("genes", "message"), BAD.values(), ids=BAD.keys())
def test_bad_genes(genes, message):
    with pytest.raises(InputError) as caught:
        HyperparameterSpace(genes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


CONDITIONAL = FLAT_SPACES["conditional"]
FULL = {"layers": 2, "units_2": 8, "regularise": True, "kind": "dropout", "a_share": 0.25}


def test_genes_come_after_those_that_they_depend_on():
    names = [gene.name for gene in CONDITIONAL.genes]
    assert sorted(names) == sorted(CONDITIONAL.to_json()["genes"])
    for gene in CONDITIONAL.genes:
        assert all(names.index(other) < names.index(gene.name) for other, _ in gene.when)
    shuffled = CONDITIONAL.to_json()
    shuffled["genes"] = dict(reversed(shuffled["genes"].items()))
    assert HyperparameterSpace.from_json(shuffled) == CONDITIONAL


@pytest.mark.parametrize("seed", range(50))
def test_exactly_the_active_genes_have_values(seed):
    genome = CONDITIONAL.sample(np.random.default_rng(seed))
    expected = {"layers", "regularise"}
    expected |= {"units_2"} if genome.layers >= 2 else set()
    expected |= {"units_3"} if genome.layers == 3 else set()
    expected |= {"kind"} if genome.regularise else {"constant"}
    expected |= {"a_share"} if genome.get("kind") == "dropout" and genome.layers >= 2 else set()
    expected |= {"z_penalty"} if genome.get("kind") == "l2" else set()
    assert set(genome) == expected


def test_genomes_from_values():
    genome = CONDITIONAL.from_values(FULL | {"z_penalty": 1e-3, "units_3": 4})
    assert CONDITIONAL.values(genome) == FULL
    assert genome == CONDITIONAL.from_values(FULL)
    values = {}
    for gene in CONDITIONAL.genes:  # like a sampler that asks for one gene at a time
        if gene.is_active(values):
            values[gene.name] = gene.domain.sample(np.random.default_rng(3))
    assert CONDITIONAL.contains(CONDITIONAL.from_values(values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (FULL | {"layer": 1}, "genome.layer is not a setting (its value is 1): did you mean 'layers'?"),
        ({"layers": 2}, "genome.regularise must be given and is missing"),
        (FULL | {"layers": 4}, "genome.layers must be in {'low': 1, 'high': 3} of the space, not 4: widen"),
        (FULL | {"layers": 2.0}, "genome.layers must be a whole number"),
        (FULL | {"regularise": 1}, "genome.regularise must be true or false, not 1"),
    ],
)
def test_bad_values(values, message):
    with pytest.raises(InputError, match=re.escape(message)):
        CONDITIONAL.from_values(values)


def test_files_may_not_give_values_to_absent_genes():
    value = {"values": FULL | {"units_3": 4}}
    with pytest.raises(InputError, match=re.escape("genome.values.units_3 must be absent, as {'layers': 3} does not")):
        CONDITIONAL.genome_from_json(value)


@pytest.mark.parametrize(
    "junk",
    [
        {},
        FULL,
        HyperparameterGenome(()),
        HyperparameterGenome(5),
        HyperparameterGenome.from_values(FULL | {"layers": 2.0}),
        HyperparameterGenome.from_values(FULL | {"a_share": np.float64(0.25)}),
        HyperparameterGenome.from_values(FULL | {"regularise": 1}),
        HyperparameterGenome(tuple(reversed(HyperparameterGenome.from_values(FULL).pairs))),
    ],
)
def test_contains_members_only(junk):
    assert CONDITIONAL.contains(HyperparameterGenome.from_values(FULL))
    assert not CONDITIONAL.contains(junk)


def test_genomes_are_mappings_with_attributes():
    genome = HyperparameterGenome.from_values(FULL)
    assert (genome.layers, genome["layers"], genome.get("units_3", 0)) == (2, 2, 0)
    assert dict(genome) == FULL
    assert pickle.loads(pickle.dumps(genome)) == genome
    with pytest.raises(AttributeError, match=re.escape("genes.get('units_3', default)")):
        _ = genome.units_3
    with pytest.raises(KeyError, match="no gene 'units_3' here, only a_share"):
        genome["units_3"]


def test_features():
    space = HyperparameterSpace(
        {
            "a": Range(1.0, 100.0, log=True),
            "b": ["x", "y", "z"],
            "c": [False, True],
            "d": Gene(Range(0.0, 1.0), when={"c": True}),
            "e": Gene(["p", "q", "r", "s"], when={"c": True}),
            "f": 5,
        }
    )
    there = space.from_values({"a": 10.0, "b": "y", "c": True, "d": 0.2, "e": "q", "f": 5})
    absent = space.from_values({"a": 100.0, "b": "z", "c": False, "f": 5})
    assert space.features(there) == pytest.approx([0.5, 0, 1, 0, 1, 0.2, 0, 1, 0, 0, 1])
    assert space.features(absent) == pytest.approx([1, 0, 0, 1, 0, 0.5, 0.25, 0.25, 0.25, 0.25, 0])


def test_mutation_reaches_every_genome():
    space = HyperparameterSpace(
        {
            "n": Range(1, 3),
            "s": [False, True],
            "o": Gene(["a", "b"], when={"s": True}),
            "m": Gene([1, 2], when={"n": 3}),
        }
    )
    rng = np.random.default_rng(0)
    genome, seen = space.sample(rng), set()
    for _ in range(1000):
        genome, _ = space.mutate(genome, rng)
        seen.add(genome)
    assert len(seen) == (2 + 2) * (1 + 2)


def test_toml_is_recognised_by_its_genes():
    units = "units = { low = 8, high = 256, log = true }"
    kind = 'kind = { options = ["a", "b"], when = { units = { low = 9 } } }'
    space = space_from_toml(f"[genes]\n{units}\n{kind}")
    assert space == HyperparameterSpace(
        {"units": Range(8, 256, log=True), "kind": Gene(["a", "b"], when={"units": Range(9, 256)})}
    )
    assert "What is left out" not in space_to_toml(space)
    assert space_from_toml(space_to_toml(space)) == space


def test_genomes_from_before_a_gene_existed_are_members_and_their_children_have_it():
    before = HyperparameterSpace({"units": Range(4, 64)})
    old = before.sample(np.random.default_rng(0))
    space = HyperparameterSpace({"units": Range(4, 64), "late": Gene(Range(0.0, 1.0), optional=True)})
    assert HyperparameterSpace.from_json(space.to_json()) == space
    assert space.genome_from_json(before.genome_to_json(old)) == old
    assert space.contains(old)
    assert space.digest(old) == before.digest(old)
    assert space.features(old).shape == space.features(space.sample(np.random.default_rng(1))).shape
    assert "late" in space.mutate(old, np.random.default_rng(2))[0]
    with pytest.raises(InputError, match="late"):
        HyperparameterSpace({"units": Range(4, 64), "late": Range(0.0, 1.0)}).genome_from_json(
            before.genome_to_json(old)
        )
