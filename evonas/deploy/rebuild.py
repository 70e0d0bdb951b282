"""`build_model`: the untrained network of a genome, compiled as in the search. Loads Keras lazily."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evonas.io.marked_files import check_place, mark_archive, publish
from evonas.runs.genome_files import read_described
from genomes.encodings import blueprint, read_space
from genomes.errors import InputError
from genomes.space import SearchSpace

__all__ = ["Rebuilt", "build_model", "rebuilt"]

_TASKS = ("regression", "binary", "multiclass")
_LOSSES = ("auto", "mse", "mae", "huber", "pinball")


@dataclass(frozen=True)
class Rebuilt:
    """A network built from a genome.

    Attributes:
        model: the `keras.Model`, from encoded features `(num_samples, num_features)` to standardised predictions or
            logits, `(num_samples, num_outputs)`.
        seed: of its weights.
        parameters: number of trainable parameters.
        drawing: the network and how it is trained, as text.
        note: parts of the training that plain Keras does not support; empty if none.
    """

    model: Any
    seed: int
    parameters: int
    drawing: str
    note: str


def build_model(genome: Any, path: str | Path | None = None, **options: Any) -> Any:
    """The untrained network of a genome: layers, initial weights of a seed, optimizer and loss.

    It takes encoded features, as returned by `result.prepare`, and is trained on standardised targets or class
    numbers, as in a search. An exported model has further layers around it.

    Args:
        genome: a genome, its JSON values, or the path of a file with one: a genome as JSON, a model card,
            `status --json`, a population or a run directory, whose best network is used.
        path: of a `.keras` file to write; None writes no file.
        **options: as for `rebuilt`.

    Returns:
        a compiled `keras.Model`.

    Raises:
        InputError: the argument is not a genome, or lacks information; the message says what to give.
    """
    return rebuilt(genome, path, **options).model


def rebuilt(
    genome: Any,
    path: str | Path | None = None,
    *,
    features: int | None = None,
    outputs: int | None = None,
    task: str | None = None,
    seed: int | None = None,
    rows: int | None = None,
    epochs: int | None = None,
    loss: str | None = None,
    space: SearchSpace | str | Path | None = None,
) -> Rebuilt:
    """Like `build_model`, with details.

    Args:
        genome, path: see `build_model`.
        features, outputs, task: width of input and output, and "regression", "binary" or "multiclass"; model cards,
            `status --json` and run directories contain them.
        seed: seed of the initial weights; by default the seed with which the search trained, if known, else 0.
        rows, epochs: training rows and epochs, which determine the length of a learning-rate schedule; model cards
        contain
            them.
        loss: loss for regression: "auto" (mse), "mse", "mae" or "huber"; "pinball" is compiled as "mae", which is that
            of the median, since Keras has no pinball loss.
        space: the space of the genome, or the path of its TOML file; any if None.
    """
    if path is not None and (Path(path).suffix != ".keras" or not Path(path).absolute().parent.is_dir()):
        raise InputError(f"path must end in .keras and be in an existing folder, not {path}: write model.keras")
    if path is not None:
        check_place(Path(path))
    home = read_space(space) if isinstance(space, (str, Path)) else space
    home, genome, described = read_described(genome, home)
    if not hasattr(home, "architecture"):
        raise InputError(
            "genome must be of a network of layers, not of your own function: call that with these genes instead"
        )
    given = {"num_features": features, "num_outputs": outputs, "task": task, "rows": rows, "epochs": epochs}
    given |= {"seed": seed, "loss": loss}
    facts = {**described, **{name: value for name, value in given.items() if value is not None}}
    width, count, kind = _size(facts, "num_features", "--features"), _outputs(facts), _task(facts)
    chosen, how = facts.get("seed", 0), facts.get("loss", "auto")
    if how not in _LOSSES:
        raise InputError(f"loss must be one of {', '.join(_LOSSES)}, not {how!r}: choose one")
    architecture = blueprint(home, genome)
    _check_schedule(architecture["training"], facts)

    from evonas.training.export.rebuild import build_untrained
    from genomes.architecture.cost import count_parameters
    from genomes.architecture.graph import draw, graph_from_json

    shape = _sample_shape(facts, width)
    graph = _place(graph_from_json(architecture), facts, width)
    if shape:
        graph.graph["sample"] = (shape, facts.get("masked") is True)
    spans = facts.get("rows"), facts.get("epochs")
    model, note = build_untrained(graph, width, count, kind, "mae" if how == "pinball" else how, int(chosen), *spans)
    if how == "pinball":
        lacking = "Keras has no pinball loss: compile the model with your own; this one has the mean absolute error"
        note = "; ".join(filter(None, (note, lacking)))
    if path is not None:
        with tempfile.TemporaryDirectory() as folder:
            draft = Path(folder) / "model.keras"
            model.save(draft)
            try:
                publish(Path(path), mark_archive(draft.read_bytes()))
            except OSError as error:
                raise InputError(
                    f"path must be writable, but {path} is not ({error.strerror}): choose another"
                ) from None
    return Rebuilt(model, int(chosen), count_parameters(graph, width, count, shape), draw(graph), note)


def _size(facts: Mapping[str, Any], name: str, option: str) -> int:
    if name not in facts:
        raise InputError(
            f"the number of {name.removeprefix('num_')} must be known to build a network, and a genome does not "
            "contain "
            f"it: give {option} N, or build from a model card (FILE.card.json) or a run directory"
        )
    value = facts[name]
    if type(value) is not int or not 0 < value <= 1 << 20:
        raise InputError(f"{name.removeprefix('num_')} must be a whole number from 1 to 1048576, not {value!r:.40}")
    return value


def _sample_shape(facts: Mapping[str, Any], width: int) -> tuple[int, ...]:
    """The shape of a sample, if the file contains it; empty for rows of a table."""
    shape = facts.get("sample_shape") or ()
    good = isinstance(shape, Sequence) and all(type(size) is int and size > 0 for size in shape) and len(shape) <= 3
    if not good or (shape and math.prod(shape) != width):
        raise InputError(
            f"sample_shape must have as many numbers as there are features, {width}, not {shape!r:.80}: take the file "
            "as evonas wrote it"
        )
    return tuple(shape)


def _place(graph: Any, facts: Mapping[str, Any], width: int) -> Any:
    """Attaches the numeric and categorical columns from the file to the graph."""
    from genomes.architecture.embedding import with_columns

    numeric, categorical, views = facts.get("numeric"), facts.get("categorical"), facts.get("views") or ()
    if numeric is None and categorical is None:
        return graph
    for name, columns in (("numeric", numeric), ("categorical", categorical)):
        if columns is None:
            continue
        good = isinstance(columns, Sequence) and all(type(each) is int and -1 <= each < width for each in columns)
        if not good or len(columns) != width or len(views) not in (0, width):
            raise InputError(
                f"{name} must be the number of a column for each of {width} features, not {columns!r:.80}: take the "
                "file as evonas wrote it"
            )
    return with_columns(graph, numeric or (), views, categorical or ())


def _outputs(facts: Mapping[str, Any]) -> int:
    count = _size(facts, "num_outputs", "--outputs")
    if facts.get("task") == "binary" and count != 1:
        raise InputError(f"outputs must be 1 for a binary task, not {count}: it gives the second class's logit")
    return count


def _task(facts: Mapping[str, Any]) -> str:
    task = facts.get("task")
    if task not in _TASKS:
        what = "is not determined by a genome alone" if task is None else f"must not be {task!r:.40}"
        raise InputError(f"the task must be one of {', '.join(_TASKS)}, and {what}: give --task")
    return str(task)


def _check_schedule(training: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    if training["schedule"] == "constant" and not training["warmup"]:
        return
    for name in ("rows", "epochs"):
        if name not in facts:
            schedule = f"{training['schedule']} learning rate" + (" with warm-up" if training["warmup"] else "")
            raise InputError(f"{name} must be known for a {schedule}, which spans the training: give --{name} N")
        _size(facts, name, f"--{name}")
