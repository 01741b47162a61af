"""The trainer's kernels in Triton. Each function has a twin by PyTorch alone, `*_eager`, in its module.

On tensors that Triton cannot work on (no GPU and no interpreter, or no Triton at all) a function is its twin.
"""

from . import cross_entropy, linear_relu2, polar, symmetric

__all__ = ["cross_entropy", "linear_relu2", "polar", "symmetric"]
