"""`search`: a search of any data, with all options as arguments.

Imports neither Keras nor pandas; modules that need them are imported when called.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Unpack

from evonas.api.extensions import given_extensions, named_objectives
from evonas.api.options import SearchOptions
from evonas.api.prepared_search import search_data
from evonas.api.request import SearchRequest
from evonas.api.resolve import Space
from evonas.api.result import SearchResult
from evonas.api.session import EvaluatorFactory
from evonas.config import Budget, Settings
from evonas.data.options import DataOptions, architecture_and_encoding
from evonas.data.read_options import ReadOptions
from evonas.display.following import follow_search
from evonas.execution import launch
from evonas.execution_options import Execution
from evonas.io.console import say_lines
from evonas.runs.progress import Generation, Progress
from evonas.seeds import draw_seed
from evonas.strategies import strategy_name
from evonas.trackers.callback import Callback
from evonas.trackers.notifier import check_callbacks
from evonas.user_model import Build
from genomes.checks import boolean
from genomes.errors import InputError

if TYPE_CHECKING:
    from genomes.architecture.layer_kind import LayerKind

__all__ = ["EvaluatorFactory", "search"]

OnPart = Callable[[Progress], None]
OnGeneration = Callable[[Generation], None]


# Long because it names each public option in its signature and where it is passed on; it decides nothing itself.
def search(
    x: Any,
    y: Any = None,
    *,
    build: Any = None,
    space: Space = None,
    generations: int | None = None,
    evaluations: int | None = None,
    time: str | float | None = None,
    target: float | None = None,
    validation: Any = None,
    test: Any = None,
    seed: int | None = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    initial: str | Path | None = None,
    warm_start: str | Path | None = None,
    transfer: str | Path | None = None,
    threads: int | None = None,
    execution: str | Execution | None = None,
    on_part: OnPart | None = None,
    on_generation: OnGeneration | None = None,
    callbacks: Sequence[Callback] = (),
    export: str | Path | None = None,
    baseline: bool = True,
    verbose: bool = False,
    task: str | None = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    drop: Sequence[str] = (),
    numbers: str | None = None,
    neighbours: bool = True,
    roles: Mapping[str, str] | None = None,
    group: str = "",
    time_column: str = "",
    image_size: Any = None,
    grayscale: bool = False,
    steps: int | None = None,
    architecture: str = "",
    series: bool = False,
    series_id: str = "",
    split: str = "",
    separator: str = "",
    encoding: str = "",
    decimal: str = "",
    thousands: str = "",
    skip_rows: int = 0,
    comment: str = "",
    missing: Sequence[str] | None = None,
    date_order: str = "",
    mutations: Sequence[Any] = (),
    layer_kinds: Sequence[LayerKind] = (),
    **settings: Unpack[SearchOptions],
) -> SearchResult:
    """Evolves networks for the data and returns the result. Every step is committed to a run directory.

    Args:
        x: features, shape `(num_samples, num_columns)`: an array, a DataFrame (also with text, categories and missing
            values), or the path of a file (CSV, Parquet, Feather, JSON lines, or `.npz` with arrays). Images
            `(num_samples, height, width, channels)`, series `(num_samples, steps, channels)` (or a list of arrays of
            several lengths) and a list of texts keep their shape: see `architecture`. With `build`, arrays go to the
            model unchanged, also several in a mapping or a list; a table is encoded as usual. Or, without `y`: a
            `tf.data.Dataset` of `(x, y)` or `(x, y, weight)`, batched or not, x being an array or a mapping of columns,
            or a `keras.utils.PyDataset`, both of which are read once (images and series larger than a quarter of the
            free memory are trained from disk); or a folder with a subfolder of images for each class.
        y: target, shape `(num_samples,)` or `(num_samples, num_targets)`; or the name of the target column in `x`.
        build: `build(genes)` that returns a `keras.Model`, for user-defined models: see
            `evonas.training.single.user_model`
        space: what to search: a space, the path of a TOML file, or None for the default. With `build` a
            `genomes.HyperparameterSpace`, or a mapping from names to the domain of each gene.
        generations: total number of generations; 10 unless `evaluations` or `time` is given.
        evaluations: total number of networks to train.
        time: wall-clock limit of this call, such as "10m", "1h30m" or seconds. At most a quarter of it is
            used for finalists; if it is short, the first generation has small networks.
        target: score at which to stop.
        validation, test: validation and test data: `(x, y)`; with a target's name, a DataFrame or the path of a file;
            or a Dataset or a folder of images, like `x`. Split off `x` if not given.
        seed: random seed; None draws one and records it.
        out: run directory; a new one in `evonas-runs` if not given.
        overwrite: whether a run in `out` may be deleted.
        initial: population file of another run (`population.json`) to start from.
        warm_start: directory of another run, of any data, whose best networks are trained first.
        transfer: directory of another run; all networks inherit the lower layers of its best network where
            shapes allow. Features are matched by name.
        threads: networks trained at a time; None uses all available cores. Does not affect results.
        execution: where networks are trained: "local" (this process), "processes" (the default) or "ray", or an
            `evonas.Execution` with the number of workers, GPUs or a cluster. Does not affect results.
        on_part, on_generation: called after each commit and each generation.
        callbacks: objects of `evonas.Callback`, called as the search proceeds; also the trackers of `evonas.trackers`.
        export: file for the best network, written at the end as by `evonas.export`; Keras is loaded for it while
            the search still trains.
        baseline: whether to train scikit-learn's gradient boosting and a linear model on the same rows, in the
            background at low priority, for comparison in `status`, report and model card; for tables only.
        verbose: whether to show progress and outcome: redrawn in a terminal, else one line per generation.
        task: "regression", "binary" or "multiclass"; inferred from `y` if not given.
        sample_weight, class_weight: weights of rows and classes in training, see `evonas.data.prepare`.
        drop: names of columns of a table to leave out.
        numbers: the encoding that all networks use for numeric columns besides the standardised number, one of
            `genomes.dense.NUMERIC_ENCODINGS`; otherwise it is a gene of the space. With `build`, "standard" unless
            given.
        neighbours: False for networks without neighbour features and learned neighbours (means of the targets of
            similar training rows, which an exported model contains); otherwise genes of the space.
        roles: column -> "numeric", "boolean", "categorical", "date" or "text", to override what is inferred.
        group: name of a column whose rows with equal values stay in the same part of the split; not used as a feature.
        time_column: name of a column by which rows are split: the latest are the test part.
        image_size: height and width to resize images of a folder to, such as "32x32".
        grayscale: whether to convert images of a folder to grayscale.
        steps: number of elements of the Dataset x to read, usually batches; by default all, if it is finite.
        architecture: kind of network: "convolutional", "sequence" or "dense". By default chosen by the data and the
            space: convolutional for images, sequence for series and single texts, otherwise dense.
        series: whether the columns of a row are the steps of a series.
        series_id: for tables with one row per step, the column that identifies the series; `time_column`
            then orders its steps.
        split: of series: "time" uses the last samples for testing and those before for validation, "random" draws
            them at random. By default, ordered overlapping windows of one series are split by time.
        separator, encoding, skip_rows, comment: format of text files, to override what is detected: the cell
            separator, the text encoding, the number of lines before the header, and the prefix of comment lines.
        decimal, thousands, date_order: notation of numbers and dates in text: "." or ","; ",", ".", "'" or " ";
            "dmy" or "mdy". Detected if the whole column agrees.
        missing: texts that mean "no value" in files, instead of the usual ones such as "NA", "NULL", "None" and "?".
        mutations: your own functions `(genome, space, rng) -> genome`, or names of installed ones, used in addition to
            the mutations of the space; see `genomes.mutations`.
        layer_kinds: your own layer kinds (`genomes.architecture.LayerKind`) that occur in networks of `space`.
        **settings: fields of `evonas.Settings`, such as `population=50`, `epochs=100`, `objective="mae"`, `cv=5`;
            `strategy` is a name, or your own class or `evonas.strategies.StrategyRow`; `objective` a name, or your own
            `evonas.Metric`.

    Raises:
        InputError: an argument cannot be used; the message says which, and how to fix it.
        Interrupted: stopped by Ctrl-C or SIGTERM; everything up to then is committed.
    """
    started, _ = monotonic(), launch.resolve_threads(threads)
    placed = Execution.from_arguments(execution)
    own = None if build is None else Build.from_function(build)
    given_extensions(mutations, layer_kinds, settings.get("objective"), space)
    options: dict[str, Any] = {"seed": draw_seed() if seed is None else seed, **named_objectives(settings)}
    if "strategy" in options:
        options["strategy"] = strategy_name(options["strategy"])
    for name, value in {"neighbours": neighbours, "baseline": baseline}.items():
        boolean(value, name)  # "off" would be true
    if isinstance(target, str):
        raise InputError(
            f"target must be a score at which the search stops, not {target!r:.60}: the column that is predicted is y"
        )
    architecture, encoding = architecture_and_encoding(architecture, encoding)
    reading = ReadOptions.from_arguments(
        separator, encoding, decimal, thousands, skip_rows, comment, missing, date_order
    )
    request = SearchRequest(
        settings=Settings(**options),
        budget=Budget.from_bounds(generations, evaluations, time, target),
        build=own,
        space=space,
        mutations=mutations,
        numbers=numbers,
        neighbours=None if neighbours else False,  # True is the default
        out=out,
        overwrite=overwrite,
        initial=initial,
        warm_start=warm_start,
        transfer=transfer,
        threads=threads,
        execution=placed,
    )
    data = DataOptions(
        task=task,
        drop=drop,
        roles=roles,
        group=group,
        time_column=time_column,
        image_size=image_size,
        grayscale=grayscale,
        architecture=architecture,
        series=series,
        series_id=series_id,
        split=split,
        reading=reading,
        steps=steps,
    )
    hooks: dict[str, Any] = {"on_part": on_part, "on_generation": on_generation}
    hooks["callbacks"] = check_callbacks(callbacks)
    with launch.standby_for(request.settings, own, placed) as standby, follow_search(verbose, hooks) as hooks:
        return search_data(
            x,
            y,
            data,
            request,
            standby=standby,
            parts={"validation": validation, "test": test},
            weights={"sample_weight": sample_weight, "class_weight": class_weight},
            export=None if export is None else Path(export),
            baseline=baseline,
            started=started,
            on_reading=partial(say_lines, stream=sys.stderr) if verbose else None,
            **hooks,
        )
