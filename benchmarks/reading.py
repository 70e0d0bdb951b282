"""Memory for reading a CSV file: the peak above the memory of imports, as a multiple of the file's size.

    python benchmarks/reading.py --megabytes 100

Each file is read in a separate process. Kinds: numbers; codes, eight letters that differ in almost every row, and towns
from a short list; prose, sentences that are all different. The last two are mostly text.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from machine import peak_bytes
from numpy.typing import NDArray
from reports import report_path, write_report

ROWS = 20_000
Bytes = NDArray[np.uint8]


def digits(rng: np.random.Generator) -> Bytes:
    """Numbers such as 0.123456."""
    return np.hstack([np.full((ROWS, 2), np.frombuffer(b"0.", np.uint8)), rng.integers(48, 58, (ROWS, 6), np.uint8)])


def letters(rng: np.random.Generator, count: int) -> Bytes:
    """Texts with the given number of letters."""
    return rng.integers(97, 123, (ROWS, count), np.uint8)


def town(rng: np.random.Generator) -> Bytes:
    """One of 50 texts."""
    names = np.random.default_rng(0).integers(97, 123, (50, 7), np.uint8)
    return names[rng.integers(0, len(names), ROWS)]


def sentence(rng: np.random.Generator) -> Bytes:
    """Ten words of five letters."""
    words = letters(rng, 60)
    words[:, 5::6] = ord(" ")
    return words


KINDS: dict[str, tuple[Callable[[np.random.Generator], Bytes], ...]] = {
    "numbers": (digits,) * 12,
    "codes": (digits, *(lambda rng: letters(rng, 8),) * 8, town, town, town),
    "prose": (digits, sentence, town, sentence),
}


def write(path: Path, kind: str, size: int) -> None:
    """Writes a file of at least `size` bytes."""
    rng = np.random.default_rng(1)
    with path.open("wb") as file:
        file.write(",".join(f"c{index}" for index in range(len(KINDS[kind]))).encode() + b"\n")
        while file.tell() < size:
            parts: list[Bytes] = []
            for make in KINDS[kind]:
                parts += [make(rng), np.full((ROWS, 1), ord(","), np.uint8)]
            parts[-1][:] = ord("\n")
            file.write(np.hstack(parts).tobytes())


def measure(path: Path) -> dict[str, float]:
    """Reads a file in this process: size, peak and seconds."""
    import time

    import pandas  # noqa: F401

    from evonas.data.readers.csv import read_table

    before, start = peak_bytes(), time.process_time()
    frame = read_table(path)
    size = path.stat().st_size
    found = {
        "rows": len(frame),
        "bytes": size,
        "peak_bytes": peak_bytes() - before,
        "ratio": (peak_bytes() - before) / size,
    }
    return found | {"seconds": time.process_time() - start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--output", type=report_path, help="JSON file to write")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        print(json.dumps(measure(arguments.measure)))
        return
    results = {}
    for kind in arguments.kinds:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table.csv"
            write(path, kind, int(arguments.megabytes * 1e6))
            command = [sys.executable, __file__, "--measure", str(path)]
            results[kind] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        found = results[kind]
        size, peak = found["bytes"] / 1e6, found["peak_bytes"] / 1e6
        print(
            f"{kind:8} file {size:6.1f} MB, {found['rows']:9,} rows: peak {peak:6.1f} MB over the baseline, "
            f"{found['ratio']:.2f} times the file, {found['seconds']:.1f} s of processor time",
            flush=True,
        )
    if arguments.output is not None:
        write_report(arguments.output, results)


if __name__ == "__main__":
    main()
