"""The loop: joins a strategy, an evaluator and a store through their protocols, and knows none of them by name.

`loop` runs generations, `asynchronous` one candidate after the other as trainings end; `deadline` holds both to a time.
`constraints` keeps networks that are too costly from being trained, `rate_repair` adjusts children's learning rates,
`warm_start` takes networks and weights from another run, `finalists` trains the best ones again.
"""
