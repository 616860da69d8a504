"""Response normalisation within a map."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class ResponseNorm2d(nn.Module):
    """Divides each value u by (1 + α/N² · Σu²)^β, summed over the N×N values around it.

    The sum runs within one map (cuda-convnet's ``rnorm``), where
    :class:`torch.nn.LocalResponseNorm` sums across maps; beyond the border values are 0.
    ``(N, C, H, W)`` to the same shape.

    Args:
        size: N, odd.
        alpha: α. With inputs of unit variance cuda-convnet's 5e-5 changes next to nothing: it is
            meant for pixels of 0 to 255.
        beta: β.
    """

    def __init__(self, size: int = 3, alpha: float = 5e-5, beta: float = 0.75) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        return _ResponseNorm.apply(x, self.size, self.alpha, self.beta)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}"


class _ResponseNorm(Function):
    """The layer with its gradient written out: fewer passes over the maps than autograd's.

    The mean over a window is its own adjoint, so that the gradient too is one pool.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int, alpha: float, beta: float) -> Tensor:
        divisor = _mean(x.square(), size).mul_(alpha).add_(1)
        scale = divisor.pow(-beta)
        ctx.save_for_backward(x, divisor, scale)
        ctx.constants = size, 2 * alpha * beta
        return x * scale

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor, None, None, None]:
        x, divisor, scale = ctx.saved_tensors
        size, factor = ctx.constants
        direct = gradient * scale
        through_divisor = _mean(direct * x / divisor, size) * x
        return direct - factor * through_divisor, None, None, None


def _mean(maps: Tensor, size: int) -> Tensor:
    return F.avg_pool2d(maps, size, stride=1, padding=size // 2)
