"""The trainer's kernels in Triton. Each function has a twin by PyTorch alone, `*_eager`, in its module.

On tensors that Triton cannot work on (no GPU and no interpreter, or no Triton at all) a function is its twin.
"""

from .cross_entropy import softcapped_cross_entropy, softcapped_cross_entropy_eager
from .linear_relu2 import linear_relu2, linear_relu2_eager, mlp_relu2, mlp_relu2_eager
from .polar import polar_express, polar_express_eager, polar_step, polar_step_eager
from .symmetric import ba_plus_caa, ba_plus_caa_eager, xxt, xxt_eager
