"""Preparation of tables and arrays for training.

The steps, one module each:

1. `readers.files.read_any(path)` reads a file of any known kind (`readers.csv.read_csv` reads CSV) into a DataFrame, or
   reports what is wrong and where. `frames` accepts tables of other libraries; `written`, with `notation` and
   `dates`, finds columns of text that are numbers or dates.
2. `columns.infer_columns(frame, ...)` gives every column a `Role` and the reason for it: a `ColumnPlan`, which prints
   as a table and is written as JSON.
3. `target.infer_target(...)` decides the task (regression, binary, multiclass) and codes the target.
4. `splits.split_rows(...)` splits the rows into training, validation and test, or into folds; stratified by class.
5. `encoding.preprocessor.fit_encoding(...)` fits imputing, scaling and one-hot coding as scikit-learn does
   (`statistics`), on training rows only, and keeps the fitted numbers as a `Preparation`: a frozen value of plain JSON.
6. `prepare.prepare_table(...)` and `prepare.prepare_arrays(...)` do 2 to 5 and give `PreparedData`
   (`prepared.py`): what is saved in the run directory and what every trainer reads.

Images, series and texts keep their shape: `sample_kind` says what rows are and which networks take them,
`prepare_samples` (of tables `prepare_sample_table`) does 3, 4 and 6 with a `SamplePreparation` of `encoding.pixels`,
`encoding.series` or `encoding.tokens`; `windows` splits windows that overlap.

`load.read_data(...)` does all of this for any input. Arrays of any shape, for user-defined models, go through
`inputs` and `prepare_inputs`: they are unchanged; target, splits and weights are handled in the same way.

Also here: `cells` (what one cell means, however it is stored), `encoding` (what texts and numbers give),
`arrays` (what a caller passes, as a DataFrame), `readers.images` and `readers.datasets` (where arrays come from
too), `sample_weights` (of rows and classes), `fingerprint` (whether data are the same).

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
