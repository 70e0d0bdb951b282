"""The compiled code of the native trainer, written for numba.

`instructions.py` is the table of operations, `frame.py` the arguments of the compiled function; both need numpy only.
The other modules are imported only when the code is compiled: `matmul.py` is the matrix product, in LLVM code;
`network.py` runs a network's instructions forward and backward, `training.py` is the loop over epochs and steps. Each
operation has a module of the same name with `forward(memory, at, run)` and `backward(memory, at, run)`; `at` is the
instruction's row.
"""
