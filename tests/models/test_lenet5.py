"""LeNet-5's own layers against the paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fovea.models.cost import count_parameters
from fovea.models.layers.in_numpy import conv2d
from fovea.models.lenet5 import (
    C3_CONNECTIONS,
    ConnectedConv2d,
    LeNet5,
    TrainableAvgPool2d,
    output_codes,
)

# LeCun et al., 1998, Table I: row = map of S2, column = map of C3.
TABLE_I = """
X...XXX..XXXX.XX
XX...XXX..XXXX.X
XXX...XXX..X.XXX
.XXX..XXXX..X.XX
..XXX..XXXX.XX.X
...XXX..XXXX.XXX
"""


def test_connections_are_table_one():
    table = np.array([list(row) for row in TABLE_I.split()]) == "X"
    for column, connections in enumerate(C3_CONNECTIONS):
        assert tuple(np.flatnonzero(table[:, column])) == connections
    assert table.sum() == 60


def test_parameters_per_layer_are_the_papers():
    model = LeNet5()
    counts = {name: count_parameters(layer) for name, layer in model.named_children()}
    assert counts.pop("output") == 0
    assert counts == {"c1": 156, "s2": 12, "c3": 1_516, "s4": 32, "c5": 48_120, "f6": 10_164}
    assert count_parameters(model) == sum(counts.values()) == 60_000


def test_connected_convolution_sums_over_its_connections_only():
    torch.manual_seed(0)
    conv = ConnectedConv2d([(0, 2), (1,)], kernel_size=3).double()
    image = torch.randn(1, 3, 6, 6, dtype=torch.float64)
    weight, maps = conv.weight.detach().numpy(), image[0].numpy()
    bias = conv.bias.detach().numpy()
    expected = np.stack(
        [
            conv2d(maps[[0, 2]], weight[None, :2])[0] + bias[0],
            conv2d(maps[[1]], weight[None, 2:])[0] + bias[1],
        ]
    )
    np.testing.assert_allclose(conv(image)[0].detach().numpy(), expected, rtol=1e-12, atol=1e-12)


def test_trainable_pool_weighs_the_sum_of_each_window():
    pool = TrainableAvgPool2d(2)
    pool.weight.data = torch.tensor([1.0, 0.25])
    pool.bias.data = torch.tensor([0.0, 3.0])
    image = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).expand(1, 2, 2, 2)
    assert pool(image).flatten().tolist() == [10.0, 5.5]


def test_weights_are_drawn_within_the_papers_bounds():
    torch.manual_seed(0)
    model = LeNet5(output="linear")
    bounds = {"c1": 2.4 / 25, "c5": 2.4 / 400, "f6": 2.4 / 120, "s2": 2.4 / 4, "s4": 2.4 / 4}
    for name, bound in bounds.items():
        for parameter in getattr(model, name).parameters():
            assert parameter.abs().max() <= bound
    assert model.f6[1].weight.abs().max().item() == pytest.approx(2.4 / 120, rel=1e-2)
    c3 = model.c3[0]
    for connected, fan_in in ((3, 75), (4, 100), (6, 150)):
        maps = [o for o, inputs in enumerate(C3_CONNECTIONS) if len(inputs) == connected]
        drawn = c3.dense_weight()[maps].abs().max().item()
        assert drawn == pytest.approx(2.4 / fan_in, rel=0.05)
        assert drawn <= 2.4 / fan_in


def test_digit_codes_are_the_bitmaps_of_ten_digits():
    codes = output_codes(10)
    assert codes.shape == (10, 84)
    assert set(codes.flatten().tolist()) == {-1.0, 1.0}
    assert torch.cdist(codes, codes, p=0).fill_diagonal_(84).min() >= 8
    one = codes[1].view(12, 7)
    assert one[:, 3].tolist() == [1.0] * 12
    assert one[10].tolist() == [-1.0, *[1.0] * 6]


def test_other_class_counts_have_the_same_random_codes_every_time():
    torch.manual_seed(1)
    first = output_codes(26)
    torch.manual_seed(2)
    assert torch.equal(first, output_codes(26))
    assert set(first.flatten().tolist()) == {-1.0, 1.0}
    assert len(first.unique(dim=0)) == 26


def test_rbf_logits_are_minus_the_squared_distance_and_the_codes_stay():
    model = LeNet5().eval()
    images = torch.randn(3, 1, 32, 32)
    features = LeNet5(num_classes=None).eval()
    features.load_state_dict({k: v for k, v in model.state_dict().items() if "codes" not in k})
    distances = torch.cdist(features(images), output_codes(10)).square()
    torch.testing.assert_close(model(images), -distances, rtol=1e-4, atol=1e-4)
    assert not any("codes" in name for name, _ in model.named_parameters())
