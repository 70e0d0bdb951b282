"""Rendering of a model card as Markdown from its JSON values. Names given by users are escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evonas.display.scores import clock, format_score, parameter_words
from evonas.io.printable import printable

__all__ = ["card_text", "escape"]

_TASKS = {"regression": "regression", "binary": "binary classification", "multiclass": "classification"}
_MOST = 20


def card_text(card: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    sections = [_heading(card), _usage(card), _interface(card), _data(card), _scores(card), *_networks(card)]
    sections += [_search_lines(card), _limits(card), _versions(card)]
    return "\n\n".join(section for section in sections if section) + "\n"


def escape(text: Any) -> str:
    """Returns the text on one line, with Markdown and HTML characters escaped."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in str(text)).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~$!])", r"\\\1", line)


def _heading(card: Mapping[str, Any]) -> str:
    data, model = card["data"], card["model"]
    classes = f" ({_list(data['classes'])})" if data["classes"] else ""
    columns = f" from {_count(len(data['columns']), 'column')}" if data["columns"] else ""
    if samples := data.get("samples"):
        columns = f" from {escape(_sample_words(model, samples))}"
    file = f" of {escape(data['file'])}" if data["file"] else ""
    return (
        f"# Model card: {escape(model['file'])}\n\n"
        f"Predicts {_list(data['targets'])}{columns}{file}: {_TASKS[data['task']]}{classes}. "
        f"{parameter_words(model['parameters'], model.get('fixed_parameters', 0))}"
        + (f", {model['flops']:,} floating-point operations a row" if model["flops"] else "")
        + f". {_sentence(model['note'])}"
    )


def _sample_words(model: Mapping[str, Any], samples: Mapping[str, Any]) -> str:
    """The samples in words: those of the search, unless the file takes images of any size."""
    if not any(len(each["shape"]) == 4 and each["shape"][1] is None for each in model["inputs"]):
        return str(samples["words"])
    height, width, channels = samples["network_shape"]
    return f"images of any size, resized to {height} x {width} pixels, {_count(channels, 'channel')}"


def _usage(card: Mapping[str, Any]) -> str:
    if not card["model"]["usage"]:
        return ""
    return f"## Use\n\nIn the folder of the file; the row is made up:\n\n{_fence(card['model']['usage'], 'python')}"


def _interface(card: Mapping[str, Any]) -> str:
    rows = [("input", each) for each in card["model"]["inputs"]] + [
        ("output", each) for each in card["model"]["outputs"]
    ]
    if not rows:
        return ""
    lines = [
        (kind, escape(each["name"]), escape(each.get("column", "")), escape(each["dtype"]), _shape(each["shape"]))
        for kind, each in rows
    ]
    return "## Inputs and outputs\n\n" + _table(("", "name", "column", "type", "shape"), lines)


def _data(card: Mapping[str, Any]) -> str:
    data = card["data"]
    rows = ", ".join(f"{count:,} {part}" for part, count in data["rows"].items())
    folds = f", cross-validated in {data['folds']} folds" if data["folds"] else ""
    lines = [f"Rows: {rows}{folds}. Fingerprint {_code(data['fingerprint'])}"]
    lines[0] += f", SHA-256 of the file {_code(data['sha256'])}." if data["sha256"] else "."
    if data["columns"]:
        lines.append(
            _table(
                ("column", "role", "features", "missing values", "fitted on the training rows"),
                [
                    (escape(each["name"]), each["role"], str(each["features"]), _missing_values_text(each), _fit(each))
                    for each in data["columns"]
                ],
            )
        )
    if samples := data.get("samples"):
        lines.append(_of_samples(samples))
    if near := data.get("neighbours"):
        lines.append(
            f"The file holds the target and {_list(near['columns'])} of {near['rows']:,} training rows: it computes "
            "means of the targets of nearby rows. Do not share it with anyone who may not see these rows."
        )
    if rows := data.get("references"):
        lines.append(
            f"The file holds the targets of up to {rows:,} training rows for each network that predicts from learned "
            "neighbours, and representations of these rows. Do not share it with anyone who may not see these rows."
        )
    if data["notes"]:
        lines.append("\n".join(f"- {escape(note)}" for note in data["notes"]))
    return "## Data\n\n" + "\n\n".join(lines)


def _of_samples(samples: Mapping[str, Any]) -> str:
    """Describes the preprocessing of whole samples."""
    if samples["kind"] == "text":
        return (
            "Texts are lower-cased, stripped of ASCII punctuation and split at white space; of their first "
            f"{samples['length']:,} words, the {samples['vocabulary'] - 2:,} known ones are used."
        )
    means, deviations = (", ".join(f"{value:.4g}" for value in samples[name]) for name in ("mean", "std"))
    said = f"Each channel is standardised by the training rows' mean ({means}) and deviation ({deviations})"
    if samples["kind"] == "image":
        return f"{said}, in the units of the raw pixels used by the search."
    more = "; shorter ones end in NaN: steps at the end without any value are padding" if samples["masked"] else ""
    return f"{said}; NaN means a missing value and is replaced by the channel's mean{more}."


def _missing_values_text(column: Mapping[str, Any]) -> str:
    if "imputed" in column:
        return f"replaced by {column['imputed']:g}" + (", and marked" if column["indicator"] else "")
    return {"categorical": "a category, if there were any", "presence": "distinguished from present values"}.get(
        column["role"], "ignored" if column["role"] == "text" else "replaced by the median, and marked"
    )


def _fit(column: Mapping[str, Any]) -> str:
    if "categories" in column:
        count = f"{column['categories']} {'category' if column['categories'] == 1 else 'categories'}"
        return count + (" and the others together" if column["other"] else "")
    parts = [f"mean {column['mean']:.6g}, standard deviation {column['std']:.6g}"] if "mean" in column else []
    parts += [f"{column[name]} {name}" for name in ("knots", "words") if name in column]
    return ", ".join(parts)


def _scores(card: Mapping[str, Any]) -> str:
    found, rows = card["scores"], []
    given = {
        "validation": found["validation"],
        "test": found["test"],
        f"validation, predicting {found['baseline']['predicts']}": found["baseline"]["validation"],
        f"test, predicting {found['baseline']['predicts']}": found["baseline"]["test"],
    }
    baselines = found.get("baselines") or {}
    for each in baselines.get("models", ()):
        for part in ("validation", "test"):
            given[f"{part}, {each['name']} ({each['about']}{'' if each['complete'] else ' so far'})"] = each[part]
    names = sorted(
        {name for scores in given.values() for name in scores}, key=lambda name: (name != found["objective"], name)
    )
    for part, scores in given.items():
        if scores:
            rows.append((escape(part), *(format_score(scores[name]) if name in scores else "" for name in names)))
    objective = escape(found["objective"])
    lines = [f"Searched for the {'lowest' if found['direction'] == 'min' else 'highest'} {objective}."]
    lines.append(_table(("", *map(escape, names)), rows))
    if baselines:
        said = [baselines["verdict"] or "", f"Baselines: {baselines['missing']}." if baselines["missing"] else ""]
        lines += [escape(" ".join(filter(None, said)))] if any(said) else []
    for each in found["finalists"]:
        test = (
            f", on the test rows {_spread(each['test_mean'], each['test_spread'])}"
            if each["test_mean"] is not None
            else ""
        )
        failed = f", {each['failed']} failed" if each["failed"] else ""
        lines.append(
            f"The search found this network with {objective} {format_score(each['search_score'])}. Trained again "
            f"from {_count(each['retrained'], 'other seed')}{failed}: {_spread(each['mean'], each['spread'])}{test}."
        )
    return "## Scores\n\n" + "\n\n".join([*lines, *_calibration(found)])


def _calibration(found: Mapping[str, Any]) -> list[str]:
    """Calibration of probabilities or quantiles."""
    lines = []
    for part, about in (found.get("calibration") or {}).items():
        if "ece" in about:
            before = f" ({format_score(about['ece_before'])} before calibration)" if "ece_before" in about else ""
            lines.append(f"- {part}: expected calibration error {format_score(about['ece'])}{before}")
        for each in about.get("coverage", ()):
            lines.append(
                f"- {part}: {each['observed']:.1%} of the rows are between the quantiles {each['low']:g} and "
                f"{each['high']:g}, where {each['nominal']:.1%} should be; mean width {format_score(each['width'])}"
            )
    if lines and found.get("temperature", 1.0) != 1.0:
        lines.append(
            f"- logits are divided by {format_score(found['temperature'])}, which fits the validation rows best"
        )
    return ["\n".join(lines)] if lines else []


def _spread(mean: float | None, spread: float | None) -> str:
    return format_score(mean) + ("" if spread is None else f" ± {spread:.2g}")


def _networks(card: Mapping[str, Any]) -> Iterable[str]:
    several = len(card["networks"]) > 1
    for number, each in enumerate(card["networks"], start=1):
        title = f"## Network {number}, share {each['share']:.0%}" if several else "## Network"
        start = escape(each["starts_from"])
        how = f"Trained from seed {each['seed']} ({start}), at its best after epoch {each['best_epoch']}."
        parts = [title, _fence(each["drawing"], ""), how]
        if not several:
            file = f"{card['model']['file']}.card.json"
            parts.append(f"`evonas build` rebuilds it, untrained, from {escape(file)} or from its genome:")
        yield "\n\n".join([*parts, _fence(json.dumps(each["genome"], ensure_ascii=False), "json")])


def _search_lines(card: Mapping[str, Any]) -> str:
    search = card["search"]
    infeasible = f", {search['infeasible']:,} over the limits" if search["infeasible"] else ""
    rank = f"this one has rank {search['rank']}" if search["rank"] else "this one combines several"
    lines = [
        f"{_count(search['trained'], 'network')} trained ({search['failed']:,} failed{infeasible}) in "
        f"{_count(search['generations'], 'generation')} and {clock(search['seconds'])}; {rank}.",
        _settings("Training", card["training"]),
        _settings("Search", search["settings"]),
        _settings("Budget", search["budget"]),
    ]
    return "## Training and search\n\n" + "\n\n".join(lines)


def _settings(title: str, values: Mapping[str, Any]) -> str:
    given = {name: value for name, value in values.items() if value is not None}
    return f"{title}: " + ", ".join(f"{escape(name)} {escape(value)}" for name, value in given.items()) + "."


def _limits(card: Mapping[str, Any]) -> str:
    data, search = card["data"], card["search"]
    rows = data["rows"]
    trained = rows["training"] + (rows["validation"] if card["model"]["retrained"] or data["folds"] else 0)
    file = f" of {escape(data['file'])}" if data["file"] else ""
    lines = [f"Made to predict {_list(data['targets'])} of rows like the {trained:,}{file} that it was trained on."]
    if not card["model"]["retrained"]:
        lines.append(
            f"The {rows['validation']:,} validation rows chose the network among {search['trained']:,} and the epoch: "
            "its scores on them are optimistic because of that choice."
        )
    if rows["test"]:
        lines.append(f"The {rows['test']:,} test rows were not used in the search.")
    else:
        lines.append("There are no scores on rows that the search did not use.")
    if any(column["role"] == "categorical" for column in data["columns"]):
        lines.append("A category that did not occur in training counts as a rare one, or is ignored.")
    lines.append("Numbers are computed in float32.")
    keras = card["versions"]["export"].get("keras")
    if card["model"]["format"] == "keras" and keras:
        lines.append(f"Requires Keras {escape(keras)} or newer: older versions lack arguments used in the file.")
    lines.append("Not examined: subgroups of rows, causality, and rows collected later or elsewhere.")
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _versions(card: Mapping[str, Any]) -> str:
    rows = [
        (escape(name), escape(card["versions"]["search"].get(name, "")), escape(version))
        for name, version in card["versions"]["export"].items()
    ]
    return "## Versions\n\n" + _table(("", "search", "export"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _fence(text: str, language: str) -> str:
    """A block of code whose fence is longer than any in it."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = "\n".join(map(printable, text.rstrip().split("\n")))
    return f"{fence}{language}\n{lines}\n{fence}"


def _code(text: Any) -> str:
    """Formats a single word as code, anything else as text."""
    return f"`{text}`" if re.fullmatch(r"[\w .:-]+", str(text)) else escape(text)


def _shape(sizes: Sequence[int | None]) -> str:
    return "(" + ", ".join("n" if size is None else str(size) for size in sizes) + ")"


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(map(escape, names[:_MOST])) + more


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _sentence(text: str) -> str:
    return escape(text[:1].upper() + text[1:]) + "."
