"""The trainer for CPUs: one network per thread, at its exact shapes, in compiled loops.

1. `kernels/`: the table of operations that networks consist of, and their code.
2. `lowering.py`: converts an architecture graph into a `Program` of instructions.
3. `compilation.py`: compiles the kernels once per machine and loads them in milliseconds, without numba.
4. `training.py`: one training run, from weights to a snapshot.
5. `trainer.py`: `NativeTrainer`, which implements `Trainer`; `threads.py`: the threads in which it trains.
"""

from evonas.training.native.trainer import NativeTrainer

__all__ = ["NativeTrainer"]
