"""Seconds from the command to the first trained network, and what the processes did until then.

python -m benchmarks.startup titanic.csv Survived [--repeats 5] [--imports]

Wall clock, and processor time of driver and worker, from the start of `evonas run` to the line that reports the first
committed network; the best of several repeats, since other load on the machine only adds. The native trainer's kernels
are compiled before the clock starts, and evonas has bytecode, as an installed package has. With `--imports`, the
slowest imports of each process, including everything that they import.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
#: Number of imports shown per process.
MOST = 12


@dataclass(frozen=True)
class Start:
    """Wall-clock seconds and processor seconds of each process until the first network."""

    seconds: float
    driver: float
    worker: float


def command(table: str, target: str, out: Path) -> list[str]:
    """A search of one generation that reports every commit."""
    return [
        *(sys.executable, "-m", "evonas", "run", table, "--target", target),
        *("--out", str(out), "--generations", "1", "--finalists", "0", "--json", "--quiet"),
    ]


def measured(table: str, target: str, imports: dict[str, str] | None = None) -> Start:
    """Measures one start and ends the search at its first network; `imports` receives its processes' import times."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if imports is not None:
        environment["PYTHONPROFILEIMPORTTIME"] = "1"
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "errors").open("w") as errors:
        run, began = Path(folder) / "run", time.perf_counter()
        process = subprocess.Popen(
            command(table, target, run), stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{") and json.loads(line).get("event") == "progress":
                seconds = time.perf_counter() - began
                start = Start(seconds, processor(process.pid), sum(map(processor, children(process.pid))))
                if imports is not None:
                    imports |= {"driver": Path(errors.name).read_text(), "worker": (run / "worker.log").read_text()}
                process.terminate()
                process.communicate()
                return start
    raise SystemExit(f"evonas exited with {process.wait()} before a network was trained")


def processor(pid: int) -> float:
    """Processor seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def children(pid: int) -> list[int]:
    """The process's children."""
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


def slowest(text: str) -> list[tuple[float, str]]:
    """Parses the output of `-X importtime`, slowest first."""
    rows = [line.removeprefix("import time:").split("|") for line in text.splitlines() if line.count("|") == 2]
    found = [(int(whole) / 1e3, name.strip()) for _, whole, name in rows if whole.strip().isdigit()]
    return sorted(found, reverse=True)[:MOST]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("table")
    parser.add_argument("target")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--imports", action="store_true")
    options = parser.parse_args()
    compiled = "from evonas.training.native.compilation import prepare; print(prepare())"
    seconds = float(subprocess.run([sys.executable, "-c", compiled], capture_output=True, check=True).stdout)
    print(f"kernels: {seconds:.2f} s to compile or to load")
    starts = [measured(options.table, options.target) for _ in range(options.repeats)]
    best = min(starts, key=lambda start: start.seconds)
    print(f"first network after {best.seconds:.2f} s; of {len(starts)}: {sorted(round(s.seconds, 2) for s in starts)}")
    print(f"processor seconds: driver {min(s.driver for s in starts):.2f}, worker {min(s.worker for s in starts):.2f}")
    if options.imports:
        imports: dict[str, str] = {}
        measured(options.table, options.target, imports)
        for name, text in imports.items():
            print(f"\n{name}, ms including nested imports")
            for milliseconds, module in slowest(text):
                print(f"{milliseconds:9.1f}  {module}")


if __name__ == "__main__":
    main()
