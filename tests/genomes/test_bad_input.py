"""Whatever is read, the only error is InputError, and it names the place, the value and the fix."""

from __future__ import annotations

import json
import os
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomes import (
    Choice,
    DenseSpace,
    InputError,
    Range,
    SequenceSpace,
    population_to_text,
    read_population,
    read_space,
    space_from_json,
    space_from_toml,
)
from genomes.architecture.graph import graph_from_json, graph_to_json
from genomes.codec import parse_json
from genomes.dense import to_graph
from genomes.encodings import space_to_toml
from genomes.population import population_from_json, population_to_json
from tests.genomes.dense_spaces import SPACES, network
from tests.genomes.flat_spaces import FLAT_SPACES
from tests.reliability.counts import count

BAD_SPACES = {
    "learning_rate = ": "space must be TOML, which it is not (Invalid value",
    "[trainign]": "space.trainign is not a setting (its value is {}): did you mean 'training'?",
    "network = 3": "network must be a table with the keys layers, units,",
    'encoding = "conv"': "must be one of dense, convolutional, sequence, hyperparameters, not 'conv': choose",
    "version = 2": "space.version must be at most 1, not 2: a newer evonas wrote it: upgrade evonas",
    "[training]\nlearning_rat = 0.1": "training.learning_rat is not a setting (its value is 0.1): did you mean",
    "[network]\nlearning_rate = 0.1": "learning_rate is not a setting (its value is 0.1): move it to [training]",
    "[training]\nlearning_rate = -0.1": "training.learning_rate must be a number from 1e-09 to 100, not -0.1",
    "[training]\nlearning_rate = nan": "training.learning_rate must be a number from 1e-09 to 100, not nan",
    "[training]\nlearning_rate = true": "not True: true and false are not numbers",
    '[training]\nbatch_size = "12"': "training.batch_size must be a whole number from 1 to 1048576, not '12': write it",
    "[training]\nbatch_size = 12.0": "not 12.0: write 12",
    "[training]\nbatch_size = [32, 32]": "training.batch_size must have each option once, not 32 twice: leave one out",
    "[training]\nbatch_size = []": "training.batch_size must have at least one option, not []",
    '[training]\noptimizer = "adm"': "not 'adm': did you mean 'adam'?",
    '[training]\noptimizer = ["adam", 3]': "training.optimizer[1] must be one of sgd,",
    "[training]\noptimizer = { low = 1, high = 2 }": "training.optimizer must be a name or a list of names among sgd,",
    "[network]\nunits = { low = 64, high = 8 }": "network.units.low must be below network.units.high, not 64 and 8",
    "[network]\nunits = { low = 8, high = 8 }": "not 8 and 8: for a fixed value write units = 8",
    "[network]\nunits = { low = 8 }": "network.units.high must be given and is missing: add it",
    "[network]\nunits = { low = 8, hihg = 9 }": "network.units.hihg is not a setting (its value is 9): did you",
    "[network]\nunits = { low = 8, high = 9, log = 1 }": "network.units.log must be true or false, not 1",
    "[network]\nunits = 65537": "network.units must be a whole number from 1 to 65536, not 65537",
    "[network]\nlayers = { low = 0, high = 65 }": "network.layers.high must be a whole number from 0 to 64, not 65",
    "[network]\nlayers = { low = 0, high = 5, log = true }": "network.layers.low must be above 0 with log = true",
    "[network]\nunits = { low = 1, high = 5, zero = true }": "network.units.zero must be a whole number from 1",
    "[network]\ndropout = 0.95": "network.dropout must be a number from 0 to 0.9, not 0.95",
    '[network]\nshape = "pyramids"': "network.shape must be one of free, uniform, pyramid, not 'pyramids': did you",
    "[network]\nskip_connections = 1": "network.skip_connections must be true or false, not 1",
    "[training]\nl2 = 1" + "0" * 5000: "",
}


@pytest.mark.parametrize(("text", "message"), BAD_SPACES.items())
def test_bad_space_files(text, message):
    with pytest.raises(InputError) as caught:
        space_from_toml(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_spaces_in_python():
    with pytest.raises(InputError, match=re.escape("training.learning_rate.low must be a number")):
        DenseSpace(learning_rate=Range(-1, 1))
    with pytest.raises(InputError, match=re.escape("network.units[1] must be a whole number")):
        DenseSpace(units=Choice((8, 8.5)))
    assert DenseSpace(units=[np.int64(8)], dropout=np.float32(0.5)) == DenseSpace(units=8, dropout=0.5)
    assert type(DenseSpace(units=np.int64(8)).domain("units").least) is int


BAD_GENOMES = {
    "units": (
        lambda g: g["layers"][1].update(units=0),
        "genome.layers[1].units must be a whole number from 1 to 65536, not 0",
    ),
    "bool units": (lambda g: g["layers"][0].update(units=True), "genome.layers[0].units must be"),
    "activation": (lambda g: g["layers"][1].update(activation="rel"), "not 'rel': did you mean 'relu'?"),
    "unknown": (lambda g: g["layers"][1].update(unit=8), "genome.layers[1].unit is not a setting (its value is 8)"),
    "missing": (lambda g: g["training"].pop("l2"), "genome.training.l2 must be given and is missing"),
    "infinite": (
        lambda g: g["training"].update(l2=float("inf")),
        "genome.training.l2 must be a number from 0 to 100, not inf",
    ),
    "too deep": (lambda g: g.update(layers=g["layers"] * 40), "genome.layers must have at most 64 items, not 80"),
    "no sources": (
        lambda g: g["layers"][1].update(sources=[]),
        "genome.layers[1].sources must name at least one source",
    ),
    "later source": (
        lambda g: g["layers"][0].update(sources=[1]),
        "genome.layers[0].sources must be from 0 (the input) to 0",
    ),
    "descending": (lambda g: g["layers"][1].update(sources=[1, 0]), "genome.layers[1].sources must ascend, not [1, 0]"),
    "unused": (lambda g: g["layers"][1].update(sources=[0]), "genome.layers[0] must be used: add 1 to the sources"),
    "version": (lambda g: g.update(version=2), "genome.version must be at most 1, not 2"),
    "encoding": (lambda g: g.update(encoding="conv"), "genome.encoding must be 'dense', not 'conv'"),
    "outside": (
        lambda g: g["training"].update(learning_rate=1.0),
        "genome.training.learning_rate must be in {'low': 0.0001, 'high': 0.03, 'log': True} of the space, not",
    ),
    "too many layers": (
        lambda g: g.update(g | json.loads(json.dumps(DEEP))),
        "genome.layers must be in {'low': 1, 'high': 5}",
    ),
}
DEEP = {
    "layers": [{"units": 16, "activation": "relu", "sources": [k]} for k in range(6)],
    "output_sources": [6],
}


@pytest.mark.parametrize(("change", "message"), BAD_GENOMES.values(), ids=BAD_GENOMES.keys())
def test_bad_genomes(change, message):
    space = SPACES["default"]
    value = json.loads(json.dumps(space.genome_to_json(network(32, 16))))
    assert space.genome_from_json(value) == network(32, 16)
    change(value)
    with pytest.raises(InputError) as caught:
        space.genome_from_json(value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("space", "genome", "message"),
    [
        ("uniform", network(32, 16), "equal units"),
        ("pyramid", network(16, 32), "not get wider"),
        ("default", network(16, sources=[[0], [0, 1]]), "must form a chain"),
    ],
)
def test_genomes_of_the_wrong_shape(space, genome, message):
    assert not SPACES[space].contains(genome)
    with pytest.raises(InputError, match=message):
        SPACES[space].genome_from_json(SPACES[space].genome_to_json(genome))


@pytest.mark.parametrize(
    "junk", [None, 3, "x", network(1.5), network("8"), network(np.int64(32)), network(16, dropout=None)]
)
def test_contains_never_raises(junk):
    assert not SPACES["default"].contains(junk)


# -------------------------------------------------------------------- files


def test_population_files_survive(tmp_path):
    space = SPACES["default"]
    genomes = [space.sample(np.random.default_rng(seed)) for seed in range(5)]
    path = tmp_path / "population.json"
    path.write_text(population_to_text(space, genomes, [0.5, None, 0.25, 1, None]))
    population = read_population(path)
    assert population.space == space
    assert population.genomes == tuple(genomes)
    assert population.scores == (0.5, None, 0.25, 1.0, None)
    assert population_to_json(space, genomes[:1], [float("nan")])["genomes"][0]["score"] is None
    assert json.loads(path.read_text()) == population_to_json(space, genomes, [0.5, None, 0.25, 1, None])
    with pytest.raises(InputError, match=re.escape("population.genomes[0]: genome.")):
        read_population(path, SPACES["fixed"])
    assert read_population(path, DenseSpace()).genomes == tuple(genomes)


BAD_FILES = {
    "": "population must be valid JSON",
    "[]": "population must be a table",
    "{}": "population.encoding must be given",
    '{"encoding": "population", "genomes": [], "version": 99}': "population.version must be at most 1, not 99",
    '{"encoding": "population", "genomes": []}': "population.space must be given",
    '{"encoding": "population", "genomes": [NaN]}': "population must hold finite numbers only, not NaN",
    "[" * 100_000: "population must",
    '{"encoding": "dense", "genomes": []}': "population.encoding must be 'population', not 'dense'",
}


@pytest.mark.parametrize(("text", "message"), BAD_FILES.items(), ids=range(len(BAD_FILES)))
def test_bad_population_files(text, message, tmp_path):
    (tmp_path / "population.json").write_text(text)
    with pytest.raises(InputError) as caught:
        read_population(tmp_path / "population.json")
    assert message in str(caught.value)


@pytest.mark.parametrize("space", [DenseSpace(layers=Range(1, 5)), SequenceSpace(stages=Range(1, 5))])
def test_a_value_outside_its_domain_is_refused_with_the_domain(space):
    values, name = space.values(space.sample(np.random.default_rng(0))), space.genes[0].name
    with pytest.raises(InputError, match=rf"genome.{name} must be in {{'low': 1, 'high': 5}}, not 9"):
        space.from_values({**values, name: 9})


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"space file must be a readable file, not .*absent.toml \(No such file"):
        read_space(tmp_path / "absent.toml")
    with pytest.raises(InputError, match="Is a directory"):
        read_space(tmp_path)
    os.mkfifo(tmp_path / "pipe.toml")
    for path in (tmp_path / "pipe.toml", "/dev/zero"):
        with pytest.raises(InputError, match=r"must be a regular file, not a folder, pipe or device .* written to one"):
            read_space(path)
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9 au lait")
    with pytest.raises(InputError, match=r"must be UTF-8 text, which .* is not from byte 5"):
        read_space(tmp_path / "latin.toml")
    monkeypatch.setattr("genomes.codec.MAX_BYTES", 10)
    with pytest.raises(InputError, match="at most 10 bytes"):
        read_population(tmp_path / "latin.toml")


# -------------------------------------------------------------------- junk

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400)
junk = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4),
    max_leaves=8,
)
many = settings(max_examples=count(60, 250), deadline=None, derandomize=True)


def places(value, path=()):
    """Paths to everything inside a JSON value."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def spoiled(value, path, replacement):
    """The value with something else at a place."""
    if not path:
        return replacement
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = spoiled(value[path[0]], path[1:], replacement)
    return copied


FLAT = FLAT_SPACES["conditional"]
#: What is read: a value of it, how it is read, and how what was read is written.
GOOD = {
    "genome": (
        SPACES["default"].genome_to_json(network(32, 16)),
        SPACES["default"].genome_from_json,
        SPACES["default"].genome_to_json,
    ),
    "space": (SPACES["default"].to_json(), space_from_json, lambda space: space.to_json()),
    "flat genome": (
        FLAT.genome_to_json(FLAT.sample(np.random.default_rng(1))),
        FLAT.genome_from_json,
        FLAT.genome_to_json,
    ),
    "flat space": (FLAT.to_json(), space_from_json, lambda space: space.to_json()),
    "graph": (graph_to_json(to_graph(network(32, 16))), graph_from_json, graph_to_json),
    "population": (
        population_to_json(SPACES["default"], [network(32)], [1.0]),
        population_from_json,
        lambda found: population_to_json(found.space, found.genomes, found.scores),
    ),
}


def refused_or_sound(value, read, write):
    """What is read can be written, and read again as the same."""
    words = ""
    try:
        found = read(value)
    except InputError as error:
        words = str(error)
    if words:
        assert len(words) < 1000  # however long the junk is
        return
    written = write(found)
    assert repr(write(read(written))) == repr(written)  # NaN equals nothing


@pytest.mark.battery
@pytest.mark.parametrize(("value", "read", "write"), GOOD.values(), ids=GOOD.keys())
@many
@given(data=st.data())
def test_junk_anywhere_is_an_input_error_or_read(value, read, write, data):
    path = data.draw(st.sampled_from(list(places(value))))
    refused_or_sound(spoiled(value, path, data.draw(junk)), read, write)


@pytest.mark.battery
@pytest.mark.parametrize("read", [read for _, read, _ in GOOD.values()], ids=GOOD.keys())
@many
@given(value=junk)
def test_pure_junk_is_refused(read, value):
    if read is not space_from_json or value != {}:  # an empty table is the default space
        with pytest.raises(InputError):
            read(value)


@pytest.mark.battery
@many
@given(text=st.text(max_size=60) | st.text("[]={}\"'.,\n 1eE-truefalsinw#_", max_size=60))
def test_junk_text_is_an_input_error_or_read(text):
    refused_or_sound(text, space_from_toml, space_to_toml)
    refused_or_sound(text, lambda text: parse_json(text, "file"), json.dumps)
