"""Triton where it is installed, and stand-ins for its decorators where it is not, so that the modules can be imported."""

import os

import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl
except ImportError:  # PyTorch for CPUs comes without it

    class triton:  # noqa: N801 (stands for the module)
        """Leaves kernels as they are; nothing calls them."""

        jit = staticmethod(lambda function: function)
        autotune = heuristics = staticmethod(lambda *_, **__: lambda function: function)
        Config = staticmethod(lambda *_, **__: None)

    class tl:  # noqa: N801
        """The names that are read where kernels are defined."""

        constexpr = object

    HERE = False
else:
    HERE = True

INTERPRETED = HERE and os.environ.get("TRITON_INTERPRET") == "1"


def runs(x: Tensor) -> bool:
    """Whether Triton works on this tensor here: on a GPU those of 16 bits, under the interpreter all."""
    return INTERPRETED or (HERE and x.is_cuda and x.element_size() == 2)


def wide(x: Tensor):
    """Triton's type in which sums over numbers of this tensor are kept."""
    return tl.float64 if x.dtype == torch.float64 else tl.float32


def configs(*settings, **small):
    """Configurations for the autotuner: (numbers, warps, stages) each. The interpreter, which cannot time, gets a small one."""
    if INTERPRETED:
        return [triton.Config(small)]
    return [triton.Config(numbers, num_warps=warps, num_stages=stages) for numbers, warps, stages in settings]
