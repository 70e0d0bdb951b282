"""Resolves the space of a search: as given or by default, restricted to what the data and the trainer support.

Imports no Keras and no pandas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from evonas.api.resolved_settings import SCORES_OF_CLASSES
from evonas.config import Settings
from evonas.data.neighbours import candidate_columns, rank_columns
from evonas.data.options import ARCHITECTURES, architecture_and_encoding
from evonas.data.sample_kind import SampleOptions
from evonas.networks.layers import can_be_compiled
from evonas.objective import MEASURES, Objective
from evonas.strategies import find_row, strategy_row
from evonas.user_model import Build
from genomes import ConvolutionalSpace, DenseSpace, HyperparameterSpace, SequenceSpace, StagedSpace
from genomes.architecture.layers import (
    EMBEDDED_NUMERIC_ENCODINGS,
    EMBEDDINGS,
    NUMERIC_ENCODINGS,
    OFF,
    may_find_neighbours,
    row_of,
)
from genomes.domains import Choice, Domain
from genomes.encodings import read_space, space_from_json
from genomes.errors import InputError
from genomes.space import SearchSpace

if TYPE_CHECKING:
    from evonas.data.prepared import PreparedData, Problem

__all__ = [
    "Space",
    "as_space",
    "chosen_space",
    "encoding_of",
    "fit_space",
    "resolve_samples",
    "space_and_numbers",
    "trainable",
    "with_learned_neighbours",
    "with_neighbours",
]


#: Maximum number of numeric columns that are embedded individually; with more, networks would be wide and slow.
MOST_COLUMNS = 128

#: Training genes that apply to images only.
_OF_IMAGES = ("flip", "rotation", "zoom")

Space = SearchSpace | Mapping[str, Any] | str | Path | None


def as_space(space: Space, build: Build | None = None) -> SearchSpace:
    """The space as an object; the default one for None.

    Raises:
        InputError: no space is given for user-defined models, or it cannot be read.
    """
    if space is None and build is not None:
        raise InputError("space must be given with build: name the genes, as in genomes.HyperparameterSpace")
    if space is None:
        return DenseSpace()
    if isinstance(space, (str, Path)):
        return read_space(space)
    if isinstance(space, Mapping):
        whole = build is None or "genes" in space or "encoding" in space
        return space_from_json(space) if whole else HyperparameterSpace(space)
    return space


def resolve_samples(
    space: Space,
    build: Build | None = None,
    architecture: str = "",
    series: bool = False,
    series_id: str = "",
    split: str = "",
    encoding: str = "",
) -> tuple[SearchSpace, SampleOptions, str]:
    """The space, the options of samples, and the text encoding.

    Args:
        space, build: as given. A given space determines the kind of networks.
        architecture, series, series_id, split: see `evonas.data.sample_kind.SampleOptions`.
        encoding: text encoding of a table; the name of an architecture is accepted too.

    Raises:
        InputError: as in `as_space`, or the space has another architecture than requested.
    """
    architecture, encoding = architecture_and_encoding(architecture, encoding)
    if build is not None:
        return as_space(space, build), SampleOptions(architecture, series, series_id, split), encoding
    if space is None:
        asked = SampleOptions(architecture, series, series_id, split)
        return DenseSpace(), asked, encoding  # `chosen_space` knows better when the data are read
    found = as_space(space)
    own = encoding_of(found)
    if architecture not in ("", own):
        raise InputError(
            f"architecture must be that of the space, {own}, not {architecture!r}: leave it out, or give another space"
        )
    return found, SampleOptions(own, series, series_id, split), encoding


def encoding_of(space: SearchSpace) -> str:
    """Name of the encoding of a space.

    For user-defined spaces: "dense" if their networks take flat samples, "" if it depends on the rows.
    """
    name = str(space.to_json().get("encoding", "dense"))
    if name in ARCHITECTURES:
        return name
    shaped = any(row_of({"kind": kind}).shaped for kind in getattr(space, "layer_kinds", ()))
    return "" if shaped else "dense"


def chosen_space(space: SearchSpace, given: bool, architecture: str, problem: Problem) -> SearchSpace:
    """The space for these data: the given one, or the default one for the shape of the rows.

    Args:
        space: of `resolve_samples`.
        given: whether a space was given.
        architecture: as requested; "" to choose by the rows.
        problem: of the prepared data.
    """
    if given or not problem.sample_shape:
        return space
    if (architecture or ("convolutional" if len(problem.sample_shape) == 3 else "sequence")) == "convolutional":
        return ConvolutionalSpace()
    return SequenceSpace.for_text() if problem.vocabulary else SequenceSpace()


def space_and_numbers(
    space: Space, numbers: str | None, build: Build | None = None, neighbours: bool = True
) -> tuple[SearchSpace, tuple[str, ...]]:
    """The space, and the numeric encodings that its networks may use.

    Args:
        space: as given.
        numbers: the encoding of all networks, one of `genomes.architecture.layers.NUMERIC_ENCODINGS`; None leaves it to
            the space.
        build: user-defined build function; its models have no such gene.
        neighbours: False for networks without neighbour features and learned neighbours; otherwise determined by the
            space.

    Raises:
        InputError: there is no such encoding, or as in `as_space`.
    """
    if numbers is not None and numbers not in NUMERIC_ENCODINGS:
        raise InputError(f"numbers must be one of {', '.join(NUMERIC_ENCODINGS)}, not {numbers!r}: choose one")
    found = as_space(space, build)
    if not isinstance(found, DenseSpace):
        return found, (numbers or "standard",)
    if numbers is not None:
        found = replace(found, numbers=numbers)
        others = tuple(kind for kind, form in EMBEDDED_NUMERIC_ENCODINGS.items() if form != numbers)
        found = _drop_options(found, "embedding", others, f"with numbers {numbers}")
    if not neighbours:
        found = replace(found, neighbours=False, neighbour_columns=(), neighbour_sets=())
        found = _drop_options(found, "output", ("neighbours",), "without neighbours")
    domain = found.domain("numbers")
    forms = tuple(map(str, domain.options)) if isinstance(domain, Choice) else NUMERIC_ENCODINGS
    kinds = [kind for kind in EMBEDDED_NUMERIC_ENCODINGS if found.domain("embedding").contains(kind)]
    return found, tuple(dict.fromkeys([*forms, *(EMBEDDED_NUMERIC_ENCODINGS[kind] for kind in kinds)]))


def fit_space(space: SearchSpace, problem: Problem, trainer: str = "native") -> SearchSpace:
    """The space without what these data or the trainer do not support.

    Removes numeric encodings that the data lack (all of which would be equal to the standard one), embeddings if there
    are no numeric columns or too many, maps of categories if there are none or too many, and embeddings and members for
    the population trainer.

    Raises:
        InputError: nothing is left, or the networks of the space do not fit the rows.
    """
    if not can_be_compiled(getattr(space, "layer_kinds", ())):
        return _of_shape(space, problem)
    if not isinstance(space, DenseSpace):
        return space
    columns = max(problem.numeric, default=-1) + 1
    if trainer == "population":
        space = _drop_options(space, "embedding", EMBEDDINGS[1:], "with the population trainer")
        if space.domain("members").greatest > 1:
            space = _keep_options(space, "members", (1,), "with the population trainer")
    elif not 0 < columns <= MOST_COLUMNS:
        space = _drop_options(space, "embedding", EMBEDDINGS[1:], f"with data of {columns} numeric columns")
    kinds = 0 if trainer == "population" else max(problem.categorical, default=-1) + 1
    if not 0 < kinds <= MOST_COLUMNS and space.domain("category_units").greatest:
        where = "with the population trainer" if trainer == "population" else "with data without categorical columns"
        space = _keep_options(
            space, "category_units", (0,), where if kinds == 0 else f"with data of {kinds} such columns"
        )
    if problem.view("tree") != ("tree",):
        space = _drop_options(
            space, "embedding", ("tree",), "with data without cuts of decision trees (folds, few rows or few values)"
        )
    domain = space.domain("numbers")
    options = domain.options if isinstance(domain, Choice) else ()
    kept = [each for each in options if each == "standard" or problem.view(str(each)) == (each,)]
    return space if len(options) < 2 or len(kept) == len(options) else replace(space, numbers=kept or ["standard"])


def _of_shape(space: Any, problem: Problem) -> SearchSpace:
    """The space without augmentation of images if the samples are not images."""
    if not problem.sample_shape:
        raise InputError(
            f"space must be of dense networks for rows of a table, not of {encoding_of(space)} ones: give images, "
            "series or texts, or leave the space out"
        )
    if len(problem.sample_shape) == 3:
        return cast(SearchSpace, space)
    names = [name for name in _OF_IMAGES if hasattr(space, name) and space.domain(name) != OFF[name]]
    changes: dict[str, Any] = {name: OFF[name] for name in names}
    if hasattr(space, "tokens"):
        changes["tokens"] = texts = bool(problem.vocabulary)
        if not space.domain("tokens").contains(texts):
            what = "texts" if texts else "series"
            raise InputError(f"network.tokens of the space must be {str(texts).lower()} for {what}: write it so")
    if problem.vocabulary:
        most = {"vocabulary": problem.vocabulary, "length": problem.sample_shape[0]}
        changes |= {name: _at_most(space.domain(name), count) for name, count in most.items() if hasattr(space, name)}
    return cast(SearchSpace, replace(space, **changes)) if changes else cast(SearchSpace, space)


def _at_most(domain: Domain, count: int) -> Domain:
    """The domain with an upper bound."""
    if isinstance(domain, Choice):
        return Choice(tuple(dict.fromkeys(min(option, count) for option in domain.options)))
    return domain.restrict(high=count) or Choice((count,))


#: Genes that the population trainer does not support, off by default.
_NATIVE_ALONE = (
    *("bias_rate", "embedding_rate", "output_rate", "parametrization"),
    *("decay_schedule", "bias_initializer", "parametric_activation"),
)


def trainable(
    space: SearchSpace, settings: Settings, objective: Objective, task: str
) -> tuple[SearchSpace, tuple[str, ...]]:
    """The space without genes that have no effect or do harm, and a note for each gene that the trainer does not
    support.

    Label smoothing distorts probabilities, so it is searched only if all objectives score classes. Fixed values stay if
    they have an effect.

    Args:
        space: the search space.
        settings: of the run, resolved.
        objective: of the run.
        task: "regression", "binary" or "multiclass".
    """
    if not isinstance(space, (DenseSpace, StagedSpace)):
        return space, ()
    row = find_row(settings.strategy)
    weightless = row is not None and not row.trains
    unknown = settings.trainer == "population" and not weightless
    off = {"scaling": unknown or weightless} if isinstance(space, DenseSpace) else {}
    smoothing = space.domain("label_smoothing")
    off["label_smoothing"] = task == "regression" or unknown or weightless
    metrics = {objective.name, *(settings.objectives or ())} - {*MEASURES}
    off["label_smoothing"] |= not smoothing.is_fixed and not metrics <= {*SCORES_OF_CLASSES}
    if isinstance(space, DenseSpace):
        off |= dict.fromkeys(_NATIVE_ALONE, unknown or weightless)
    wanted = [name for name, is_off in off.items() if is_off and space.domain(name) != Choice((OFF[name],))]
    changes: dict[str, Any] = {name: OFF[name] for name in wanted}
    said = [name for name in changes if unknown and not (name == "label_smoothing" and task == "regression")]
    notes = tuple(f"{name} is off: the population trainer does not support it" for name in said)
    settled: Any = space
    return (replace(settled, **changes) if changes else settled), notes


def with_neighbours(space: SearchSpace, data: PreparedData, settings: Settings) -> tuple[SearchSpace, tuple[str, ...]]:
    """The space with the candidate columns for neighbour features, and notes for the user.

    Raises:
        InputError: the space names columns that are not numeric columns of the data.
    """
    if not isinstance(space, DenseSpace) or not space.neighbours:
        return space, ()
    candidates = candidate_columns(data)
    unknown = [name for name in space.neighbour_columns if name not in candidates]
    if unknown:
        raise InputError(
            f"network.neighbour_columns of the space must be numeric columns of the table, not {unknown[0]!r:.80}: "
            f"these are {', '.join(candidates)[:200] or 'none'}"
        )
    if not candidates:
        return space, ()
    if settings.trainer == "population" or not strategy_row(settings.strategy).trains:
        what = "trainer population" if settings.trainer == "population" else f"strategy {settings.strategy}"
        off = replace(space, neighbours=False, neighbour_columns=(), neighbour_sets=())
        return off, (f"no features of neighbours with {what}",)
    columns, sets = rank_columns(data, space.neighbour_columns or candidates)
    return replace(space, neighbour_columns=columns, neighbour_sets=space.neighbour_sets or sets), ()


def with_learned_neighbours(
    space: SearchSpace, data: PreparedData, settings: Settings
) -> tuple[SearchSpace, tuple[str, ...]]:
    """The space without predictions from learned neighbours if these data or the trainer do not support them, and a
    note for the user.

    Raises:
        InputError: the space has no other networks.
    """
    if not isinstance(space, DenseSpace) or not may_find_neighbours(space):
        return space, ()
    reasons = {
        "with the population trainer": settings.trainer == "population",
        f"with strategy {settings.strategy}": not strategy_row(settings.strategy).trains,
        "for quantiles": bool(settings.quantiles),
        "with weighted rows": any(split.weight_train is not None for split in data.splits),
    }
    why = next((reason for reason, holds in reasons.items() if holds), None)
    if why is None:
        return space, ()
    return _keep_options(space, "output", ("dense",), why), (f"no predictions from learned neighbours {why}",)


def _drop_options(space: DenseSpace, gene: str, options: Sequence[str], where: str) -> DenseSpace:
    """The space without these options of a gene."""
    domain = space.domain(gene)
    kept = tuple(option for option in getattr(domain, "options", ()) if option not in options)
    return space if kept == getattr(domain, "options", ()) else _keep_options(space, gene, kept, where)


def _keep_options(space: DenseSpace, gene: str, kept: Sequence[Any], where: str) -> DenseSpace:
    """The space with only these options of a gene."""
    kept = tuple(option for option in kept if space.domain(gene).contains(option))
    if not kept:
        off = OFF[gene]
        raise InputError(f"{gene} must be {off} {where}, which has no other, but the space has no {off}: add it")
    options: dict[str, Any] = {gene: kept}
    return replace(space, **options)
