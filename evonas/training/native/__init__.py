"""The trainer for CPUs: one network per thread, at its exact shapes, in compiled loops.

1. `instructions.py`: the operations that a network is made of, as rows of a table.
2. `lowering.py`: from an architecture graph to a `Program` of instructions.
3. `kernels/`: the operations and the training loop, written for numba; `matmul.py`: the matrix product, for LLVM.
4. `compilation.py`: compiles them once a machine and loads them in milliseconds, without numba.
5. `frame.py`: what is handed to the compiled function. `training.py`: one training, from its weights to a snapshot.
6. `trainer.py`: `NativeTrainer`, which meets `Trainer`; `threads.py`: the threads that it trains in.
"""

from evonas.training.native.trainer import NativeTrainer

__all__ = ["NativeTrainer"]
