"""The trainer for CPUs: one network per thread, at its exact shapes, in compiled loops.

1. `instructions.py`: the operations that networks consist of, as rows of a table.
2. `lowering.py`: converts an architecture graph into a `Program` of instructions.
3. `kernels/`: the operations and the training loop, written for numba; `matmul.py`: the matrix product, in LLVM code.
4. `compilation.py`: compiles them once per machine and loads them in milliseconds, without numba.
5. `frame.py`: the arguments of the compiled function. `training.py`: one training run, from weights to a snapshot.
6. `trainer.py`: `NativeTrainer`, which implements `Trainer`; `threads.py`: the threads in which it trains.
"""

from evonas.training.native.trainer import NativeTrainer

__all__ = ["NativeTrainer"]
