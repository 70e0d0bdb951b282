"""The search loop, which connects a strategy, an evaluator and a store through their protocols.

`loop` runs generations, `asynchronous` proposes a candidate whenever a training ends, and `deadline` enforces the time
limit of both. `constraints` rejects networks that are too costly, `rate_repair` adjusts children's learning rates,
`warm_start` takes networks and weights from another run, and `finalists` retrains the best networks.
"""
