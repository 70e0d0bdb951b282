"""The compiled code of the native trainer, written for numba; imported only when it is compiled.

`network.py` runs a network's instructions forward and backward, `training.py` is the loop over epochs and steps.
Each operation has a module of the same name with `forward(memory, at, run)` and `backward(memory, at, run)`; `at` is
the instruction's row; see `evonas.training.native.instructions`.
"""
