"""README and docs: links resolve, generated parts are current, commands exist, snippets run."""

from __future__ import annotations

import io
import os
import re
import runpy
import shlex
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import typer

from evonas.cli.app import app
from tests.cli.commands import write_table

ROOT = Path(__file__).parents[1]
PROJECT = "https://github.com/evonas/evonas/blob/main/"
RAW = "https://raw.githubusercontent.com/evonas/evonas/main/"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
#: Blocks of any other kind would not be checked. `text` marks what cannot run, `output` what the block above prints.
KINDS = {"python", "console", "output", "toml", "text"}
#: Pages whose blocks train no network.
QUICK = ("extending", "spaces", "strategies", "coding")
#: Text of the page -> a shorter variant that runs in a second.
SHORTER = {
    r"--time 10m": "--generations 1 --population 2 --epochs 2 --finalists 1",
    r"--evaluations 60": "--evaluations 4 --population 4 --epochs 2 --finalists 1",
    r"--evaluations \+40": "--evaluations +2",
    r"--generations \+10": "--generations +1",
    r"--top 5 --seeds 5": "--top 2 --seeds 1",
    r'time="5m"': 'generations=1, settings={"population": 3, "epochs": 2}',
    r'evaluations="\+10"': 'evaluations="+2"',
    r'generations="\+10"': 'generations="+1"',
    r"space=space, epochs=20": "space=space, epochs=1, generations=1, population=2, finalists=1",
    r"epochs=100": "epochs=2",
    r"n_iter=10": "n_iter=2",
    r"max_trials=30": "max_trials=2",
    r"epochs=10\b": "epochs=1",
}
#: Page -> the names that its snippets expect to exist.
GIVEN = {
    "export": "import pandas\npandas.read_csv('houses.csv').head().to_csv('new.csv', index=False)\n",
    "own-models": """
import evonas
from sklearn.datasets import load_digits
images, labels = load_digits().images[:500, ..., None] / 16, load_digits().target[:500]
""",
    "scikit-learn": """
import numpy as np, pandas as pd
from scipy.stats import loguniform
from sklearn.model_selection import cross_val_score
from keras.callbacks import EarlyStopping
frame = pd.DataFrame({"a": np.arange(90.0), "b": ["x", "y", "z"] * 30})
labels, new_rows = np.array(["no", "yes", "no"] * 30), frame.head()
x = x_val = np.random.default_rng(0).random((60, 3)); y = y_val = x.sum(axis=1)
def build_model(n_hidden, n_neurons, learning_rate):
    import keras
    hidden = [keras.layers.Dense(n_neurons, "relu") for _ in range(n_hidden)]
    model = keras.Sequential([keras.Input((3,)), *hidden, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(learning_rate), "mse")
    return model
""",
}
TUNED = """
def build_model(hp):
    import keras
    layers = [keras.Input((3,)), keras.layers.Dense(hp.Int("units", 4, 8), "relu"), keras.layers.Dense(3, "softmax")]
    model = keras.Sequential(layers)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
x = x_val = np.random.default_rng(0).random((60, 3)).astype("float32"); y = y_val = np.arange(60) % 3
"""


class Block(NamedTuple):
    """A fenced block of a page."""

    kind: str
    text: str
    line: int


def blocks(path: Path) -> list[Block]:
    text = path.read_text("utf-8")
    found = re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(match[1], match[2], text[: match.start()].count("\n") + 1) for match in found]


def commands(block: Block) -> list[str]:
    """The commands of a console block: the lines that start with a prompt."""
    return [line.removeprefix("$ ") for line in block.text.splitlines() if line.startswith("$ ")]


def prose(path: Path) -> str:
    """The page without its code blocks."""
    return re.sub(
        r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    )


def anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    "path", [*PAGES, ROOT / "CHANGELOG.md", ROOT / "benchmarks" / "README.md"], ids=lambda p: p.stem
)
def test_links_resolve(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        local = next((link.removeprefix(base) for base in (PROJECT, RAW) if link.startswith(base)), None)
        if local is None and re.match(r"https?:", link):
            continue
        # Package indexes show the page without the repository.
        assert local is not None or path.name != "README.md" or path.parent != ROOT, link
        name, _, anchor = (local or link).partition("#")
        target = (ROOT if local else path.parent) / name if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_site() -> None:
    nav = (ROOT / "mkdocs.yml").read_text("utf-8")
    notebooks = [f"notebooks/{path.name}" for path in (ROOT / "docs" / "notebooks").glob("*.ipynb")]
    pages = [*(page.name for page in DOCS), *notebooks]
    assert sorted(re.findall(r": ([\w/-]+\.(?:md|ipynb))$", nav, re.MULTILINE)) == sorted(pages)


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    for name in ("mkdocs", "material", "mkdocs_jupyter"):
        pytest.importorskip(name)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(ROOT / "mkdocs.yml")]
    done = subprocess.run(
        [*command, "--site-dir", str(tmp_path / "site")], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "notebooks" / "search" / "index.html").exists()


def test_the_front_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 130


def test_generated_parts_are_current() -> None:
    if not (ROOT / "docs" / "generate.py").exists():
        pytest.skip("the generator is not there")
    assert runpy.run_path(str(ROOT / "docs" / "generate.py"))["main"](True) == 0, "run python docs/generate.py"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_commands_and_their_options_exist(path: Path) -> None:
    group: Any = typer.main.get_command(app)
    for block in blocks(path):
        assert block.kind in KINDS, f"{path.name}:{block.line}"
        for command in commands(block) if block.kind == "console" else ():
            name, *arguments = shlex.split(command.partition(" > ")[0], comments=True)[1:]
            group.commands[name].make_context(name, arguments)


@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=[] if path.stem in QUICK else pytest.mark.soak, id=path.stem) for path in PAGES]
)
def test_blocks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    todo = [block for block in blocks(path) if block.kind in ("python", "console", "output")]
    if not any(block.kind != "output" for block in todo):
        pytest.skip("nothing to run")
    monkeypatch.chdir(tmp_path)
    if path.stem not in QUICK:
        prepare_folder()
    names: dict[str, Any] = {"__name__": "snippet", "np": np}
    exec(GIVEN.get(path.stem, ""), names)
    printed = ""
    for block in todo:
        if block.kind == "output":
            assert_alike(printed, block.text, path.stem == "README")
        elif block.kind == "console":
            for command in commands(block):
                type_command(shorter(command))
        else:
            if "tuner.Evolution" in block.text:
                exec(TUNED, names)
            printed = run_snippet(block, path, names)


def run_snippet(block: Block, path: Path, names: dict[str, Any]) -> str:
    """Returns what the snippet prints. It is run as a file so that `inspect` finds the source of its functions."""
    file = Path(f"snippet_{block.line}.py")
    file.write_text(block.text if path.stem == "README" else shorter(block.text))
    output = io.StringIO()
    with redirect_stdout(output):
        exec(compile(file.read_text(), str(file.resolve()), "exec"), names)
    return output.getvalue()


def shorter(text: str) -> str:
    for pattern, less in SHORTER.items():
        text = re.sub(pattern, less, text)
    return text


def assert_alike(printed: str, shown: str, loosely: bool) -> None:
    """Asserts that outputs are equal; after a training, without the numbers, since processors round differently."""
    if loosely:
        printed, shown = (re.sub(r"[\d.]+", "0", re.sub(r" +", " ", text)) for text in (printed, shown))
    assert printed == shown


def prepare_folder() -> None:
    """Creates the data and the run that the pages assume."""
    write_table(Path("houses.csv"), name="price")
    type_command("evonas inspect houses.csv --target price")
    small = "--generations 1 --population 3 --epochs 2 --finalists 1 --quiet"
    type_command(f"evonas run houses.csv --target price {small} --out evonas-runs/20250101-120000 --export best.keras")
    pillow = pytest.importorskip("PIL.Image")
    for index in range(24):
        folder = Path("pets") / ("cats", "dogs")[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pillow.fromarray(np.full((8, 8, 3), index * 10, np.uint8)).save(folder / f"{index}.png")


def type_command(command: str) -> None:
    """Runs an evonas command in a shell."""
    shell = f'evonas() {{ {shlex.quote(sys.executable)} -m evonas "$@"; }}; {command}'
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if command.startswith("evonas dashboard"):  # runs until Ctrl-C
        with subprocess.Popen(
            [sys.executable, "-m", *shlex.split(command, comments=True)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as shown:
            assert shown.stdout is not None
            assert "?token=" in shown.stdout.readline()
            shown.terminate()
        return
    done = subprocess.run(["bash", "-c", shell], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
