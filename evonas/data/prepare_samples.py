"""`prepare_samples`: conversion of images, series or texts to `PreparedData`, keeping their shape. Imports pandas
lazily.

Target, splits and weights are handled as for tables. One mean and deviation per channel, or a vocabulary, is fitted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evonas.data.arrays import target_columns
from evonas.data.encoding.bag_of_words import words_of
from evonas.data.encoding.pixels import fit_images
from evonas.data.encoding.samples import SamplePreparation
from evonas.data.encoding.series import SeriesPreparation, fit_series
from evonas.data.encoding.tokens import TEXT, TextPreparation, as_texts, fit_text
from evonas.data.fingerprint import fingerprint
from evonas.data.inputs import inputs_digest
from evonas.data.preparation_time import check_time
from evonas.data.prepare import code_target, group_numbers
from evonas.data.prepared import PreparedData, Split
from evonas.data.read_options import Style
from evonas.data.sample_kind import as_images
from evonas.data.sample_weights import ClassWeight, sample_weights, training_weights
from evonas.data.series import Extent, as_series, extent_of, pad_series, with_last_steps
from evonas.data.split_settings import SplitSettings, check_rows, deal_rows, settings_json
from evonas.data.splits import RowSplit, folds_of_few, share_for_validation
from evonas.data.target import Target, infer_target
from evonas.data.windows import check_split, overlap_of, without_overlap
from evonas.io.disk_arrays import is_on_disk, join_rows, take_rows
from evonas.quantities import shown_bytes
from genomes.errors import InputError

__all__ = ["Samples", "join_samples", "prepare_samples", "read_samples"]


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples of one kind.

    Attributes:
        kind: "image", "series" or "text".
        values: images `(num_samples, height, width, channels)` of any numeric type; series `(num_samples, steps,
            channels)`, floats with NaN; or texts `(num_samples,)`, objects.
        column: name of the text column.
        lengths: number of steps of each series, shape `(num_samples,)`; if None, NaN at the end is padding.
    """

    kind: str
    values: NDArray[Any]
    column: str = TEXT
    lengths: NDArray[np.intp] | None = None


def read_samples(kind: str, x: Any, what: str) -> Samples:
    """Converts an argument to samples.

    Raises:
        InputError: the value does not hold samples of that kind.
    """
    readers: dict[str, Any] = {"image": as_images, "series": as_series, "text": as_texts}
    return Samples(kind, readers[kind](x, what), str(getattr(x, "name", None) or TEXT))


def join_samples(parts: Mapping[str, Samples]) -> Samples:
    """Concatenates the samples of all parts; series are padded to the longest.

    Raises:
        InputError: the parts differ in the shape of samples.
    """
    (name, first), *others = parts.items()
    for other, samples in others:
        differs = samples.values.shape[1:] != first.values.shape[1:]
        if differs and (first.kind != "series" or samples.values.shape[2:] != first.values.shape[2:]):
            raise InputError(
                f"{other} x must have rows of shape {first.values.shape[1:]} like {name} x, not "
                f"{samples.values.shape[1:]}: resize them"
            )
    values = [samples.values for samples in parts.values()]
    if first.kind == "series":
        steps = max(each.shape[1] for each in values)
        values = [each if each.shape[1] == steps else pad_series(each, steps) for each in values]
    lengths = [samples.lengths for samples in parts.values() if samples.lengths is not None]
    joined = np.concatenate(lengths) if len(lengths) == len(values) else None
    return replace(first, values=join_rows(values) if others else values[0], lengths=joined)


def prepare_samples(
    samples: Mapping[str, Samples],
    targets: Mapping[str, Any],
    *,
    seed: int,
    test_share: float = 0.2,
    validation_share: float | None = None,
    folds: int | None = None,
    task: str | None = None,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    groups: Any = None,
    instants: NDArray[np.float64] | None = None,
    split: str = "",
    few_in_folds: bool = False,
    style: Style | None = None,
    about: Mapping[str, Any] | None = None,
) -> PreparedData:
    """Prepares samples. Other arguments are as for `evonas.data.prepare.prepare_arrays`.

    Args:
        samples: samples of "training" and, if given, "validation" and "test".
        targets: targets of the same parts, tables or arrays.
        sample_weight, groups: weights and groups of the training samples.
        instants: times of the training samples, shape `(num_samples,)`; the latest samples are the test part.
        split: "time" if training samples are in temporal order, "random" to split them at random in any case, "" for
            "time" if they are overlapping windows in order, and "random" otherwise.
        few_in_folds: whether few series without given validation rows are validated by cross-validation, without a test
            part, see `evonas.data.prepared.FEW_SERIES`.
        about: other settings that affect the features, for the fingerprint; JSON values.

    Raises:
        InputError: an argument or a cell is invalid; the message names the constraint, the value and the fix.
    """
    import pandas as pd

    columns = {part: target_columns(target, f"{part} y") for part, target in targets.items()}
    for part, given in columns.items():
        if len(given) != len(samples[part].values) or not len(given):
            raise InputError(
                f"{part} x and y must have the same number of samples, at least one, not {len(samples[part].values)} "
                f"and {len(given)}: pass one target for each sample"
            )
        given.columns = columns["training"].columns
    sizes = {part: len(given) for part, given in columns.items()}
    check_rows(sizes["training"])
    whole, frame = join_samples(samples), pd.concat(list(columns.values()), ignore_index=True)
    weights = sample_weights(sample_weight, sizes["training"])
    share = share_for_validation(validation_share, sizes["training"])
    settings = SplitSettings(seed, test_share, share, folds, task, class_weight)
    target = infer_target(frame, task, style)
    keys = None if groups is None else group_numbers(groups, sizes["training"])
    few = few_in_folds and folds is None and "validation" not in sizes
    rows, split_notes = _split_rows(whole, target, settings, sizes, keys, instants, check_split(split), few)
    extent = _extent(whole) if whole.kind == "series" else None
    data = _fit_and_apply(whole, target, rows, settings, weights, extent is not None and extent.differs)
    decisive = settings_json(settings, target.task, sizes) | {"samples": whole.kind, "split": split, **(about or {})}
    ends = extent.lengths if extent is not None and (extent.lengths != extent.valued).any() else None
    arrays = [each for each in (keys, instants, ends) if each is not None]
    digest = fingerprint(frame[[]], frame, decisive, weights, *arrays) + _digest(whole)
    notes = (*target.notes, *_notes(whole, extent), *split_notes)
    return replace(data, fingerprint=hashlib.sha256(digest.encode()).hexdigest(), notes=notes)


def _split_rows(
    samples: Samples,
    target: Target,
    settings: SplitSettings,
    sizes: Mapping[str, int],
    groups: NDArray[np.intp] | None,
    instants: NDArray[np.float64] | None,
    split: str,
    few: bool,
) -> tuple[RowSplit, tuple[str, ...]]:
    """Splits the rows into parts; returns them with notes for the user on the split."""
    if groups is not None:
        return deal_rows(target, settings, sizes, groups), ()
    count = sizes["training"]
    series = samples.kind == "series" and split != "random"
    if instants is not None:
        if split == "random":
            raise InputError(
                "split must not be random with a time column, by which samples are split: leave one of the two out"
            )
        order = np.argsort(instants, kind="stable")
        reach = overlap_of(samples.values[:count][order]) if series else 0
        return _split_in_order(target, settings, sizes, instants, order, reach)
    reach = overlap_of(samples.values[:count]) if series else 0
    if not reach and split != "time":
        classes = np.zeros(count, np.intp) if target.task == "regression" else target.values[:count]
        folds = folds_of_few(classes) if few and samples.kind == "series" else None
        if folds is None:
            return deal_rows(target, settings, sizes), ()
        suffix = "" if "test" in sizes else ", and none are held out for a test, for which you can pass some"
        note = (
            f"{count:,} series are few: networks are validated in {folds} folds (cv), their weights then trained on all"
        )
        return deal_rows(target, replace(settings, folds=folds, test_share=0.0), sizes), (note + suffix,)
    if settings.folds is not None:
        raise InputError(
            f"cv must not be given with windows in temporal order, not {settings.folds}: folds would train on "
            "later windows; leave it out, or split them at random (split random)"
        )
    rows, notes = _split_in_order(target, settings, sizes, np.arange(count, dtype=np.float64), np.arange(count), reach)
    if not reach:
        return rows, ("samples are split in their order: the last ones are the test part, those before validation",)
    return rows, (f"{notes[0]} (split random splits them at random)",)


def _split_in_order(
    target: Target,
    settings: SplitSettings,
    sizes: Mapping[str, int],
    instants: NDArray[np.float64],
    order: NDArray[np.intp],
    reach: int,
) -> tuple[RowSplit, tuple[str, ...]]:
    """Splits the rows by time, without windows that share steps with a later part; returns them with notes.

    Args:
        target, settings, sizes: as for `deal_rows`.
        instants: times of the training rows, shape `(num_samples,)`.
        order: indices of the training rows sorted by time, shape `(num_samples,)`.
        reach: number of later windows that share steps with a window, see `overlap_of`.
    """
    rows = deal_rows(target, replace(settings, time_column="time"), sizes, instants)
    if not reach:
        return rows, ()
    given = np.arange(len(order), sum(sizes.values()))
    sorted_rows = np.concatenate([order, given])
    ranks = np.argsort(sorted_rows)
    ((train, validation),) = rows.splits
    ranked = replace(rows, splits=((ranks[train], ranks[validation]),), test=ranks[rows.test])
    kept = without_overlap(ranked, reach, tuple(part for part in ("validation", "test") if part in sizes))
    ((train, validation),) = kept.splits
    rows = replace(rows, splits=((np.sort(sorted_rows[train]), np.sort(sorted_rows[validation])),))
    _check_classes(target, rows)
    return rows, (
        f"samples are overlapping windows of one series, each with the {reach} after it: the last ones are the "
        "test part, those before validation, and windows that would share steps with a later part are left out",
    )


def _check_classes(target: Target, rows: RowSplit) -> None:
    if target.task == "regression":
        return
    unseen = np.setdiff1d(target.values, target.values[rows.splits[0][0]])
    if unseen.size:
        raise InputError(
            f"every class must have a training window, but {target.classes[unseen[0]]!r} has none when the last "
            "windows are the test part: split them at random (split random), or give the test part"
        )


def _fit_and_apply(
    samples: Samples,
    target: Target,
    rows: RowSplit,
    settings: SplitSettings,
    weights: NDArray[np.float64] | None,
    masked: bool,
) -> PreparedData:
    """Features, encoded targets and the problem, with a preparation for each fold."""
    folded = len(rows.splits) > 1
    fit_rows = rows.known() if folded else rows.splits[0][0]
    # All cross-validation folds share one vocabulary and one length, so that one Problem describes them.
    shared = _fit(samples, fit_rows, masked) if folded and samples.kind == "text" else None
    fits = [shared or _fit(samples, train, masked) for train, _ in rows.splits]
    first, given = fits[0], [_values_for(fitted, samples) for fitted in fits]
    problem, coded = code_target(target, fit_rows, ())
    problem = replace(
        problem,
        num_features=first.num_features,
        sample_shape=first.sample_shape,
        vocabulary=first.vocabulary if isinstance(first, TextPreparation) else 0,
        masked=masked,
    )
    splits = tuple(
        Split(
            x_train=take_rows(values, train, _timed(fitted.apply, len(train))),
            y_train=coded[train],
            x_validation=take_rows(values, validation, _timed(fitted.apply, len(validation))),
            y_validation=coded[validation],
            weight_train=training_weights(target, train, weights, settings.class_weight),
        )
        for (train, validation), fitted, values in zip(rows.splits, fits, given, strict=True)
    )
    parts = {"validation": rows.splits[0][1], "test": rows.test}
    return PreparedData(
        problem=problem,
        splits=splits,
        x_test=take_rows(given[0], rows.test, _timed(first.apply, len(rows.test))) if rows.test.size else None,
        y_test=coded[rows.test] if rows.test.size else None,
        preparation=first,
        raw={part: _raw(first, given[0], indices) for part, indices in parts.items() if indices.size},
    )


def _timed(change: Callable[[NDArray[Any]], Any], count: int) -> Callable[[NDArray[Any]], Any]:
    """The function with a check of the time before each call, for calls with parts of `count` samples."""
    done = 0

    def change_in_time(part: NDArray[Any]) -> Any:
        nonlocal done
        check_time("samples encoded", min(done, count), count)
        done += len(part)
        return change(part)

    return change_in_time


def _extent(samples: Samples) -> Extent:
    """The extent of series.

    Raises:
        InputError: none of them has a value.
    """
    extent = extent_of(samples.values, samples.lengths)
    if not extent.valued.max():
        raise InputError("series must have values, but all of them are missing: is it the right data?")
    return extent


def _values_for(preparation: SamplePreparation, samples: Samples) -> NDArray[Any]:
    """The samples as the preparation takes them: values at the end of series that have different known lengths."""
    if not isinstance(preparation, SeriesPreparation) or not preparation.masked or samples.lengths is None:
        return samples.values
    return with_last_steps(samples.values, samples.lengths, preparation.mean)


def _fit(samples: Samples, rows: NDArray[np.intp], masked: bool) -> SamplePreparation:
    if samples.kind == "image":
        return fit_images(samples.values, rows)
    if samples.kind == "series":
        return fit_series(samples.values, masked, rows)
    return fit_text(samples.column, samples.values[rows])


def _raw(preparation: SamplePreparation, values: NDArray[Any], rows: NDArray[np.intp]) -> Any:
    """Rows as an exported model takes them; bytes stay bytes, which take a quarter of the memory."""
    return take_rows(values, rows) if values.dtype == np.uint8 else take_rows(values, rows, preparation.inputs)


def _digest(samples: Samples) -> str:
    if samples.kind != "text":
        return inputs_digest(samples.values)
    digest = hashlib.sha256(samples.column.encode())
    for text in samples.values:
        digest.update(len(text.encode()).to_bytes(8, "little") + text.encode())
    return digest.hexdigest()


def _notes(samples: Samples, extent: Extent | None) -> list[str]:
    """Messages about anything that the user may not expect."""
    values = samples.values
    large = f"{shown_bytes(values.nbytes)} of samples exceed the memory limit: they are read from disk"
    notes = [large] if is_on_disk(values) else []
    if samples.kind == "text" and (empty := sum(not words_of(text) for text in values)):
        notes.append(f"{empty:,} of {len(values):,} texts have no word: they are all padding")
    return notes if extent is None else [*notes, *_notes_of_series(samples, extent)]


def _notes_of_series(samples: Samples, extent: Extent) -> list[str]:
    steps, notes = samples.values.shape[1], []
    if extent.differs:
        notes.append(
            f"series have from {extent.known.min():,} to {extent.known.max():,} steps: shorter ones are padded at the "
            "end, and a further channel marks the steps that are not padding"
        )
    elif extent.valued.max() < steps:
        last = steps - int(extent.valued.max())
        notes.append(f"the last {last:,} of {steps:,} steps have no value in any series: leave them out")
    if empty := int((extent.valued == 0).sum()):
        end = ": they are all padding" if extent.differs and samples.lengths is None else ""
        notes.append(f"{empty:,} of {len(extent.valued):,} series have no value at all{end}")
    if extent.gaps:
        notes.append(f"{extent.gaps:,} values of series are missing: they are filled with their channel's mean")
    return notes
