"""The shared layers against their definitions."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fovea.models.layers.activations import Activation, ScaledTanh, activated_pool, activation_layer
from fovea.models.layers.dropout import Dropout
from fovea.models.layers.head import linear_head
from fovea.models.layers.init import glorot_uniform, he_normal
from fovea.models.layers.response_norm import ResponseNorm2d


def test_response_norm_equals_its_definition():
    alpha, beta = 0.5, 0.75
    maps = np.random.default_rng(0).normal(size=(2, 3, 5, 6))
    expected = np.empty_like(maps)
    for n, c, y, x in np.ndindex(maps.shape):
        around = maps[n, c, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        expected[n, c, y, x] = maps[n, c, y, x] / (1 + alpha / 9 * (around**2).sum()) ** beta
    actual = ResponseNorm2d(3, alpha, beta)(torch.from_numpy(maps))
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-12)


def test_response_norm_has_the_gradient_of_its_definition():
    norm = ResponseNorm2d(3, 0.5, 0.75)
    maps = torch.randn(2, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(norm, maps)


@pytest.mark.parametrize("name", get_args(Activation))
def test_activations_are_the_functions_of_their_names_and_leave_their_input_alone(name):
    x = torch.linspace(-2, 2, 9)
    before = x.clone()
    torch.testing.assert_close(activation_layer(name)(x), getattr(F, name)(before))
    assert torch.equal(x, before)


def test_scaled_tanh_maps_one_to_one():
    torch.testing.assert_close(
        ScaledTanh()(torch.tensor([-1.0, 0.0, 1.0, 50.0])),
        torch.tensor([-1.0, 0.0, 1.0, 1.7159]),
        atol=1e-4,
        rtol=0,
    )


def test_head_and_headless():
    assert linear_head(7, 3).weight.shape == (3, 7)
    assert isinstance(linear_head(7, None), nn.Identity)


def test_initialisations_have_their_spread_and_zero_biases():
    torch.manual_seed(0)
    conv = nn.Conv2d(64, 32, 3)
    conv.apply(he_normal)
    assert conv.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert not conv.bias.any()
    conv.apply(glorot_uniform)
    bound = (6 / (64 * 9 + 32 * 9)) ** 0.5
    assert conv.weight.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert conv.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert not conv.bias.any()


@pytest.mark.parametrize("name", get_args(Activation))
@pytest.mark.parametrize("pool", [nn.MaxPool2d(3, stride=2), nn.AdaptiveAvgPool2d(4)])
def test_a_pool_before_its_activation_is_the_same_function(name, pool):
    maps = torch.randn(4, 3, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    results = []
    for layers in ([activation_layer(name), pool], activated_pool(name, pool)):
        leaf = maps.clone().requires_grad_()
        out = nn.Sequential(*layers)(leaf)
        (gradient,) = torch.autograd.grad(out.square().sum(), leaf)
        results.append((out, gradient))
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("name", "first"), [("relu", nn.MaxPool2d), ("gelu", nn.GELU)])
def test_only_an_activation_that_never_decreases_is_pooled_first(name, first):
    assert isinstance(activated_pool(name, nn.MaxPool2d(2))[0], first)
    assert len(activated_pool(name, None)) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.2, 0.25, 0.5])
def test_dropout_zeroes_its_share_and_scales_the_rest(p, dtype):
    torch.manual_seed(0)
    ones = torch.ones(64, 16, 20, 21, dtype=dtype, requires_grad=True)
    out = Dropout(p)(ones)
    share = (out == 0).double().mean().item()
    assert share == pytest.approx(p, abs=4 * (p * (1 - p) / ones.numel()) ** 0.5)
    scale = torch.tensor(1 / (1 - p), dtype=dtype)
    torch.testing.assert_close(out[out != 0], scale.expand(int((out != 0).sum())))
    (gradient,) = torch.autograd.grad(out.sum(), ones)
    assert torch.equal(gradient, out)


def test_dropout_draws_by_the_seed_and_each_value_for_itself():
    ones = torch.ones(2, 1001)
    torch.manual_seed(1)
    first, second = Dropout(0.5)(ones), Dropout(0.5)(ones)
    torch.manual_seed(1)
    assert torch.equal(Dropout(0.5)(ones), first)
    assert not torch.equal(first, second)
    shifted = [(first[:, k:] == first[:, : 1001 - k]).double().mean() for k in range(1, 9)]
    assert all(abs(same - 0.5) < 0.07 for same in shifted)  # 3 standard deviations


def test_dropout_keeps_the_memory_format_and_is_nothing_in_evaluation():
    maps = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    assert Dropout(0.5)(maps).is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(Dropout(0.5).eval()(maps), maps)
    assert torch.equal(Dropout(0.0)(maps), maps)
    assert not Dropout(1.0)(maps).any()
