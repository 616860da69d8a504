"""Dropout whose mask is cheap to draw on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LEVELS = 2**16


class Dropout(nn.Dropout):
    """Zeroes values with probability ``p`` in training and scales the others by 1 / (1 - p).

    Srivastava et al., 2014. Any shape to the same. On a CPU, where torch draws the mask value by
    value, four 16-bit levels are cut from each random number, and p is rounded to 1/65536.
    """

    def forward(self, input: Tensor) -> Tensor:
        cut, size = round(self.p * _LEVELS), input.numel()
        cheap = self.training and input.device.type == "cpu" and 0 < cut < _LEVELS
        if not cheap or torch.compiler.is_compiling():  # Inductor fuses torch's own
            return super().forward(input)
        levels = torch.empty(-(-size // 4), dtype=torch.int64).random_(-(2**63), None)
        kept = levels.view(torch.int16)[:size] >= cut - _LEVELS // 2
        mask = torch.empty_like(input)  # dense, in the input's memory format
        mask.as_strided((size,), (1,)).copy_(kept).mul_(_LEVELS / (_LEVELS - cut))
        return input * mask
