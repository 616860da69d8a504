"""The shared layers against their definitions."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fovea.layers.activations import Activation, ScaledTanh, activation_layer
from fovea.layers.head import linear_head
from fovea.layers.init import glorot_uniform, he_normal
from fovea.layers.response_norm import ResponseNorm2d


def test_response_norm_equals_its_definition():
    alpha, beta = 0.5, 0.75
    maps = np.random.default_rng(0).normal(size=(2, 3, 5, 6))
    expected = np.empty_like(maps)
    for n, c, y, x in np.ndindex(maps.shape):
        around = maps[n, c, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        expected[n, c, y, x] = maps[n, c, y, x] / (1 + alpha / 9 * (around**2).sum()) ** beta
    actual = ResponseNorm2d(3, alpha, beta)(torch.from_numpy(maps))
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-12)


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
