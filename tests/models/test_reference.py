"""The written-out operations against torch and against the guides' worked examples."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fovea.models.layers import in_numpy as reference

EXAMPLE = np.array(
    [
        [1, 1, 1, 0, 0],
        [0, 1, 1, 1, 0],
        [0, 0, 1, 1, 1],
        [0, 0, 1, 1, 0],
        [0, 1, 1, 0, 0],
    ],
    dtype=float,
)
CROSS = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], dtype=float)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 9, 7))


def test_worked_convolution():
    out = reference.conv2d(EXAMPLE[None], CROSS[None, None])
    np.testing.assert_array_equal(out[0], [[4, 3, 4], [2, 4, 3], [2, 3, 4]])


def test_worked_pooling():
    image = np.array([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]], dtype=float)[None]
    np.testing.assert_array_equal(reference.max_pool2d(image, 2)[0], [[6, 8], [3, 4]])
    np.testing.assert_array_equal(reference.average_pool2d(image, 2)[0], [[3.25, 5.25], [2, 2]])
    np.testing.assert_array_equal(reference.global_average_pool(image), [3.25 - 0.125])


def test_the_kernel_is_not_flipped():
    corner = np.zeros((1, 1, 3, 3))
    corner[..., 0, 0] = 1
    out = reference.conv2d(EXAMPLE[None], corner)
    np.testing.assert_array_equal(out[0], EXAMPLE[:3, :3])


@pytest.mark.parametrize(
    ("stride", "padding", "dilation"), list(product((1, 2, 3), (0, 1, 2), (1, 2)))
)
def test_convolution_equals_torch(image, stride, padding, dilation):
    rng = np.random.default_rng(1)
    weight, bias = rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    expected = F.conv2d(*map(torch.from_numpy, (image, weight, bias)), **options)
    actual = reference.conv2d(image, weight, bias, **options)
    np.testing.assert_allclose(actual, expected.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(2, None, 0), (3, 2, 0), (3, 2, 1), (3, 1, 1), (4, 3, 2)]
)
def test_pooling_equals_torch(image, kernel, stride, padding):
    tensor = torch.from_numpy(image)
    for ours, theirs in (
        (reference.max_pool2d, F.max_pool2d),
        (reference.average_pool2d, F.avg_pool2d),
    ):
        expected = theirs(tensor, kernel, stride, padding).numpy()
        np.testing.assert_allclose(ours(image, kernel, stride, padding), expected, rtol=1e-12)


def test_global_pooling_equals_torch(image):
    expected = F.adaptive_avg_pool2d(torch.from_numpy(image), 1).flatten().numpy()
    np.testing.assert_allclose(reference.global_average_pool(image), expected)


def test_convolution_refuses_what_does_not_fit(image):
    with pytest.raises(ValueError, match="does not belong to image"):
        reference.conv2d(image, np.ones((4, 1, 3, 3)))
    with pytest.raises(ValueError, match="a kernel of 8 does not fit image"):
        reference.conv2d(image, np.ones((4, 3, 8, 8)))


@pytest.mark.parametrize(
    ("stride", "padding", "size"), [(1, 0, 3), (1, 1, 5), (2, 0, 2), (2, 1, 3), (1, 2, 7)]
)
def test_output_sizes_of_a_3x3_kernel_on_5x5(stride, padding, size):
    assert reference.output_size(5, 3, stride, padding) == size


def test_output_size_is_zero_where_the_kernel_does_not_fit():
    assert reference.output_size(4, 5) == 0
    assert reference.output_size(4, 3, dilation=2) == 0


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_output_size_equals_torch(ceil_mode):
    for size, kernel, stride, padding in product(range(1, 12), (2, 3, 4), (1, 2, 3), (0, 1)):
        image = torch.zeros(1, size, size)
        try:
            expected = F.max_pool2d(image, kernel, stride, padding, ceil_mode=ceil_mode).shape[-1]
        except RuntimeError:  # torch has no empty maps
            expected = 0
        counted = reference.output_size(size, kernel, stride, padding, ceil_mode=ceil_mode)
        assert counted == expected, (size, kernel, stride, padding)


def test_counts():
    assert reference.conv_parameters(3, 64, 3) == 1_792
    assert reference.conv_parameters(3, 64, 3, bias=False) == 1_728
    assert reference.linear_parameters(784, 512) == 401_920
    assert reference.linear_parameters(512, 10, bias=False) == 5_120
    assert reference.conv_macs(3, 64, 3, output_size=224) == 1_728 * 224 * 224
    # A fully connected layer in place of that convolution (lesson 003 misprints 4.8e10).
    fully_connected = reference.linear_parameters(224 * 224 * 3, 224 * 224 * 64, bias=False)
    assert fully_connected == pytest.approx(4.83e11, rel=1e-3)
