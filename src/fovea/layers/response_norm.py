"""Response normalisation within a map."""

from __future__ import annotations

from torch import Tensor, nn
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
        energy = F.avg_pool2d(x.square(), self.size, stride=1, padding=self.size // 2)
        return x / (1 + self.alpha * energy).pow(self.beta)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}"
