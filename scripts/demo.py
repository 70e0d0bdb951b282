"""What `make demo` runs: a search on 1,797 handwritten digits, the data set that scikit-learn carries.

Types the commands that a user would type, and shows them.
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
#: Networks that train in an instant, of pixels as they are; what is left out is as in the default space.
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
            # What has been trained is not trained again: a search continues where it stopped or was killed.
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
    """Images of 8 x 8 pixels, the 64 numbers of one a row, and the digit that each shows; five of them again in `few`.

    Read without scikit-learn, whose import takes longer.
    """
    (folder,) = find_spec("sklearn").submodule_search_locations
    rows = np.loadtxt(Path(folder) / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    np.savez(path, x=rows[:, :-1], digit=rows[:, -1].astype(int))
    np.savez(few, x=rows[:5, :-1], digit=rows[:5, -1].astype(int))


def type_command(line: str) -> int:
    """Runs an evonas command in this terminal; its exit code."""
    print(f"\n$ evonas {line}\n", flush=True)
    return subprocess.run([Path(sys.executable).with_name("evonas"), *shlex.split(line)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
