"""Names that standard terms have replaced stay replaced, in files, classes and functions."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATHS = [path for folder in ("evonas", "genomes") for path in (ROOT / folder).rglob("*.py")]

#: Module -> what it is called now.
MODULES = {
    **dict.fromkeys(("promise", "believing"), "acquisition"),
    **dict.fromkeys(("ladder", "trainings"), "fidelity"),
    **dict.fromkeys(("group", "lanes", "book", "packing"), "slots, workers, shape_cache, planner"),
    **dict.fromkeys(("pieces", "waves", "words", "forms"), "piecewise, periodic, bag_of_words, numeric_encodings"),
    **dict.fromkeys(("donor", "evolved", "searched"), "pretrained, seeded_weights, resolve"),
    **dict.fromkeys(("finals", "ballast", "here", "pace"), "finalists, disk_reserve, local, progress_rate"),
    **dict.fromkeys(("vocabulary", "values", "moves"), "layers, checks, operators"),
    **dict.fromkeys(("own", "building", "turns"), "user_model, ask_tell"),
}
#: Class or function -> what it is called now.
DEFINITIONS = {
    **dict.fromkeys(("promise", "believing", "Evidence"), "acquisition, condition_on_mean, Observations"),
    **dict.fromkeys(("Doubt", "Credit"), "LengthScaleShrinkage, OperatorRates"),
    **dict.fromkeys(("_Seat", "Seat", "run_table"), "SlotState, run_slots"),
    **dict.fromkeys(("donor", "ballast"), "pretrained, disk_reserve"),
    **dict.fromkeys(("Part", "Member", "Coding", "Limits"), "names of what they are of"),
}


def test_no_module_has_a_name_of_before() -> None:
    assert not {path.relative_to(ROOT): MODULES[path.stem] for path in PATHS if path.stem in MODULES}


def test_no_class_and_no_function_has_a_name_of_before() -> None:
    any_of = rf"(?:class|def) ({'|'.join(DEFINITIONS)})\b"
    pattern = re.compile(rf"^ *{any_of}|^ *@classmethod\n *def (of)\b", re.MULTILINE)
    found = {path.relative_to(ROOT): pattern.findall(path.read_text(encoding="utf-8")) for path in PATHS}
    assert not {path: names for path, names in found.items() if names}
