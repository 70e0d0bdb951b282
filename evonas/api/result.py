"""`SearchResult`: the outcome of a run, read lazily from its directory. Imports pandas and Keras when needed."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.config import Settings
from evonas.data.encoding.preprocessor import ARRAY, Preparation
from evonas.data.encoding.samples import SamplePreparation
from evonas.data.inputs import as_inputs
from evonas.data.prepared import PreparedData, labels_of
from evonas.data.quantiles import point_prediction
from evonas.io.marked_files import is_product
from evonas.metrics.scores import predictions
from evonas.reporting.result_views import ResultViews
from evonas.reporting.run_tables import evaluation_table, finalist_table, history_table
from evonas.runs.reader import DATA_NAME, RunReader
from evonas.runs.records import Record
from evonas.user_model import Build
from genomes.architecture.graph import graph_from_json, views_of
from genomes.encodings import blueprint, space_from_json
from genomes.errors import InputError
from genomes.space import SearchSpace

if TYPE_CHECKING:
    import pandas as pd

    from evonas.execution import WorkerEvaluator
    from evonas.export_tasks import Exported
    from evonas.networks.combined import CombinedNetwork

__all__ = ["SearchResult"]

_ROWS_AT_A_TIME = 8192


class SearchResult(ResultViews):
    """The outcome of a run. Holds only the path of the directory; values are read on first use and cached.

    Attributes:
        run_dir: the run directory.

    A given `worker` performs exports, and is not closed.
    """

    def __init__(
        self,
        run_dir: str | Path,
        build: Build | None = None,
        worker: WorkerEvaluator | None = None,
        writes: bool = False,
    ) -> None:
        """Reads the run.

        Args:
            run_dir: its directory.
            build: the build function of the run, if it has one.
            worker: see above.
            writes: whether the best network is written into the run directory on first use.
        """
        self.run_dir = Path(run_dir)
        self._build, self._worker, self._writes = build, worker, writes
        self._read().close()

    def _read(self) -> RunReader:
        return RunReader(self.run_dir)

    @cached_property
    def settings(self) -> Settings:
        """The resolved settings of the run; `settings.objective` names the score."""
        with self._read() as run:
            return run.settings

    @cached_property
    def stop(self) -> str | None:
        """Reason why the search stopped ("generations", "time", "target", ...); None if it was killed or still runs."""
        with self._read() as run:
            return run.stop

    @cached_property
    def space(self) -> SearchSpace:
        """The space that was searched."""
        with self._read() as run:
            return space_from_json(run.space_json)

    @cached_property
    def best(self) -> Record:
        """The best network: scores, curve, best epoch, parameters, ancestry.

        If finalists were retrained: the median retraining of the one with the best mean; else the best evaluation of
        the search.

        Raises:
            InputError: no network has a score yet.
        """
        with self._read() as run:
            return run.ranked(1)

    @property
    def best_score(self) -> float:
        """The objective's score of the best network, on the validation split, in the target's own units."""
        return self.best.evaluation.scores[self.settings.objective or ""]

    @property
    def best_genome(self) -> Any:
        """The best network's genome."""
        return self.space.genome_from_json(self.best.genome)

    @cached_property
    def exported(self) -> Exported:
        """The final model (the best network, or a mean of several) as a file, with its scores on each split.

        It is written into the run directory if this is the result of a search, else to a temporary folder, so that
        inspecting a run does not change it.
        """
        from evonas.deploy.export import export

        return export(self.run_dir, self._place(), build=self._build, card=False, worker=self._worker)

    def _place(self) -> Path:
        """Path of the best network."""
        path = self._model_path
        if self._writes:
            with suppress(OSError):
                path.parent.mkdir(exist_ok=True)
                if os.access(path.parent, os.W_OK) and (is_product(path) or not os.path.lexists(path)):
                    return path
        self._folder = tempfile.TemporaryDirectory(prefix="evonas-")
        return Path(self._folder.name) / path.name

    @property
    def best_model(self) -> Any:
        """The final model as a `keras.Model`, with the weights that were scored, from raw columns to predictions.

        `inputs` converts a DataFrame for it. Regressions predict in the units of the target; classifiers have the
        outputs "probability" and "label". The file in the run directory is validated before Keras opens it.
        """
        from evonas.training.export.keras_file import load_keras_file

        path = self._model_path if self._model_path.exists() else self.exported.path
        return load_keras_file(path, own=not self._is_dense)

    def predict(self, x: Any) -> Any:
        """Predictions of the final model, as it is exported, for raw rows.

        Args:
            x: as for `inputs`.

        Returns:
            Regression: shape `(num_samples,)` or `(num_samples, num_targets)`; the median of quantiles, see
                `predict_quantiles`. Classification: labels, shape `(num_samples,)`, of their original type: text,
                integers, floats or booleans.

        Raises:
            InputError: there are no rows, or as in `inputs`.
        """
        if not len(x):
            raise InputError("x must have at least one row to predict, but has none: add rows")
        outputs, problem = self._outputs(x), self._data.problem
        if problem.quantiles:
            return point_prediction(problem.quantiles, outputs)
        if problem.task == "regression":
            return outputs[:, 0] if problem.num_outputs == 1 else outputs
        chosen = outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0.5).astype(int)
        return labels_of(problem)[chosen]

    def _outputs(self, x: Any) -> Any:
        """Predictions, or probabilities of each class or of the second of two; without Keras if possible.

        Equal to those of the exported model up to rounding.
        """
        if self._is_dense:
            network = self._network
            preparation = self._data.preparation_of(*network.views)
            assert preparation is not None, "networks of layers have prepared data"
            raw = network.raw_outputs(preparation.apply(self._rows(x)))
            return predictions(self._data.problem, raw).astype("float32")
        model = self.best_model
        as_columns = isinstance(model.input, Mapping) or model.inputs[0].name == ARRAY
        outputs = model.predict(
            self.inputs(x) if as_columns else self.prepare(x), batch_size=_ROWS_AT_A_TIME, verbose=0
        )
        return outputs["probability"] if isinstance(outputs, Mapping) else outputs

    @cached_property
    def _network(self) -> CombinedNetwork:
        """The model to export: the final model, or the best network if that is it."""
        from evonas.deploy.final_model import best_network, final_network

        with self._read() as run:
            model = run.final_model
            if model is None:
                return best_network(run, self.best, self._data)
            return final_network(run, model, self._data)

    @property
    def temperature(self) -> float:
        """The temperature that divides the logits of the exported model; 1 unless the run calibrates."""
        return self._network.temperature if self._is_dense else 1.0

    @property
    def _is_dense(self) -> bool:
        """Whether the networks consist of evonas's own layers, rather than being user-defined models."""
        return self._build is None and hasattr(self.space, "architecture")

    @property
    def _architecture(self) -> Mapping[str, Any]:
        return blueprint(self.space, self.best_genome)

    def inputs(self, x: Any) -> Any:
        """Converts raw rows to the input of `best_model`.

        Args:
            x: a DataFrame with the columns of the search (others are ignored), or an array, images, series or texts as
                in the search.

        Returns:
            Column -> array `(num_samples,)`, of float32 or text; or one array; see `Preparation.inputs`.
        """
        if self._data.problem.input_shapes:
            return as_inputs(x)
        return self._preparation.inputs(self._rows(x))

    def _columns(self, x: Any) -> pd.DataFrame:
        """Rows as a table; arrays are accepted only if the search had one, and lists of texts for its only column."""
        from evonas.data.arrays import feature_columns
        from evonas.data.encoding.tokens import as_texts
        from evonas.data.frames import is_table
        from evonas.data.sample_kind import holds_texts

        names = self._preparation.columns()
        if len(names) == 1 and holds_texts(x):
            from pandas import DataFrame

            return DataFrame({names[0]: as_texts(x, "x")})
        columns = feature_columns(x, "x")
        if not is_table(x) and not set(names) <= set(columns.columns):
            raise InputError(
                f"x must be a table with the columns {', '.join(map(repr, names[:5]))}{', ...' * (len(names) > 5)}, as "
                f"in the search, not an array without column names: pass pandas.DataFrame(x, columns=[...])"
            )
        return columns

    def prepare(self, x: Any) -> Any:
        """Encoded, imputed and scaled rows, the inputs of networks inside models.

        Arrays for user-defined models are returned unchanged.

        Args:
            x: as for `inputs`.

        Returns:
            shape `(num_samples, num_features)`.
        """
        if self._data.problem.input_shapes:
            return as_inputs(x)
        return self._preparation.apply(self._rows(x))

    def _rows(self, x: Any) -> Any:
        """Rows in the form for the preparation: columns of a table, or images, series and texts unchanged."""
        from evonas.data.frames import as_frame, is_table

        if not isinstance(self._preparation, SamplePreparation):
            return self._columns(x)
        return as_frame(x, "x") if is_table(x) else x

    @cached_property
    def _data(self) -> PreparedData:
        return PreparedData.load(self.run_dir / DATA_NAME)

    @property
    def _preparation(self) -> Preparation:
        preparation = self._data.preparation
        if preparation is None:
            raise InputError(
                f"{self.run_dir} must contain how its data were prepared, but does not: prepare x yourself"
            )
        if not self._is_dense:
            return preparation  # user-defined models see all features
        seen = self._data.preparation_of(*views_of(graph_from_json(self._architecture)))
        assert seen is not None
        return seen

    @property
    def test_scores(self) -> Mapping[str, float]:
        """Metrics of the final model on the test split, which the search never saw; empty without such a split."""
        if not self._is_dense:
            return self.exported.test_scores
        with self._read() as run:
            if (model := run.final_model) is not None and (known := run.final_test.scores_of(model)):
                return known
        from evonas.metrics.problem_scores import compute_scores

        network, data = self._network, self._data
        if data.x_test is None or data.y_test is None:
            return {}
        raw = network.raw_outputs(data.new_rows(data.x_test, *network.views))
        assert raw is not None, "nothing cancels the prediction"
        return compute_scores(data.problem, data.y_test, raw)

    @property
    def _model_path(self) -> Path:
        with self._read() as run:
            model = run.final_model
        if model is not None:  # named by all of its weights
            return self.run_dir / "models" / f"{hashlib.sha256(''.join(model.names).encode()).hexdigest()[:16]}.keras"
        return self.run_dir / "models" / f"{(self.best.weights or self.best.digest)[:16]}.keras"

    @cached_property
    def front(self) -> list[Record]:
        """The networks not dominated by others in `settings.objectives`, sorted by the first objective.

        Only the best network if there is one objective. `rank` of `export` follows the first objective; weights are
        kept for the best `keep` networks by it, others can be retrained.
        """
        with self._read() as run:
            return run.front()

    @cached_property
    def population(self) -> list[Any]:
        """Genomes of the best networks, best first, up to the population size."""
        with self._read() as run:
            return [self.space.genome_from_json(record.genome) for record in run.best(run.settings.population)]

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per generation: candidates, evaluations, failed, best and median score, the best so far, seconds."""
        with self._read() as run:
            return history_table(run)

    @cached_property
    def finalists(self) -> pd.DataFrame:
        """One row per finalist, best first: score in the search, mean and spread of its retrainings and of their test
        scores.

        `gap` is the difference between retraining and the score in the search: the winner's curse.
        """
        with self._read() as run:
            return finalist_table(run)

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """One row per evaluation, in the candidates' order: status, scores, epochs, parameters, ancestry, curve."""
        with self._read() as run:
            return evaluation_table(run)

    def export(
        self,
        path: str | Path,
        rank: int | None = None,
        *,
        retrain: bool = False,
        format: str | None = None,
        card: bool = True,
        resize: bool = False,
    ) -> Exported:
        """Writes a network as a Keras model or in another format, with a model card, as `evonas.export`."""
        from evonas.deploy.export import export

        options: dict[str, Any] = {"retrain": retrain, "build": self._build, "format": format, "card": card}
        return export(self.run_dir, path, rank, resize=resize, **options)

    def export_ensemble(self, path: str | Path, size: int = 8, *, card: bool = True) -> Exported:
        """Writes up to `size` networks as one Keras model of their mean: see `evonas.deploy.export.export_ensemble`."""
        from evonas.deploy.export import export_ensemble

        return export_ensemble(self.run_dir, path, size, card=card)

    def __repr__(self) -> str:
        with self._read() as run:
            name = run.settings.objective or "score"
            score = f"{name} {run.ranked(1).evaluation.scores[name]:.6g}" if run.best(1) else "no score yet"
            done = f"{run.evaluated} evaluations, {run.generations} generations"
            return f"SearchResult({str(self.run_dir)!r}: {score}, {done})"
