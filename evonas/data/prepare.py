"""`prepare_table` and `prepare_arrays`: conversion of raw rows to `PreparedData`. Imports pandas inside functions only.

Both convert their arguments to one form (feature columns, target columns, the rows of each part) and share the
remaining code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.arrays import check_column, join_parts, named_columns
from evonas.data.columns import infer_columns
from evonas.data.encoding.fit import fit_encoding
from evonas.data.encoding.preprocessor import Preparation
from evonas.data.encoding.tree_cuts import impurity_columns
from evonas.data.fingerprint import fingerprint
from evonas.data.frames import is_table
from evonas.data.keys import keys_of, numbers_of
from evonas.data.prepared import PreparedData, Problem, Split
from evonas.data.read_options import Style
from evonas.data.sample_weights import ClassWeight, sample_weights, training_weights
from evonas.data.split_settings import SplitSettings, check_rows, deal_rows, settings_json
from evonas.data.splits import RowSplit, share_for_validation
from evonas.data.target import Target, check_absent, infer_target
from evonas.data.written import convert_text_columns
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Preparation",
    "code_target",
    "prepare_arrays",
    "prepare_table",
]


def prepare_table(
    frame: pd.DataFrame,
    target: str | Sequence[str],
    *,
    seed: int,
    test_share: float = 0.2,
    validation_share: float | None = None,
    folds: int | None = None,
    drop: Sequence[str] = (),
    task: str | None = None,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    numbers: Sequence[str] = ("standard",),
    roles: Mapping[str, str] | None = None,
    group: str = "",
    time_column: str = "",
    validation: pd.DataFrame | None = None,
    test: pd.DataFrame | None = None,
    style: Style | None = None,
    absent: Mapping[str, tuple[str, int]] | None = None,
) -> PreparedData:
    """Prepares a table: roles, target, splits, encoding.

    Args:
        frame: the table, shape `(num_samples, num_columns)`.
        target: name of the target column; several names for a multi-output regression.
        seed: of the split.
        test_share, validation_share: of all rows; see `splits.share_for_validation`.
        folds: number of cross-validation folds, instead of a single validation part.
        drop: names of columns to exclude.
        task: "regression", "binary", "multiclass", "classification", or None to infer it (see `target.infer_target`).
        sample_weight: name of a column of training weights, which is then not a feature, or an array with one weight
            per row.
        class_weight: "balanced", or class label -> weight.
        numbers: encodings of numeric columns, see `encoding.fit_encoding`; each network sees one of them.
        roles: column -> role, see `columns.infer_columns`.
        group: name of a column; rows with equal values stay in one part. It is not a feature.
        time_column: name of a column of dates or numbers; the latest rows are the test part, those before them
            validation.
        validation, test: tables with the same columns to use as these parts.
        style: notation of numbers and dates, if known.
        absent: column -> a text in it that was read as "no value", and its row.

    Raises:
        InputError: an argument or a cell is invalid; the message names the constraint, the value and the fix.
    """
    style = style or Style()
    frame = named_columns(frame)
    targets = [target] if isinstance(target, str) else list(target)
    drop = [drop] if isinstance(drop, str) else list(drop)
    weighting = [sample_weight] if isinstance(sample_weight, str) else []
    _check_names(frame, targets, drop, weighting, group, time_column, roles or {})
    check_rows(len(frame))
    weights = sample_weights(numbers_of(frame[sample_weight], style) if weighting else sample_weight, len(frame))
    sizes = {"training": len(frame)}
    for part, rows in {"validation": validation, "test": test}.items():
        if rows is not None:
            frame, sizes[part] = _append_rows(frame, named_columns(rows), part), len(rows)
    settings = SplitSettings(
        seed,
        test_share,
        share_for_validation(validation_share, sizes["training"]),
        folds,
        task,
        class_weight,
        tuple(numbers),
        group,
        time_column,
    )
    features = frame.drop(columns=[*targets, *weighting, *([group] if group else [])])
    keys = keys_of(frame.iloc[: sizes["training"]], group, time_column, folds, style)
    known = {name: word for name, word in (absent or {}).items() if name in targets}
    if task != "regression":
        check_absent(frame[targets], known)
    return _prepare(features, frame[targets], sizes, settings, weights, drop, roles=roles, keys=keys, style=style)


def _check_names(
    frame: pd.DataFrame,
    targets: Sequence[str],
    drop: Sequence[str],
    weighting: Sequence[str],
    group: str,
    time_column: str,
    roles: Mapping[str, str],
) -> None:
    """Raises InputError unless the named columns are in the table, and each has one use only."""
    for what, names in (("target", targets), ("dropped", drop), ("weight", weighting)):
        for name in names:
            check_column(frame, name, what)
    named = {"group": group, "time": time_column, **{f"{role} ({name})": name for name, role in roles.items()}}
    for what, name in named.items():
        if name:
            check_column(frame, name, what)
    asked = [*targets, *drop, *weighting, *([group] if group else [])]
    if not targets or len(set(asked)) < len(asked):
        raise InputError(
            "target, dropped, weight and group columns must be different columns, and at least one a target, not "
            f"{', '.join(map(repr, asked)) or 'none'}: name each once"
        )


def _append_rows(frame: pd.DataFrame, more: pd.DataFrame, part: str) -> pd.DataFrame:
    """The rows of a given part below the others, column by column."""
    import pandas as pd

    missing = [name for name in frame.columns if name not in set(more.columns)]
    if missing or not len(more):
        what = f"the columns {', '.join(map(repr, missing[:5]))}" if missing else "rows"
        raise InputError(f"the {part} table must have {what} like the training table: add them")
    return pd.concat([frame, more[list(frame.columns)]], ignore_index=True)


def prepare_arrays(
    x: Any,
    y: Any,
    *,
    seed: int,
    validation: tuple[Any, Any] | None = None,
    test: tuple[Any, Any] | None = None,
    test_share: float = 0.2,
    validation_share: float | None = None,
    folds: int | None = None,
    task: str | None = None,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    numbers: Sequence[str] = ("standard",),
    groups: Any = None,
    roles: Mapping[str, str] | None = None,
    style: Style | None = None,
) -> PreparedData:
    """Prepares arrays, DataFrames (also with mixed columns) or lists.

    Args:
        x: features, shape `(num_samples, num_columns)`; rows with more dimensions, such as images, are flattened.
        y: target, shape `(num_samples,)`, or `(num_samples, num_targets)` for a multi-output regression.
        seed: of the split.
        validation, test: `(x, y)` of the rows to use as these parts; absent parts are split off `x`.
        test_share, validation_share: of the rows of `x`; see `splits.share_for_validation`.
        folds: number of cross-validation folds, instead of a single validation part.
        task: "regression", "binary", "multiclass", "classification", or None to infer it (see `target.infer_target`).
        sample_weight: weights of the rows of `x`, shape `(num_samples,)`.
        class_weight: "balanced", or class label -> weight.
        numbers: encodings of numeric columns, see `encoding.fit_encoding`; each network sees one of them.
        groups: groups of the rows of `x`, shape `(num_samples,)`; no group has rows in two parts.
        roles: column of a table -> role, see `columns.infer_columns`.
        style: notation of numbers and dates in text, if known.

    Raises:
        InputError: an argument or a cell is invalid; the message names the constraint, the value and the fix.
    """
    if folds is not None and validation is not None:
        raise InputError(f"folds must not be given with validation rows, not {folds}: leave one of the two out")
    shape = _sample_shape(x)
    for part, pair in {"validation": validation, "test": test}.items():
        if isinstance(pair, (tuple, list)) and len(pair) == 2 and _sample_shape(pair[0]) != shape:
            raise InputError(
                f"{part} x must have rows of shape {shape} like training x, not {_sample_shape(pair[0])}: resize them"
            )
    features, targets, sizes = join_parts({"training": (x, y), "validation": validation, "test": test})
    check_rows(sizes["training"])
    weights = sample_weights(sample_weight, sizes["training"])
    share = share_for_validation(validation_share, sizes["training"])
    settings = SplitSettings(seed, test_share, share, folds, task, class_weight, tuple(numbers))
    keys = None if groups is None else group_numbers(groups, sizes["training"])
    named: dict[str, Any] = {"named": is_table(x), "roles": roles, "keys": keys, "shape": shape, "style": style}
    return _prepare(features, targets, sizes, settings, weights, **named)


def group_numbers(groups: Any, count: int) -> NDArray[np.intp]:
    """The index of each row's group, in order of first appearance, shape `(num_samples,)`.

    Raises:
        InputError: the number of groups differs from the number of rows.
    """
    cells = np.asarray(groups)
    if cells.shape != (count,):
        raise InputError(f"groups must be one for each of the {count} rows, not of shape {cells.shape}: pass as many")
    indices: dict[Any, int] = {}
    return np.array([indices.setdefault(cell, len(indices)) for cell in cells.tolist()], dtype=np.intp)


def _sample_shape(x: Any) -> tuple[int, ...]:
    """The shape of one row of an array of more than two dimensions; empty for tables and lists."""
    shape: tuple[int, ...] = getattr(x, "shape", ())
    return tuple(shape[1:]) if len(shape) > 2 else ()


def _prepare(
    features: pd.DataFrame,
    targets: pd.DataFrame,
    sizes: Mapping[str, int],
    settings: SplitSettings,
    weights: NDArray[np.float64] | None,
    drop: Sequence[str] = (),
    named: bool = True,
    roles: Mapping[str, str] | None = None,
    keys: NDArray[Any] | None = None,
    shape: tuple[int, ...] = (),
    style: Style | None = None,
) -> PreparedData:
    style = style or Style()
    target = infer_target(targets, settings.task, style)
    rows = deal_rows(target, settings, sizes, keys)

    known = rows.known()
    # Rows of the test part do not affect the columns' roles.
    used = features.drop(columns=[name for name in drop if name in features.columns])
    read, written, notes = convert_text_columns(used, known, style, roles)
    features = features.assign(**{each.column: read[each.column] for each in written}) if written else features
    plan = infer_columns(features.iloc[known], drop=drop, find_identifiers=named, roles=roles, count=sizes["training"])
    folded = len(rows.splits) > 1
    # All cross-validation folds share one scale of the target, so that one Problem describes them.
    fit_rows = known if folded else rows.splits[0][0]
    shared = known if folded else None
    targets_of = impurity_columns(target.values, target.task) if "tree" in settings.numbers and not folded else None
    fits = [fit_encoding(features, plan, train, shared, settings.numbers, targets_of) for train, _ in rows.splits]
    preparation = fits[0]  # that of the weights that are kept, those of the first fold
    if not named and all(step.form == "number" for step in preparation.steps):
        preparation = replace(preparation, array=tuple(features.columns), shape=shape)
    if written:
        columns = preparation.columns()
        preparation = replace(preparation, written=tuple(each for each in written if each.column in columns))
    problem, coded = code_target(target, fit_rows, preparation.feature_names())
    weighed = [training_weights(target, train, weights, settings.class_weight) for train, _ in rows.splits]
    return PreparedData(
        problem=_with_columns(problem, preparation),
        splits=_encoded_splits(features, coded, rows, fits, weighed),
        x_test=preparation.apply(features.iloc[rows.test]) if rows.test.size else None,
        y_test=coded[rows.test] if rows.test.size else None,
        fingerprint=fingerprint(
            features.drop(columns=list(drop)),
            targets,
            settings_json(settings, target.task, sizes) | ({"roles": dict(roles)} if roles else {}),
            weights,
            *([] if keys is None else [keys]),
        ),
        notes=(*target.notes, *notes, *plan.notes()),
        plan=plan,
        preparation=preparation,
        raw={
            part: preparation.inputs(features.iloc[indices])
            for part, indices in {"validation": rows.splits[0][1], "test": rows.test}.items()
            if indices.size
        },
    )


def _encoded_splits(
    features: pd.DataFrame,
    coded: NDArray[Any],
    rows: RowSplit,
    fits: Sequence[Preparation],
    weights: Sequence[NDArray[np.float32] | None],
) -> tuple[Split, ...]:
    """The rows of each split; encodings and training weights are those of each."""
    return tuple(
        Split(
            x_train=fitted.apply(features.iloc[train]),
            y_train=coded[train],
            x_validation=fitted.apply(features.iloc[validation]),
            y_validation=coded[validation],
            weight_train=weight,
        )
        for (train, validation), fitted, weight in zip(rows.splits, fits, weights, strict=True)
    )


def _with_columns(problem: Problem, preparation: Preparation) -> Problem:
    """Adds to the problem the columns of features that networks can choose or embed: numbers and categories."""
    views = preparation.views()
    problem = replace(problem, views=views if set(views) - {"standard"} else (), numeric=preparation.numeric())
    if any(index >= 0 for index in preparation.categorical()):
        problem = replace(problem, categorical=preparation.categorical())
    return problem


def code_target(target: Target, rows: NDArray[np.intp], names: tuple[str, ...]) -> tuple[Problem, NDArray[Any]]:
    """The problem, and the target of all rows encoded as in `Split`.

    Args:
        target: target of all rows.
        rows: indices of the rows whose mean and deviation standardise a regression's target.
        names: names of the features.

    Raises:
        InputError: a value is too far from the mean of these rows.
    """
    about: dict[str, Any] = {"feature_names": names, "target_names": target.names, "classes": target.classes}
    about |= {"label_type": target.label_type}
    if target.task == "regression":
        mean, std = target.values[rows].mean(axis=0), target.values[rows].std(axis=0)
        std[std == 0] = 1.0
        about |= {"target_mean": tuple(mean.tolist()), "target_std": tuple(std.tolist())}
        with np.errstate(over="ignore"):
            coded = ((target.values - mean) / std).astype(np.float32)
        if not np.isfinite(coded).all():
            furthest = np.abs(target.values - mean).max()
            raise InputError(
                f"target {target.names[0]!r} must vary alike in all rows, but is up to {furthest:g} from the training "
                f"rows' mean while their standard deviation is {std.min():g}: look for a wrong row"
            )
        return Problem("regression", len(names), coded.shape[1], **about), coded
    if target.task == "binary":
        return Problem("binary", len(names), 1, **about), target.values.astype(np.float32)[:, None]
    return Problem("multiclass", len(names), len(target.classes), **about), target.values.astype(np.int32)
