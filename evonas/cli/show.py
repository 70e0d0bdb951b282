"""`evonas show`: lists the networks of a run, or shows one in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from evonas.cli.options import RunDir, option
from evonas.cli.tables import AsCsv, AsLines, show_rows

if TYPE_CHECKING:
    from evonas.reporting.rundata import RunData

__all__ = ["show"]


def show(
    run_dir: RunDir,
    candidate: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="Number of a network in the run, or the first characters of its digest."),
    ] = None,
    top: Annotated[int, option("Networks to list, 0 for all [20].", "N")] = 20,
    as_json: AsLines = False,
    as_csv: AsCsv = False,
) -> None:
    """List the networks of a run, or show one of them.

    Best first. Works while the run is searching.
    """
    from evonas.reporting.listing import candidate_rows, find_candidate
    from evonas.reporting.rundata import read_run

    run = read_run(run_dir)
    if candidate is None:
        rows = candidate_rows(run)
        show_rows(rows[:top] if top else rows, as_json, as_csv, "no network has been trained yet")
        if not (as_json or as_csv):
            _show_verdict(run)
        return
    place = find_candidate(run, candidate)
    if as_json or as_csv:
        show_rows([_values(run, place)], as_json, as_csv, "")
    else:
        _show_one(run, place)


def _show_verdict(run: RunData) -> None:
    """Whether the final model (the best network, or a mean of several) or a baseline is better, where known."""
    from evonas.display.baseline_summaries import FINAL_MODEL, NETWORK, retrained_test_scores, verdict_of
    from evonas.io.console import say

    if run.baselines is None or run.champion is None:
        return
    test, ours = run.final_scores or retrained_test_scores(run.finalists), FINAL_MODEL if run.final_scores else NETWORK
    verdict = verdict_of(run.objective, run.champion.evaluation.scores, test, run.baselines, ours)
    if verdict is not None:
        say(f"\n{verdict.words}")


def _values(run: RunData, place: int) -> dict[str, Any]:
    """All facts about a network as one row."""
    record = run.records[place]
    evaluation = record.evaluation
    return {
        "network": place + 1,
        "generation": record.generation + 1,
        "digest": record.digest,
        "status": evaluation.status.value,
        "reason": evaluation.reason,
        "scores": dict(evaluation.scores),
        "parameters": evaluation.parameters,
        "epochs": evaluation.epochs,
        "best_epoch": evaluation.best_epoch,
        "seconds": evaluation.train_seconds,
        "trained": [
            {"started": each.started, "ended": each.ended, "process": each.process, "thread": each.thread}
            for each in run.trainings_of(record)
        ],
        "operator": record.operator,
        "parents": list(record.parents),
        "origin": str(record.origin or ""),
        "seed": record.seed,
        "genome": dict(record.genome),
    }


def _training_times(run: RunData, place: int) -> list[str]:
    """When the network was trained, as a list of at most one line."""
    found = run.trainings_of(run.records[place])
    if not found:
        return []
    started, ended = min(each.started for each in found), max(each.ended for each in found)
    where = sorted({each.thread + 1 for each in found})
    threads = f"thread{'s' * (len(where) > 1)} {', '.join(map(str, where))}"
    return [f"Trained from {started:.1f} s to {ended:.1f} s of the search, in {threads} of a worker"]


def _show_one(run: RunData, place: int) -> None:
    from evonas.display.curve_lines import curve_lines
    from evonas.display.scores import parameter_words, scores_words
    from evonas.io.console import say
    from evonas.runs.genome_files import fixed_parameters
    from genomes.encodings import describe

    record = run.records[place]
    evaluation = record.evaluation
    parents = ", ".join(
        f"network {run.places[each] + 1}" if each in run.places else each[:12] for each in record.parents
    )
    genome = None if run.space is None else run.space.genome_from_json(record.genome)
    fixed = 0 if genome is None else fixed_parameters(run.problem, run.space, genome)
    lines = [
        f"Network {place + 1} of generation {record.generation + 1}, {record.digest}",
        f"Status: {evaluation.status.value}{f', {evaluation.reason}' if evaluation.reason else ''}",
        f"Scores: {scores_words(evaluation.scores, run.objective.name) or 'none'}",
        f"{parameter_words(evaluation.parameters, fixed)}; {evaluation.epochs} epochs in "
        f"{evaluation.train_seconds:.1f} s, best after {evaluation.best_epoch}",
        *_training_times(run, place),
        f"Made by: {record.operator}{f' of {parents}' if parents else ''}"
        f"{f', starts from {record.origin}' if record.origin else ''}",
        "",
    ]
    if run.space is not None:
        lines += describe(run.space, genome).splitlines()
    curve = [value for value in evaluation.curve if value == value]
    if len(curve) > 1:
        lines += ["", "Validation loss by epoch:", *curve_lines(curve)]
    say("\n".join(lines))
