"""Baselines on the same rows: gradient boosting and a linear model of scikit-learn.

==============  =======================================================================================================
`features.py`   prepared rows as trees take them: a category is one column, a missing number is missing
`boosting.py`   histogram gradient boosting, some trees at a time, stopped early on the validation rows
`linear.py`     ridge or logistic regression
`words.py`    TF-IDF and a linear model, of texts
`fitting.py`    both on a split, or on each fold, scored as networks are
`process.py`    the process that trains them during a search, at low priority, and ends with it
`start.py`      the driver's end of it
==============  =======================================================================================================
"""
