"""Baselines on the same rows: scikit-learn's gradient boosting and a linear model.

==================  ===================================================================================================
`features.py`       prepared rows in a form for trees: categories as codes, missing numbers as NaN
`boosting.py`       histogram gradient boosting, grown in portions of trees, with early stopping on the validation rows
`linear.py`         ridge or logistic regression
`bag_of_words.py`   TF-IDF and a linear model, for texts
`fitting.py`        training of both baselines on a split or on each fold, with the same scores as networks
`process.py`        the process that trains them during a search, at low priority
`start.py`          starts this process, and reads its results
==================  ===================================================================================================
"""
