"""Preparation of tables and arrays for training.

The steps, one module each:

1. `readers.files.read_any(path)` reads a file in any supported format (`readers.csv.read_csv` reads CSV) into a
   DataFrame, or reports errors with their location. `frames` converts tables of other libraries; `written`, with
   `notation` and `dates`, finds text columns that hold numbers or dates.
2. `columns.infer_columns(frame, ...)` assigns a `Role` to each column, with the reason: a `ColumnPlan`, which prints
   as a table and is saved as JSON.
3. `target.infer_target(...)` determines the task (regression, binary, multiclass) and encodes the target.
4. `splits.split_rows(...)` splits the rows into training, validation and test parts, or into folds, stratified by
class. 5. `encoding.preprocessor.fit_encoding(...)` fits imputation, scaling and one-hot encoding like scikit-learn
   (`statistics`), on training rows only, and stores the fitted numbers in a `Preparation`, a frozen value of plain
   JSON.
6. `prepare.prepare_table(...)` and `prepare.prepare_arrays(...)` perform steps 2 to 5 and return `PreparedData`
   (`prepared.py`), which is saved in the run directory and read by all trainers.

Images, series and texts keep their shape: `sample_kind` determines the kind of the rows and the networks that take
them, `prepare_samples` (for tables `prepare_sample_table`) performs steps 3, 4 and 6 with a `SamplePreparation` from
`encoding.pixels`, `encoding.series` or `encoding.tokens`; `windows` splits overlapping windows.

`load.read_data(...)` does all of this for any input. Arrays of any shape, for user-defined models, go through `inputs`
and `prepare_inputs` unchanged; target, splits and weights are handled in the same way.

Other modules: `cells` (the meaning of a cell, independent of its storage), `encoding` (features of texts and numbers),
`arrays` (conversion of arguments to a DataFrame), `readers.images` and `readers.datasets` (other sources of arrays),
`sample_weights` (weights of rows and classes), `fingerprint` (a digest of the data).

    >>> from evonas.data.prepare import prepare_table
    >>> from evonas.data.readers.csv import read_table
    >>> data = prepare_table(read_table("titanic.csv"), "Survived", seed=0)   # doctest: +SKIP
    >>> data.problem.task, data.problem.num_features, data.notes              # doctest: +SKIP

Unusable input raises an `InputError` that states the constraint, the value and the fix. The rows of the test split
do not influence anything that is fitted; column roles (is this text? is it constant?) are read from the whole table.

Importing this package, or any of its modules but `readers.text_column`, imports neither pandas nor scikit-learn;
calling them does.
"""

from evonas.data.encoding.preprocessor import Preparation
from evonas.data.prepared import PreparedData, Problem, Split

__all__ = ["Preparation", "PreparedData", "Problem", "Split"]
