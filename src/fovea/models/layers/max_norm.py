"""A linear layer whose weights are bounded."""

from __future__ import annotations

from torch import Tensor, nn


class MaxNormLinear(nn.Linear):
    """A linear layer each of whose outputs has weights of a bounded L2 norm.

    Hinton et al. 2012, arXiv 1207.0580; Kim 2014, section 3.1. What an optimizer step has made
    longer is scaled back before it is used: in place, as ``nn.Embedding(max_norm=…)`` does, so that
    the next step starts from it. Nothing changes until a step does, however many batches are
    accumulated.

    Args:
        in_features, out_features: as of ``nn.Linear``.
        max_norm: of each row of the weight; ``None`` does not bound it.
    """

    def __init__(self, in_features: int, out_features: int, max_norm: float | None) -> None:
        super().__init__(in_features, out_features)
        self.max_norm = max_norm

    def forward(self, input: Tensor) -> Tensor:
        if self.max_norm is not None:
            self.weight.data.renorm_(p=2, dim=0, maxnorm=self.max_norm)
        return super().forward(input)
