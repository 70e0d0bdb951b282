"""The report of a search: its content, and writing it as HTML, Markdown or pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evonas.data.prepared import PreparedData
from evonas.display.scores import format_score
from evonas.io.marked_files import check_place, mark_text, publish
from evonas.reporting import champion_figures as champion
from evonas.reporting import convergence_figures as convergence
from evonas.reporting import cost_figures as cost
from evonas.reporting import gene_figures as genes
from evonas.reporting.answer import answer_section, reference_lines, reference_scores, run_subtitle, run_title
from evonas.reporting.column_importance import permutation_importance
from evonas.reporting.content import Block, Report, Section, Table, Text
from evonas.reporting.figure import Figure
from evonas.reporting.lineage import ancestors, operator_rates
from evonas.reporting.prediction_figures import columns, prediction_figures
from evonas.reporting.predictions import BEST, Predictions, load_data, predict_held_out
from evonas.reporting.rundata import RunData, read_run
from evonas.runs.baselines import BaselineModel
from evonas.runs.directory import REPORT_NAME
from genomes.errors import InputError

__all__ = ["FORMATS", "make_report", "write_report"]

FORMATS = ("html", "md", "png", "svg")


def make_report(run: RunData, boosting: bool = False, quick: bool = False) -> Report:
    """Creates the report of a search.

    Args:
        run: the search.
        boosting: whether to train gradient boosting on the same rows for comparison, if the run has not done so.
        quick: whether to limit the shuffling of columns to a fraction of a second.
    """
    data = load_data(run)
    found = predict_held_out(run, data)
    models, split = _baselines(run, data, boosting), "validation" if found is None else found.split
    sections = [
        answer_section(run, data, found, reference_scores(models, split)),
        _progress(run, reference_lines(run, models)),
        _champion(run),
        _predictions(run, found),
        _columns(run, data, found, 0.2 if quick else 2.0),
        _lineage(run),
        _genes(run),
        _cost(run),
    ]
    return Report(run_title(run), run_subtitle(run), [section for section in sections if section.blocks])


def write_report(
    run_dir: str | Path,
    path: str | Path | None = None,
    format: str = "html",
    boosting: bool = False,
) -> Path:
    """Writes the report of a run, which may still be searching. Replaces an earlier report by evonas.

    Args:
        run_dir: the run directory.
        path: file of the report, by default `report.html` or `report.md` in the run directory; for pictures a folder,
            by default `figures` in the run directory.
        format: one of `FORMATS`.
        boosting: see `make_report`.

    Returns:
        The file or the folder.

    Raises:
        InputError: there is no run, the path was not written by evonas or is not writable, or plotly is not installed.
    """
    if format not in FORMATS:
        raise InputError(f"format must be one of {', '.join(FORMATS)}, not {format!r}: choose one")
    name = {"html": REPORT_NAME, "md": "report.md"}.get(format, "figures")
    place = Path(run_dir) / name if path is None else Path(path)
    if format in ("png", "svg"):
        from evonas.reporting.pictures import check_pictures, write_pictures

        check_pictures(place)
        return write_pictures(make_report(read_run(run_dir), boosting).figures, place, format)
    if place.is_dir():
        raise InputError(f"report must be a file, not the folder {place}: give the name of a file in it")
    check_place(place, "report")
    run = read_run(run_dir)
    if format == "html":
        from evonas.reporting.page import check_plotly, html_page

        check_plotly()
        text = html_page(run, make_report(run, boosting))
    else:
        from evonas.reporting.markdown import markdown

        text = markdown(make_report(run, boosting))
    try:
        publish(place, mark_text(text))
    except OSError as error:
        raise InputError(f"report must be writable, but {place} is not ({error.strerror}): choose another") from None
    return place


def _baselines(run: RunData, data: PreparedData | None, boosting: bool) -> Sequence[BaselineModel]:
    """The baselines of the run; with `boosting`, gradient boosting is trained unless they include a complete one."""
    known = () if run.baselines is None else run.baselines.models
    complete = any(model.name == "gradient boosting" and model.complete for model in known)
    if not boosting or complete or data is None or data.problem.input_shapes:
        return known
    from evonas.baselines.fitting import fit_boosting

    *_, boosted = fit_boosting(data, run.settings.seed or 0, all_rows=bool(run.settings.all_rows))
    return boosted, *(model for model in known if model.name != boosted.name)


def _progress(run: RunData, lines: dict[str, float]) -> Section:
    if not run.records:
        return Section("progress", "Is it getting better?", [])
    figures = [
        convergence.by_evaluations(run, lines),
        convergence.by_epochs(run, lines),
        convergence.by_seconds(run, lines),
    ]
    return Section("progress", "Is it getting better?", figures)


def _champion(run: RunData) -> Section:
    if run.champion is None:
        return Section("network", "What was found", [])
    place = run.places[run.champion.digest]
    rows = [[name, _cell(values[place])] for name, values in run.genes.items() if values[place] is not None]
    table = Table(["gene", "value"], rows, "The genes of the best network, which the search varied.")
    figures = [champion.architecture(run), champion.learning_curves(run)]
    return Section("network", "What was found", [*(each for each in figures if each is not None), table])


def _predictions(run: RunData, found: Predictions | None) -> Section:
    blocks: list[Block] = [] if found is None else list(prediction_figures(found))
    if found is not None and found.total > len(found.features):
        blocks.insert(0, Text(f"Of {len(found.features):,} of {found.total:,} rows, evenly spaced."))
    if found is not None and run.final_model is not None and found.model == BEST:
        why = "it was trained on all stored rows" if found.split == "validation" else "one of its files is missing"
        text = f"Of the best network, not of the final model ({run.final_model.note}): {why}."
        blocks.insert(0, Text(text))
    return Section("predictions", "How it predicts", blocks)


def _columns(run: RunData, data: PreparedData | None, found: Predictions | None, seconds: float) -> Section:
    if data is None or found is None:
        return Section("columns", "Which columns it needs", [])
    importance = permutation_importance(run, data, found, seconds=seconds)
    if not importance:  # for images and texts, whose single numbers are meaningless
        return Section("columns", "Which columns it needs", [])
    return Section("columns", "Which columns it needs", [columns(importance, run.objective.name, found)])


def _lineage(run: RunData) -> Section:
    drawn = champion.lineage(run)
    # A single point shows nothing beyond its caption.
    first: Block | None = Text(drawn.caption) if drawn is not None and len(ancestors(run)) == 1 else drawn
    blocks: list[Block] = [each for each in (first, champion.operators(run)) if each is not None]
    if blocks:
        rows = [
            [each.name, f"{each.children:,}", f"{each.better:,}", format_score(each.median_gain), f"{each.failed:,}"]
            for each in operator_rates(run)
        ]
        header = ["operator", "networks", "better than their parents", "median gain", "failed"]
        blocks.append(Table(header, rows, "A negative gain means a child that is worse than its best parent."))
    return Section("lineage", "Where it came from", blocks)


def _genes(run: RunData) -> Section:
    figures = [genes.importance(run), genes.parallel_coordinates(run), genes.contour(run), genes.rank(run)]
    known: list[Figure] = [each for each in figures if each is not None]
    return Section("genes", "Which genes matter", [*known, *genes.gene_scatters(run)])


def _cost(run: RunData) -> Section:
    figures = [cost.pareto(run), cost.timeline(run), cost.failures(run), cost.phases(run)]
    return Section("cost", "What it cost", [each for each in figures if each is not None])


def _cell(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
