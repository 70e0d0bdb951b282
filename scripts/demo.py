"""The program of `make demo`: a search on scikit-learn's data set of 1,797 handwritten digits.

Shows and runs the commands that a user would type.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

RUN_DIR, MODEL = Path("evonas-runs/demo"), Path("digits.keras")
#: Small networks on unencoded pixels, which train in an instant; other settings are those of the default space.
SPACE = """\
[network]
layers = { low = 1, high = 3 }
units = { low = 16, high = 96 }
embedding = "none"
numbers = "standard"
neighbours = false
"""


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        arrays, few, space = (Path(folder) / name for name in ("digits.npz", "few.npz", "small.toml"))
        write_digits(arrays, few)
        space.write_text(SPACE)
        commands = (
            f"run {arrays} --target digit --objective accuracy --generations 1 --population 6 --epochs 10 "
            f"--space {space} --out {RUN_DIR} --overwrite --no-report",
            # A search continues where it stopped or was killed, without repeating any training.
            f"resume {RUN_DIR} --generations +1 --export {MODEL}",
            f"predict {RUN_DIR} {few} --csv",
        )
        for command in commands:
            if exit_code := type_command(command):
                return exit_code
    load = f'import keras; keras.models.load_model("{MODEL}").summary()'
    print("\nThe test rows were never seen by the search. Plain Keras loads the model:\n")
    print(f"  {shlex.join([sys.executable, '-c', load])}")
    return 0


def write_digits(path: Path, few: Path) -> None:
    """Writes images of 8 x 8 pixels, 64 numbers per row, and their digits; five of them also to `few`.

    Reads the file without scikit-learn, whose import takes longer.
    """
    (folder,) = find_spec("sklearn").submodule_search_locations
    rows = np.loadtxt(Path(folder) / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    np.savez(path, x=rows[:, :-1], digit=rows[:, -1].astype(int))
    np.savez(few, x=rows[:5, :-1], digit=rows[:5, -1].astype(int))


def type_command(line: str) -> int:
    """Runs an evonas command in this terminal and returns its exit code."""
    print(f"\n$ evonas {line}\n", flush=True)
    return subprocess.run([Path(sys.executable).with_name("evonas"), *shlex.split(line)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
