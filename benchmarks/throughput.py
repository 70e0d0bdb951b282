"""Measures the population trainer against Keras `fit` and prints the figures that it is held to. See README.md here.

python benchmarks/throughput.py [--only mixed,textbook] [--networks 512] [--epochs 30] [--sample 6] [--json OUT]
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from figures import show

from evonas.training.environment import prepare_process

HERE = Path(__file__).parent
DATA = HERE.parent.parent / "shared" / "data" / "california_housing.csv"
SECTIONS = ("mixed", "uniform", "wide", "textbook", "scaling", "profile", "gpu")
#: Networks and epochs that the figures are stated for; others are for trying the benchmark out.
NETWORKS, EPOCHS = 512, 30


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA if DATA.exists() else None, help="california_housing.csv")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, separated by commas; all unless given")
    parser.add_argument("--networks", type=int, default=NETWORKS, help="of the mixed population; others scale with it")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of the mixed population; others scale with it")
    parser.add_argument("--sample", type=int, default=6, help="networks that Keras trains for comparison")
    parser.add_argument("--json", type=Path, default=HERE / "results" / "throughput.json")
    options = parser.parse_args(arguments)
    options.only = options.only.split(",")
    if unknown := [name for name in options.only if name not in SECTIONS]:
        parser.error(f"--only takes {', '.join(SECTIONS)}, not {', '.join(unknown)}")
    if min(options.networks, options.epochs, options.sample) < 1:
        parser.error("--networks, --epochs and --sample must be at least 1")
    if options.data is not None and not options.data.is_file():
        parser.error(f"--data must be a file, not {options.data}")
    return options


def prepare() -> None:
    """What must stand before Keras is imported: the trainer's settings, and no cache of programs on disk.

    Every run is thus cold: what an earlier one compiled never helps.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # each peer's model is traced anew, which it warns of
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"  # TensorFlow has none unless told
    prepare_process()


def main() -> None:
    """Measures section by section; what is measured is written at once."""
    options = parse()
    prepare()
    import machine
    import sections
    import work

    from evonas.training.backends import current_backend

    # The trainer's setting of the thread pool, which must come before the first operation; it is Keras's own, too.
    current_backend().configure(os.cpu_count() or 1)
    bench = sections.Bench(options, work.Rows.load(options.data))
    report: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": machine.command_line(),
        "machine": machine.describe(),
        "data": bench.rows.source,
        "options": {name: getattr(options, name) for name in ("networks", "epochs", "sample")},
        "standard_work": (options.networks, options.epochs) == (NETWORKS, EPOCHS),
        "figures": [],
        "sections": {},
    }
    print(f"{report['data']}; {report['machine']['cpu']}, {report['machine']['cores']} cores")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    for name in options.only:
        began = time.perf_counter()
        print(f"{name} ...", flush=True)
        measured = sections.SECTIONS[name](bench)
        report["sections"][name] = measured | {"benchmark_seconds": time.perf_counter() - began}
        report["figures"] = [asdict(figure) | {"verdict": figure.verdict} for figure in bench.figures]
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    show(bench.figures)
    if not report["standard_work"]:
        print(f"\nNot the work that the figures are stated for: {NETWORKS} networks, {EPOCHS} epochs.")
    print(f"\nwritten: {options.json.name}")


if __name__ == "__main__":
    main()
