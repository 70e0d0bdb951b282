"""`ResultViews`: tables, figures and notebook representation of a result."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evonas.io.printable import printable
from genomes.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from evonas.reporting.figure import Figure
    from evonas.reporting.predictions import Predictions
    from evonas.reporting.rundata import RunData

__all__ = ["ResultViews"]


class ResultViews:
    """The part of `evonas.SearchResult` for inspection. Reads the run directory on each call.

    Figures are those of `evonas report`, as `plotly.graph_objects.Figure`: notebooks display them; elsewhere use
    `figure.show()`, `figure.write_html(path)` or `figure.write_image(path)` (with `evonas[report]`).
    """

    run_dir: Path

    def _outputs(self, x: Any) -> Any:
        raise NotImplementedError

    def _run(self) -> RunData:
        from evonas.reporting.rundata import read_run

        return read_run(self.run_dir)

    # Tables.

    def leaderboard(self, top: int | None = None) -> pd.DataFrame:
        """One row per network, the best first: rank, scores, cost, operator; at most `top` rows."""
        import pandas as pd

        from evonas.reporting.listing import candidate_rows

        return pd.DataFrame(candidate_rows(self._run())[:top])

    @property
    def test(self) -> pd.DataFrame:
        """The rows that the search never saw, with true values and the final model's predictions.

        The original columns, if the run kept them, then "true", "predicted" and, for classes, "probability_CLASS";
        "true_TARGET" and "predicted_TARGET" for a regression with several targets.

        Raises:
            InputError: the run has no test split, or its models are user-defined.
        """
        import pandas as pd

        from evonas.data.prepared import labels_of
        from evonas.data.quantiles import quantile_names
        from evonas.reporting.predictions import load_data

        run = self._run()
        data, found = load_data(run), self._predictions(run)
        if data is None or found.split != "test":
            raise InputError("run must have a test split to predict, but it has none: search with one")
        raw = data.raw.get("test") if len(found.features) == found.total else None
        columns: dict[str, Any] = {name: list(values) for name, values in raw.items()} if isinstance(raw, dict) else {}
        if found.problem.task == "regression":
            names = found.problem.target_names
            endings = [""] if len(names) < 2 else [f"_{name}" for name in names]
            for index, ending in enumerate(endings):
                columns[f"true{ending}"] = found.true[:, index]
                columns[f"predicted{ending}"] = found.point[:, index]
            for index, name in enumerate(quantile_names(found.problem)):
                columns[name] = found.predicted[:, index]
            return pd.DataFrame(columns)
        labels = labels_of(found.problem)
        columns |= {"true": labels[found.true], "predicted": labels[found.predicted.argmax(axis=1)]}
        columns |= {f"probability_{label}": found.predicted[:, index] for index, label in enumerate(labels)}
        return pd.DataFrame(columns)

    @property
    def baselines(self) -> pd.DataFrame:
        """Gradient boosting and the linear model on the same rows, one row each; empty if none were trained.

        Columns include `complete` and scores such as `validation_rmse` and `test_rmse`.
        """
        import pandas as pd

        found = self._run().baselines
        rows = [
            {
                "name": model.name,
                "about": model.about,
                "complete": model.complete,
                "rows": model.rows,
                **{f"validation_{name}": score for name, score in model.validation.items()},
                **{f"test_{name}": score for name, score in model.test.items()},
            }
            for model in (() if found is None else found.models)
        ]
        return pd.DataFrame(rows)

    # Predictions.

    def predict_proba(self, x: Any) -> NDArray[Any]:
        """Class probabilities for raw rows, shape `(num_samples, num_classes)`, in the order of the classes.

        Args:
            x: as for `inputs`.

        Raises:
            InputError: the target is not a class, or see `inputs`.
        """
        problem = self._run().problem
        if problem.get("task") == "regression":
            raise InputError("predict_proba requires a classification, but the target is a number: use predict")
        from evonas.data.prepared import PreparedData
        from evonas.deploy.prediction import Predictor
        from evonas.runs.reader import DATA_NAME

        return Predictor(PreparedData.load(self.run_dir / DATA_NAME).problem, self).outputs(x)

    def predict_quantiles(self, x: Any) -> pd.DataFrame:
        """Quantiles of the target for raw rows, one column each, such as "quantile_0.1"; they never cross.

        Args:
            x: as for `inputs`.

        Raises:
            InputError: the run's objective is not pinball, or see `predict`.
        """
        import pandas as pd

        from evonas.data.prepared import PreparedData
        from evonas.data.quantiles import quantile_names
        from evonas.deploy.prediction import Predictor
        from evonas.runs.reader import DATA_NAME

        problem = PreparedData.load(self.run_dir / DATA_NAME).problem
        if not problem.quantiles:
            raise InputError("predict_quantiles requires a run with objective pinball: search with it, or use predict")
        return pd.DataFrame(Predictor(problem, self).outputs(x), columns=list(quantile_names(problem)))

    def evaluate(self, data: Any, y: Any = None) -> dict[str, float]:
        """All metrics of the task on labelled rows, in the target's units.

        Args:
            data: a DataFrame, or the path of a table, with the columns of the search and its target; the path of a
                folder of images by class, or of a file of arrays; or rows without targets.
            y: targets of rows without targets.

        Raises:
            InputError: the target is missing, or holds a label that the search did not see.
        """
        from evonas.data.prepared import PreparedData
        from evonas.deploy.new_rows import new_rows, read_new_rows
        from evonas.deploy.prediction import Predictor, score_table
        from evonas.runs.reader import DATA_NAME

        predictor = Predictor(PreparedData.load(self.run_dir / DATA_NAME).problem, self)
        is_path = isinstance(data, str | Path)
        rows = read_new_rows(Path(data), predictor) if is_path else new_rows(data, predictor, y)
        return score_table(predictor, rows.x, rows.targets)

    # Figures.

    def plot_history(self, by: str = "evaluations") -> Any:
        """Best and median score over "evaluations", "epochs" or "seconds"."""
        from evonas.reporting import convergence_figures as convergence
        from evonas.reporting.answer import reference_lines

        known = {
            "evaluations": convergence.by_evaluations,
            "epochs": convergence.by_epochs,
            "seconds": convergence.by_seconds,
        }
        if by not in known:
            raise InputError(f"by must be one of {', '.join(known)}, not {by!r}: choose one")
        run = self._run()
        return known[by](run, reference_lines(run, () if run.baselines is None else run.baselines.models)).plotly()

    def plot_pareto(self) -> Any:
        """The objective over the second objective or the number of parameters."""
        from evonas.reporting import cost_figures as cost

        return _show(cost.pareto(self._run()), "a network with a score")

    def plot_importance(self) -> Any:
        """How much each gene determines whether a network is among the best."""
        from evonas.reporting import gene_figures as genes

        return _show(genes.importance(self._run()), "at least 20 networks with a score")

    def plot_columns(self) -> Any:
        """The deterioration of the final model (the best network, or a mean of several) if a column is shuffled."""
        from evonas.reporting.column_importance import permutation_importance
        from evonas.reporting.prediction_figures import columns
        from evonas.reporting.predictions import load_data

        run = self._run()
        data, found = load_data(run), self._predictions(run)
        assert data is not None, "predictions are for rows of the data"
        return columns(permutation_importance(run, data, found), run.objective.name, found).plotly()

    def plot_lineage(self) -> Any:
        """The ancestors of the best network."""
        from evonas.reporting import champion_figures as champion

        return _show(champion.lineage(self._run()), "a network with a score")

    def plot_architecture(self) -> Any:
        """The best network, from input to output."""
        from evonas.reporting import champion_figures as champion

        return _show(champion.architecture(self._run()), "a best network of evonas's own layers")

    def plot_learning_curves(self) -> Any:
        """Training and validation loss of the best network by epoch, for each seed."""
        from evonas.reporting import champion_figures as champion

        return _show(champion.learning_curves(self._run()), "a network with a score")

    def plot_calibration(self) -> Any:
        """Predicted probabilities of the final model against observed frequencies; for numbers, predicted against true
        values.
        """
        from evonas.reporting import prediction_figures as predictions

        found = self._predictions(self._run())
        draw = predictions.predicted_against_true if found.problem.task == "regression" else predictions.calibration
        return draw(found).plotly()

    def report(self, path: str | Path | None = None, format: str = "html", boosting: bool = False) -> Path:
        """Writes the report of the run, like `evonas report`; see `evonas.reporting.report.write_report`."""
        from evonas.reporting.report import write_report

        return write_report(self.run_dir, path, format, boosting)

    def _predictions(self, run: RunData) -> Predictions:
        from evonas.reporting.predictions import load_data, predict_held_out

        found = predict_held_out(run, load_data(run))
        if found is None:
            raise InputError(
                "predictions require a network of evonas's layers with stored weights, but there is none: "
                "use evaluate with your rows"
            )
        return found

    def _repr_html_(self) -> str:
        """The representation in notebooks: the answer section of the report."""
        from evonas.reporting.answer import answer_section, reference_scores, run_subtitle, run_title
        from evonas.reporting.page import blocks_html
        from evonas.reporting.predictions import load_data, predict_held_out

        run = self._run()
        data = load_data(run)
        found = predict_held_out(run, data)
        models = () if run.baselines is None else run.baselines.models
        others = reference_scores(models, "validation" if found is None else found.split)
        section = answer_section(run, data, found, others)
        title, subtitle = (html.escape(printable(text)) for text in (run_title(run), run_subtitle(run)))
        return f"<div><h3>{title}</h3><p>{subtitle}</p>{blocks_html(section.blocks)}</div>"


def _show(figure: Figure | None, needed: str) -> Any:
    if figure is None:
        raise InputError(f"run must have {needed} for this figure, but has none: continue with evonas resume")
    return figure.plotly()
