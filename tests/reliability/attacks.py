"""Files crafted to run code, to be written through, or to fill the memory: one function each.

Each is `(folder, golden) -> read`. `attempt` creates a file and reads it in a process that is only allowed to read
(`fuzzing.watched`).
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import sqlite3
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from evonas.data.prepared import PreparedData
from evonas.runs import RunReader, RunStore
from evonas.runs.checksums import seal
from evonas.training.export.keras_file import check_keras_file
from genomes.dense import DenseSpace
from genomes.encodings import read_space
from genomes.errors import InputError
from genomes.population import read_population
from tests.peak_memory import peak_bytes
from tests.reliability.fuzzing import watch

__all__ = ["ATTACKS", "attempt"]

Read = Callable[[], Any]
ATTACKS: dict[str, Callable[[Path, Path], Read]] = {}
#: The file that the attacks try to create.
MARK = "executed"


def attack(make: Callable[[Path, Path], Read]) -> Callable[[Path, Path], Read]:
    ATTACKS[make.__name__] = make
    return make


def attempt(folder: str, name: str, golden: str) -> int:
    """Returns 0 if the attack is refused with `InputError`."""
    os.chdir(folder)
    check_keras_file(Path(golden) / "model.keras")  # imports now, before anything is forbidden
    read = ATTACKS[name](Path(folder), Path(golden))
    files = sorted(os.walk(folder))
    watch(Path(folder))
    before, started = peak_bytes(), time.process_time()
    try:
        read()
    except InputError as error:
        print(error)
        assert peak_bytes() - before < 512 << 20
        assert time.process_time() - started < 5.0
        assert not (Path(folder) / MARK).exists()
        assert sorted(os.walk(folder)) == files, "it has written"
        return 0
    print("it was opened")
    return 1


# .keras files.


def _keras(folder: Path, golden: Path, change: Callable[[dict[str, Any]], None], **options: Any) -> Read:
    with zipfile.ZipFile(golden / "model.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    change(config)
    parts["config.json"] = json.dumps(config).encode()
    parts |= options.pop("parts", {})
    path = folder / "model.keras"
    with zipfile.ZipFile(path, "w", options.get("compression", zipfile.ZIP_STORED)) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return lambda: check_keras_file(path)


def _layer(config: dict[str, Any], number: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = config["config"]["layers"][number]
    return found


def _object_attack(name: str, change: Callable[[dict[str, Any]], None]) -> None:
    ATTACKS[name] = lambda folder, golden: _keras(folder, golden, change)


def _as(module: str | None, name: str, /, **settings: Any) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": settings, "registered_name": name}


_CODE = "__import__('os').system('touch executed')"
_object_attack("lambda_layer", lambda c: _layer(c).update(_as("keras.layers", "Lambda", function=_CODE)))
_object_attack("lambda_by_module", lambda c: _layer(c).update(_as("keras.src.layers.core.lambda_layer", "Lambda")))
_object_attack("tfsm_layer", lambda c: _layer(c).update(_as("keras.layers", "TFSMLayer", filepath="/tmp/model")))
_object_attack("torch_module", lambda c: _layer(c).update(_as("keras.layers", "TorchModuleWrapper", module=_CODE)))
_object_attack("jax_layer", lambda c: _layer(c).update(_as("keras.layers", "JaxLayer", call_fn=_CODE)))
_object_attack("wrapper_of_a_lambda", lambda c: _layer(c).update(_as("keras.layers", "TimeDistributed", layer={})))
_object_attack("import_string", lambda c: _layer(c).update(_as("os", "system", command="touch executed")))
_object_attack("import_of_a_module", lambda c: _layer(c).update(_as("antigravity", "Dense")))
_object_attack("registered_name", lambda c: _layer(c).update(registered_name="evil>Dense"))
_object_attack("lambda_activation", lambda c: _layer(c, 3)["config"].update(activation=_as(None, "__lambda__")))
_object_attack("function_activation", lambda c: _layer(c, 3)["config"].update(activation=_as("builtins", "eval")))
_object_attack("activation_by_import", lambda c: _layer(c, 3)["config"].update(activation="os>system"))
_object_attack("initializer", lambda c: _layer(c)["config"].update(kernel_initializer=_as("os", "system")))
_object_attack("constraint", lambda c: _layer(c)["config"].update(kernel_constraint=_as("keras.utils", "get_file")))
_object_attack("loss_in_compile_config", lambda c: c.update(compile_config={"loss": _as("os", "system")}))
_object_attack("argument_of_a_call", lambda c: _layer(c, 3)["inbound_nodes"][0]["kwargs"].update(x=_as("os", "system")))
_object_attack("other_kind_of_model", lambda c: c.update(_as("keras.src.models.sequential", "Sequential")))
_object_attack("model_in_a_model", lambda c: _layer(c).update(_as("keras.src.models.functional", "Functional")))
_object_attack("absurd_width", lambda c: _layer(c)["config"].update(units=10**9))
_object_attack("absurd_product", lambda c: _layer(c, 0)["config"].update(batch_shape=[None, 10**7]))
_object_attack("layer_twice", lambda c: c["config"]["layers"].append(_layer(c)))
_object_attack("nested_deeply", lambda c: c.update(config=json.loads("[" * 900 + "]" * 900)))


@attack
def compressed_keras_file(folder: Path, golden: Path) -> Read:
    return _keras(folder, golden, lambda c: None, compression=zipfile.ZIP_DEFLATED, parts={"zeros": b"0" * (1 << 28)})


@attack
def path_traversal_in_the_archive(folder: Path, golden: Path) -> Read:
    return _keras(folder, golden, lambda c: None, parts={"../executed": b"x"})


@attack
def assets_in_the_archive(folder: Path, golden: Path) -> Read:
    return _keras(folder, golden, lambda c: None, parts={"assets/vocabulary.txt": b"x"})


@attack
def keras_file_that_is_a_link(folder: Path, golden: Path) -> Read:
    (folder / "model.keras").symlink_to(golden / "model.keras")
    return lambda: check_keras_file(folder / "model.keras")


@attack
def keras_file_that_is_a_pipe(folder: Path, golden: Path) -> Read:
    os.mkfifo(folder / "model.keras")
    return lambda: check_keras_file(folder / "model.keras")


def _weights(folder: Path, golden: Path, change: Callable[[h5py.File], None]) -> Read:
    stream = io.BytesIO(zipfile.ZipFile(golden / "model.keras").read("model.weights.h5"))
    with h5py.File(stream, "r+") as file:
        change(file)
    return _keras(folder, golden, lambda c: None, parts={"model.weights.h5": stream.getvalue()})


@attack
def weights_behind_an_external_link(folder: Path, golden: Path) -> Read:
    return _weights(folder, golden, lambda file: file.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/")))


@attack
def weights_behind_a_soft_link(folder: Path, golden: Path) -> Read:
    return _weights(folder, golden, lambda file: file.__setitem__("x", h5py.SoftLink("/layers")))


@attack
def weights_in_another_file(folder: Path, golden: Path) -> Read:
    def change(file: h5py.File) -> None:
        file.create_dataset("x", (10,), "u1", external=[("/etc/passwd", 0, 10)])

    return _weights(folder, golden, change)


@attack
def weights_that_are_a_bomb(folder: Path, golden: Path) -> Read:
    return _weights(folder, golden, lambda f: f.create_dataset("x", (1 << 31,), "f4", chunks=(1 << 20,), compression=9))


# Arrays.


def _npz(folder: Path, content: bytes, name: str = "about.npy", compression: int = zipfile.ZIP_STORED) -> Read:
    path = folder / "data.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(name, content)
    return lambda: PreparedData.load(path)


class _Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch executed",)


def _array(header: str, content: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + content


@attack
def pickled_array(folder: Path, golden: Path) -> Read:
    return _npz(folder, _array("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n", pickle.dumps([_Evil()])))


@attack
def pickle_in_place_of_an_archive(folder: Path, golden: Path) -> Read:
    (folder / "data.npz").write_bytes(pickle.dumps(_Evil()))
    return lambda: PreparedData.load(folder / "data.npz")


@attack
def code_in_the_header_of_an_array(folder: Path, golden: Path) -> Read:
    return _npz(folder, _array(f"{{'descr': {_CODE}, 'fortran_order': False, 'shape': (1,)}}\n"))


@attack
def header_of_an_array_without_end(folder: Path, golden: Path) -> Read:
    return _npz(folder, _array("{'descr': '<f8', 'fortran_order': False, 'shape': (1,\n"))


@attack
def array_of_negative_length(folder: Path, golden: Path) -> Read:
    return _npz(folder, _array("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 2)}\n", b"\0" * 16))


@attack
def array_larger_than_its_file(folder: Path, golden: Path) -> Read:
    return _npz(folder, _array("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}\n"))


@attack
def prepared_data_whose_json_fills_the_memory(folder: Path, golden: Path) -> Read:
    text = b'{"problem": [' + b"[]," * 12_000_000 + b"[]]}"
    return _npz(folder, _array(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({len(text)},)}}\n", text))


def _data_attack(name: str, **arrays: Any) -> None:
    """Replaces arrays of the golden run's data: kernels index targets and weights without bounds checks."""

    def make(folder: Path, golden: Path) -> Read:
        with np.load(golden / "run" / "data.npz") as file:
            known = dict(file)
        place = "split_0/y_train"
        for key, change in arrays.items():
            known[f"split_0/{key}"] = change(known[place])
        np.savez(folder / "data.npz", **known)
        return lambda: PreparedData.load(folder / "data.npz")

    ATTACKS[name] = make


_data_attack("targets_that_are_not_finite", y_train=lambda y: np.full_like(y, np.nan))
_data_attack("targets_of_another_width", y_validation=lambda y: y[:, :0])
_data_attack("targets_of_whole_numbers", y_train=lambda y: y.astype(np.int64))
_data_attack("weights_without_a_value", weight_train=lambda y: np.zeros((len(y), 0), np.float32))
_data_attack("weights_below_zero", weight_train=lambda y: -np.ones(len(y), np.float32))


@attack
def compressed_array(folder: Path, golden: Path) -> Read:
    return _npz(folder, b"\0" * (1 << 29), compression=zipfile.ZIP_DEFLATED)


# Run directories.


def _run(folder: Path, golden: Path) -> Path:
    shutil.copytree(golden / "run", folder / "run")
    return folder / "run"


def _open(directory: Path) -> Read:
    def read() -> None:
        with RunReader(directory) as run:
            for record in run.records():
                if record.weights:
                    run.weights(record)

    return read


def _sql_attack(name: str, *statements: str) -> None:
    def make(folder: Path, golden: Path) -> Read:
        directory = _run(folder, golden)
        connection = sqlite3.connect(directory / "run.sqlite")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()
        return _open(directory)

    ATTACKS[name] = make


_sql_attack("trigger", "CREATE TRIGGER t AFTER UPDATE ON session BEGIN DELETE FROM evaluation; END")
_sql_attack("view_over_a_table", "ALTER TABLE state RENAME TO s", "CREATE VIEW state AS SELECT * FROM s")
_sql_attack("table_more", "CREATE TABLE more (x)")
_sql_attack("column_more", "ALTER TABLE about ADD COLUMN x TEXT GENERATED ALWAYS AS (lower(key)) VIRTUAL")
_sql_attack("row_unsealed", "UPDATE evaluation SET loss = -1 WHERE loss IS NOT NULL")
_sql_attack(
    "schema_by_hand", "PRAGMA writable_schema = ON", "UPDATE sqlite_schema SET sql = replace(sql, 'REAL', 'ANY')"
)


@attack
def weights_name_that_leads_out(folder: Path, golden: Path) -> Read:
    directory = _run(folder, golden)
    connection = sqlite3.connect(directory / "run.sqlite")
    row = connection.execute("SELECT * FROM evaluation WHERE weights IS NOT NULL").fetchone()
    changed = seal((*row[:-3], "../../../etc/passwd", row[-2]))
    connection.execute("UPDATE evaluation SET weights = ?, checksum = ? WHERE generation = ? AND position = ?",
                       (changed[-3], changed[-1], *row[:2]))  # fmt: skip
    connection.commit()
    connection.close()
    return _open(directory)


def _link_attack(name: str, *parts: str) -> None:
    def make(folder: Path, golden: Path) -> Read:
        directory = _run(folder, golden)
        path = directory.joinpath(*parts)
        outside = folder / "outside"
        if path.exists():
            path.rename(outside)
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(outside)
        return lambda: RunStore.open(directory) if parts == ("run.lock",) else _open(directory)()

    ATTACKS[name] = make


for _parts in (("run.sqlite",), ("run.sqlite-journal",), ("data.npz",), ("weights",), ("models",), ("run.lock",)):
    _link_attack(f"link_{_parts[0].replace('.', '_')}", *_parts)
_link_attack("link_in_the_models", "models", "best.keras")


# Texts.


@attack
def population_of_many_megabytes(folder: Path, golden: Path) -> Read:
    path = folder / "population.json"
    with path.open("wb") as file:
        file.truncate(1 << 32)
    return lambda: read_population(path, DenseSpace())


@attack
def population_nested_deeply(folder: Path, golden: Path) -> Read:
    (folder / "population.json").write_text("[" * 1_000_000)
    return lambda: read_population(folder / "population.json", DenseSpace())


@attack
def space_with_code(folder: Path, golden: Path) -> Read:
    (folder / "space.toml").write_text(f'[network]\nactivation = ["{_CODE}"]\n')
    return lambda: read_space(folder / "space.toml")


@attack
def space_of_absurd_numbers(folder: Path, golden: Path) -> Read:
    (folder / "space.toml").write_text("[network]\nunits = { low = 1, high = 1" + "0" * 4000 + " }\n")
    return lambda: read_space(folder / "space.toml")
