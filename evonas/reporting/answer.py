"""The answer of a report: how the best network compares with baselines, what it costs, and whether to trust it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from evonas.data.prepared import PreparedData
from evonas.display.baseline_summaries import FINAL_MODEL, NETWORK, verdict_of
from evonas.display.in_training import training_lines
from evonas.display.scores import best_words, clock, format_score
from evonas.reporting.content import Block, Section, Table, Text
from evonas.reporting.predictions import BEST, Predictions, constant_scores, predict_best
from evonas.reporting.rundata import RunData
from evonas.runs.baselines import BaselineModel
from evonas.runs.progress import describe_stop

__all__ = ["answer_section", "reference_lines", "reference_scores", "run_subtitle", "run_title"]


def run_title(run: RunData) -> str:
    """The title of the report: objective and data."""
    file = Path(run.source["path"]).name if "path" in run.source else run.directory.name
    targets = ", ".join(run.problem.get("target_names", ()))
    return f"{targets} from {file}" if targets else file


def run_subtitle(run: RunData) -> str:
    """The subtitle of the report: progress of the search."""
    state = "Running" if run.running else "Killed" if run.stop is None else "Done"
    why = "" if run.stop is None or run.running else f" ({describe_stop(run.stop, run.budget)})"
    spent = f"{run.trained:,} networks trained, {run.failed:,} failed, in {clock(run.seconds)}"
    return f"{state}{why}: {spent}; {run.settings.strategy}, seed {run.settings.seed}. {run.directory.name}"


def answer_section(
    run: RunData, data: PreparedData | None, found: Predictions | None, references: Mapping[str, Mapping[str, float]]
) -> Section:
    """The first section of a report.

    Args:
        run: the search.
        data: prepared data of the run; None if there are none.
        found: predictions of the final model, which may be the best network; None if unknown.
        references: name of a reference model -> its scores on the same rows as `found`.
    """
    if run.champion is None:
        text = "No network has a score yet. The figures fill up during the search: generate the report again later."
        return Section("answer", "The answer", [Text(text, large=True), *_training_now(run)])
    name, scores = run.objective.name, run.champion.evaluation.scores
    known, tested = _known_scores(run, found)
    is_best = run.final_model is None or (found is not None and found.model == BEST)
    ours = NETWORK if is_best else FINAL_MODEL
    value, where = scores[name], "on the validation rows, which the search used for selection: slightly optimistic"
    if tested:
        rows = "the" if found is None else f"{found.total:,}"
        value, where = known[name], f"on {rows} test rows, which the search never saw"
    blocks: list[Block] = [Text(f"{name} {format_score(value)} {where}.", large=True)]
    if run.final_model is not None:
        of_best = "" if tested else " The score above is of the best network."
        blocks.append(Text(f"The final model, which is exported, is the {run.final_model.note}.{of_best}"))
    blocks.append(Text(f"The best network: {best_words(run.champion)}. {_cost(run)}"))
    if trust := _trust(run):
        blocks.append(Text(trust))
    if verdict := _verdict(run, *((known, ours) if tested else ({}, NETWORK))):
        blocks.append(Text(verdict))
    blocks.append(_comparison(run, data, found, known, references))
    if run.finalists:
        blocks.append(_finalist_table(run))
    blocks += _training_now(run)
    return Section("answer", "The answer", blocks)


def _known_scores(run: RunData, found: Predictions | None) -> tuple[dict[str, float], bool]:
    """The scores of the exported model, and whether they are test scores; on all test rows if the run stored them."""
    name = run.objective.name
    if run.final_scores and (found is None or found.model != BEST):
        return dict(run.final_scores), name in run.final_scores
    known = {} if found is None else found.scores()
    return known, found is not None and found.split == "test" and name in known


def _training_now(run: RunData) -> list[Text]:
    """The networks in training at the time of the report; empty for a search that has ended."""
    lines = training_lines(run.in_training)
    return [Text(f"In training now: {'; '.join(lines)}.")] if lines else []


def _verdict(run: RunData, test: Mapping[str, float], ours: str) -> str:
    """A sentence on whether the network or a baseline is better; empty if unknown."""
    if run.baselines is None or run.champion is None:
        return ""
    found, missing = (
        verdict_of(run.objective, run.champion.evaluation.scores, test, run.baselines, ours),
        run.baselines.missing,
    )
    return " ".join([*([found.words] if found else []), *([f"Baselines: {missing}."] if missing else [])])


def reference_lines(run: RunData, models: Sequence[BaselineModel]) -> dict[str, float]:
    """Reference lines for convergence figures: the best network's mean after retraining, if any, and scores of other
    models.
    """
    first = next(iter(run.finalists), None)
    lines = {} if first is None or first.mean is None else {"best, trained again (mean)": first.mean}
    name = run.objective.name
    return lines | {model.name: model.validation[name] for model in models if name in model.validation}


def reference_scores(models: Sequence[BaselineModel], split: str) -> dict[str, Mapping[str, float]]:
    """Scores of other models on a split ("test" or "validation"), by the names to show."""
    return {f"{each.name} (scikit-learn)": each.test if split == "test" else each.validation for each in models}


def _cost(run: RunData) -> str:
    record = run.champion
    assert record is not None, "there is a best network"
    once = record.evaluation.train_seconds
    return f"It was trained in {once:,.1f} s; the whole search of {run.trained:,} networks took {clock(run.seconds)}."


def _trust(run: RunData) -> str:
    """A sentence on how reliable the score of the search is."""
    if not run.finalists:
        return "It was not retrained with other seeds, so its score may be luck: evonas finalists shows how much."
    first = run.finalists[0]
    if first.gap is None or first.mean is None:
        return ""
    spread = first.spread or 0.0
    direction = "worse" if first.gap > 0 else "better"
    gap = f"{format_score(abs(first.gap))} {direction}"
    text = f"Trained again from {len(first.scores)} other seeds, it is {gap} on average"
    if first.spread is None:
        return f"{text}; more seeds would show how much of that is luck."
    verdict = "within" if abs(first.gap) <= 2 * spread else "more than"
    belief = _belief(verdict == "within", first.gap > 0)
    return f"{text}, {verdict} twice the spread between seeds ({format_score(spread)}): the search's score {belief}."


def _belief(is_within: bool, is_worse: bool) -> str:
    """The interpretation of the search's score in comparison with retraining."""
    if is_within:
        return "can be believed"
    return f"was {'lucky' if is_worse else 'unlucky'}; trust the re-trained one"


def _comparison(
    run: RunData,
    data: PreparedData | None,
    found: Predictions | None,
    known: Mapping[str, float],
    references: Mapping[str, Mapping[str, float]],
) -> Table:
    """The scores of the exported model, compared with those of other models on the same rows."""
    name = run.objective.name
    if found is None or data is None:
        names = [name, *sorted(run.champion.evaluation.scores.keys() - {name})] if run.champion else [name]
        scores = run.champion.evaluation.scores if run.champion else {}
        row = ["best network, validation", *(format_score(scores.get(each)) for each in names)]
        return Table(
            ["", *names], [row], "Predictions of test rows require Keras, or were not kept: see evonas export."
        )
    names = [each for each in (name, *sorted(known.keys() - {name})) if each in known]
    rows = [
        ["best network" if found.model == BEST else "final model", *(format_score(known.get(each)) for each in names)]
    ]
    if found.model != BEST and (alone := predict_best(run, data)) is not None:
        best = alone.scores()
        rows.append(["best network", *(format_score(best.get(each)) for each in names)])
    if run.baseline is not None and run.baseline.finalists and found.split == "test":
        theirs = run.baseline.finalists[0].test_mean
        cells = (format_score(theirs) if each == name else "" for each in names)
        rows.append([f"random search of {run.baseline.trained:,} networks", *cells])
    for other, scores in references.items():
        rows.append([other, *(format_score(scores.get(each)) for each in names)])
    constant = constant_scores(data)
    rows.append(["the same for every row", *(format_score(constant.get(each)) for each in names)])
    caption = f"Scores on the {found.split} split."
    if not references and run.baseline is None:
        caption += " evonas report --boosting and evonas finalists --random-baseline add stronger baselines."
    return Table(["", *names], rows, caption)


def _finalist_table(run: RunData) -> Table:
    header = ["", "score of the search", "trained again", "gap", "test"]
    rows = []
    for rank, each in enumerate(run.finalists, 1):
        gap = "" if each.gap is None else f"{each.gap:+.4g}"
        again = f"{_spread(each.mean, each.spread)} ({len(each.scores)} seed{'s' * (len(each.scores) != 1)})"
        test = _spread(each.test_mean, each.test_spread)
        rows.append([f"{rank}. {best_words(each.record)}", format_score(each.search_score), again, gap, test])
    caption = (
        "The best of many networks is partly lucky: the gap is the loss after retraining with other seeds. "
        "The test column was not used for any selection."
    )
    return Table(header, rows, caption)


def _spread(mean: float | None, spread: float | None) -> str:
    if spread is None:
        return format_score(mean)
    short = float(f"{spread:.2g}")
    return f"{format_score(mean)} ± {f'{short:,.0f}' if short >= 100 else f'{short:g}'}"
