"""The report of a run: its content, that it is self-contained, and that it runs no scripts except its own."""

from __future__ import annotations

import html.parser
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evonas.reporting import champion_figures as champion
from evonas.reporting import page
from evonas.reporting.column_importance import permutation_importance
from evonas.reporting.content import Table
from evonas.reporting.cost_figures import pareto_indices
from evonas.reporting.importance import gene_importance
from evonas.reporting.lineage import ancestors, operator_rates
from evonas.reporting.predictions import load_data, predict_held_out
from evonas.reporting.report import make_report, write_report
from evonas.reporting.rundata import read_run
from evonas.runs.schema import DATABASE
from genomes.errors import InputError
from tests.reporting.synthetic import HOSTILE, synthetic_run


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_run(tmp_path_factory.mktemp("regression") / "run")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_run(tmp_path_factory.mktemp("hostile") / "run", classes=3, hostile=True)


class Parsed(html.parser.HTMLParser):
    """Collects tags with attributes, and the text of scripts by id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.words = ""
        self._script: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._script = str(dict(attrs).get("id", "")) if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.words += data
        else:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data


def test_the_page_is_self_contained_and_does_not_change_the_run(run_dir: Path, tmp_path: Path):
    before = (run_dir / DATABASE).read_bytes()
    path = write_report(run_dir, tmp_path / "report.html")
    text = path.read_text()
    parsed = Parsed(text)
    assert "odd.csv" in parsed.words
    assert "on 60 test rows, which the search never saw" in parsed.words
    figures = json.loads(parsed.scripts["figures"])
    drawn = [attributes["data-figure"] for tag, attributes in parsed.tags if "data-figure" in attributes]
    assert set(drawn) == set(figures)
    assert {"convergence-seconds", "architecture", "lineage", "residuals", "columns", "pareto", "failures"} <= set(
        drawn
    )
    table = json.loads(parsed.scripts["candidates-data"])
    assert len(table["columns"][0]["values"]) == 60
    assert not [tag for tag, attributes in parsed.tags if "src" in attributes or tag == "link"]
    assert len(text) < 3_000_000
    assert (run_dir / DATABASE).read_bytes() == before
    write_report(run_dir, path)  # evonas's own file is replaced


def test_text_from_data_is_text(hostile: Path, tmp_path: Path):
    text = write_report(hostile, tmp_path / "report.html").read_text()
    parsed = Parsed(text)
    assert HOSTILE.replace("/", "|") in parsed.words
    assert not [tag for tag, _ in parsed.tags if tag == "img"]
    assert "<img" not in text
    assert all("onerror" not in attributes for _, attributes in parsed.tags)
    for figure in json.loads(parsed.scripts["figures"]).values():
        assert "<img" not in json.dumps(figure)
    words = write_report(hostile, tmp_path / "report.md", "md").read_text()
    assert "<img" not in words
    assert "&lt;img" in words


def test_markdown_explains_each_figure_and_lists_its_numbers(run_dir: Path, tmp_path: Path):
    words = write_report(run_dir, tmp_path / "report.md", "md").read_text()
    sections = dict(part.split("\n", 1) for part in words.split("\n## ")[1:])
    assert all(text.strip() for text in sections.values())
    best = read_run(run_dir).champion
    assert best is not None
    progress = sections["Is it getting better?"]
    assert [row.split("|")[1].strip() for row in progress.splitlines() if row.startswith("| ")][2:] == [
        *("1", "2", "5", "10", "20", "50", "60")
    ]
    assert f"{best.evaluation.scores['rmse']:.5g}"[:6] in progress
    assert "**Best rmse by epochs.**" in progress
    assert "| gene | share |" in sections["Which genes matter"]
    assert "| phase | seconds |" in sections["What it cost"]
    titles = [figure.title for figure in make_report(read_run(run_dir)).figures]
    assert not [title for title in titles if title.isascii() and title.isalpha() and title not in words]


def test_a_running_search_and_one_without_a_score_can_be_read(tmp_path: Path):
    first = synthetic_run(tmp_path / "killed", 20, finish=False)
    assert "Killed" in Parsed(write_report(first).read_text()).words
    run = read_run(synthetic_run(tmp_path / "empty", 0))
    assert [section.name for section in make_report(run).sections] == ["answer", "cost"]


def test_foreign_files_are_kept(run_dir: Path, tmp_path: Path):
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(InputError, match="report must be new"):
        write_report(run_dir, path)
    with pytest.raises(InputError, match="format must be one of html, md, png, svg, not 'pdf'"):
        write_report(run_dir, tmp_path / "x", "pdf")
    assert path.read_text() == "mine"


def test_without_plotly_the_extra_is_named(run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page, "_script_path", lambda: None)
    with pytest.raises(InputError, match=r"pip install 'evonas\[report\]'"):
        write_report(run_dir, tmp_path / "report.html")


def test_predictions_are_scored_as_the_search_scores(run_dir: Path, hostile: Path):
    for path in (run_dir, hostile):
        run = read_run(path)
        data = load_data(run)
        assert data is not None
        found = predict_held_out(run, data)
        assert found is not None
        assert found.split == "test"
        if found.problem.task == "regression":
            error = found.predicted[:, 0] - found.true[:, 0]
            assert found.scores()["rmse"] == pytest.approx(float(np.sqrt((error**2).mean())), rel=1e-5)
        else:
            assert found.predicted.sum(axis=1) == pytest.approx(1.0)
        columns = permutation_importance(run, data, found)
        assert set(columns) == set(data.preparation.columns())  # type: ignore[union-attr]
        assert list(columns) == sorted(columns, key=lambda name: -columns[name][0])


def test_boosting_is_a_line_and_a_row(run_dir: Path, hostile: Path):
    for path in (run_dir, hostile):
        report = make_report(read_run(path), boosting=True)
        answer, progress = report.sections[:2]
        rows = [row[0] for block in answer.blocks if isinstance(block, Table) for row in block.rows]
        assert "gradient boosting (scikit-learn)" in rows
        names = [trace.get("name") for trace in progress.blocks[0].traces]  # type: ignore[union-attr]
        assert "gradient boosting" in names
        assert "best so far" in names


def test_a_gene_that_decides_is_the_most_important():
    rng = np.random.default_rng(0)
    genes = {"idle": rng.random(300).tolist(), "rate": rng.random(300).tolist()}
    genes["kind"] = rng.choice(["a", "b", "c"], 300).tolist()
    losses = np.array(genes["rate"]) + 0.3 * (np.array(genes["kind"]) == "b")
    run: Any = SimpleNamespace(losses=losses, genes=genes, space=None)
    shares = gene_importance.__wrapped__(run)
    assert list(shares) == ["rate", "kind", "idle"]
    assert sum(shares.values()) == pytest.approx(1.0)


def test_a_champion_without_parents_is_shown_alone(tmp_path: Path):
    figure = champion.lineage(read_run(synthetic_run(tmp_path / "run", 1)))
    assert figure is not None
    assert "has no parents" in figure.caption


def test_lineage_leads_from_the_champion_back_in_time(run_dir: Path):
    run = read_run(run_dir)
    family = ancestors(run)
    assert run.champion is not None
    assert run.records[family[0]].digest == run.champion.digest
    assert len(family) > 1
    assert all(place < family[0] for place in family[1:])
    rates = operator_rates(run)
    assert sum(each.children + each.failed for each in rates) == 60
    assert all(0 <= each.better <= each.children for each in rates)


def test_the_front_holds_the_nondominated_networks():
    losses, sizes = np.array([3.0, 1.0, 2.0, 2.5, 1.0]), np.array([1.0, 9.0, 4.0, 5.0, 8.0])
    assert pareto_indices(losses, sizes, np.arange(5)) == [0, 2, 4]


@pytest.mark.soak
def test_in_a_browser(hostile: Path, tmp_path: Path):
    """Opens, sorts, filters and clicks, in dark mode and at phone width; no script from the data runs."""
    playwright: Any = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium")
    path = write_report(hostile, tmp_path / "report.html")
    wrong: list[str] = []
    with playwright.sync_playwright() as manager:
        browser = manager.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark")
        tab = context.new_page()
        tab.on("dialog", lambda dialog: (wrong.append("dialog"), dialog.dismiss()))
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        tab.goto(path.as_uri())
        assert tab.locator("#table tbody tr").count() == 50
        tab.locator(".plot").first.scroll_into_view_if_needed()
        tab.wait_for_selector(".plot[data-drawn]")
        assert tab.evaluate("document.documentElement.scrollWidth") == 390
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
        tab.fill("#filter", "network<=7")
        playwright.expect(tab.locator("#table tbody tr")).to_have_count(7)
        tab.get_by_role("button", name="network").focus()
        tab.keyboard.press("Enter")
        assert tab.locator("#table tbody tr").first.locator("button").inner_text() == "1"
        tab.locator("#table tbody tr button").first.focus()
        tab.keyboard.press("Enter")
        tab.wait_for_selector("dialog[open] >> text=learning_rate")
        tab.keyboard.press("Escape")
        assert not tab.locator("dialog[open]").count()
        browser.close()
    assert not wrong
