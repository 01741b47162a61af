"""The trainer's kernels in Triton. Each function has a twin by PyTorch alone, `*_eager`, in its module.

On tensors that Triton does not work on a function is its twin: without a GPU and without the interpreter, without Triton at
all, and on a GPU for types wider than 16 bits.
"""

from . import cross_entropy, linear_relu2, polar, symmetric

__all__ = ["cross_entropy", "linear_relu2", "polar", "symmetric"]
