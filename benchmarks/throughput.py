"""Measures the cost of training against Keras `fit` and prints a table of required and measured figures. See README.md.

python benchmarks/throughput.py [--only search,textbook] [--networks 512] [--epochs 30] [--sample 6] [--json OUT]
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import machine
import sections
from figures import show
from reports import report_path, write_report

HERE = Path(__file__).parent
FOLDER = HERE.parent.parent / "shared" / "data"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="folder with california_housing.csv and titanic.csv"
    )
    parser.add_argument("--only", default=",".join(sections.SECTIONS), help="sections, separated by commas [all]")
    parser.add_argument(
        "--networks", type=int, default=sections.NETWORKS, help="size of the mixed population; scales others"
    )
    parser.add_argument(
        "--epochs", type=int, default=sections.EPOCHS, help="epochs of the mixed population; scales others"
    )
    parser.add_argument("--sample", type=int, default=6, help="networks of the mixed population that Keras trains")
    parser.add_argument("--json", type=report_path, default=str(HERE / "results" / "throughput.json"))
    options = parser.parse_args(arguments)
    options.only = options.only.split(",")
    if unknown := [name for name in options.only if name not in sections.SECTIONS]:
        parser.error(f"--only takes {', '.join(sections.SECTIONS)}, not {', '.join(unknown)}")
    if min(options.networks, options.epochs, options.sample) < 1:
        parser.error("--networks, --epochs and --sample must be at least 1")
    table = options.folder / "california_housing.csv"
    options.data = table if table.is_file() else None
    return options


def main() -> None:
    """Measures section by section, and writes each result immediately."""
    options = parse()
    bench = sections.Bench(options)
    report: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": machine.command_line(),
        "machine": machine.describe(),
        "data": options.data.name if options.data else "synthetic, of the shape of California housing",
        "options": {name: getattr(options, name) for name in ("networks", "epochs", "sample")},
        "standard_work": (options.networks, options.epochs) == (sections.NETWORKS, sections.EPOCHS),
        "figures": [],
        "sections": {},
    }
    print(f"{report['data']}; {report['machine']['cpu']}, {report['machine']['cores']} cores")
    for name in options.only:
        print(f"{name} ...", flush=True)
        report["sections"][name] = sections.timed(bench, name)
        report["figures"] = [asdict(figure) | {"verdict": figure.verdict} for figure in bench.figures]
        write_report(options.json, report)
    show(bench.figures)
    if not report["standard_work"]:
        print(
            f"\nThe figures are defined for a different size: {sections.NETWORKS} networks, {sections.EPOCHS} epochs."
        )
    print(f"\nwritten: {options.json.name}")


if __name__ == "__main__":
    main()
