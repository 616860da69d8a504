"""The convolution products that the bench times."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from fovea.bench.kernels import LAYERS, im2col_weight_gradient, measure_kernels


@pytest.mark.parametrize(("inputs", "outputs", "size", "kernel", "padding"), LAYERS)
def test_im2col_gives_the_weight_gradient(inputs, outputs, size, kernel, padding):
    generator = torch.Generator().manual_seed(0)
    shape = (2, inputs // 8, size, size)
    x = torch.randn(shape, dtype=torch.float64, generator=generator)
    weight = torch.zeros(outputs // 8, inputs // 8, kernel, kernel, dtype=torch.float64)
    weight.requires_grad_()
    y = F.conv2d(x, weight, padding=padding)
    g = torch.randn(y.shape, dtype=torch.float64, generator=generator)
    (expected,) = torch.autograd.grad(y, weight, g)
    torch.testing.assert_close(im2col_weight_gradient(x, g, kernel, padding), expected)


def test_every_product_of_every_layer_is_timed():
    rows = measure_kernels(1, torch.float32)["layers"]
    assert [row["layer"] for row in rows][-1] == "64→64, 3×3 on 8×8"
    assert len(rows) == len(LAYERS)
    for row in rows:
        assert len(row["flops_per_second"]) == 4
        assert min(row["flops_per_second"].values()) > 0
