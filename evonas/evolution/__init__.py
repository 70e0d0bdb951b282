"""The search loop, which connects a strategy, an evaluator and a store through their protocols.

`loop` runs generations, `asynchronous` proposes a candidate whenever another one has been trained, and `deadline`
enforces the time limit of both. `constraints` rejects networks that are too costly, `rate_repair` adjusts the learning
rates of children, `warm_start` takes networks and weights from another run, and `finalists` retrains the best networks.
"""
