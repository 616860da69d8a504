"""Every classifier: sizes, shapes, feature maps, gradients, and refusals."""

from __future__ import annotations

import shutil
from functools import partial

import pytest
import torch
from torch import nn

from fovea.config.errors import ConfigError
from fovea.models.alexnet_cifar import AlexNetCifar
from fovea.models.conv_net import ConvNet
from fovea.models.cost import count_macs, count_parameters
from fovea.models.geometry import map_size
from fovea.models.guide_cnn import GuideCNN
from fovea.models.keras_mnist_cnn import KerasMnistCNN
from fovea.models.layers.response_norm import ResponseNorm2d
from fovea.models.lenet5 import ConnectedConv2d, LeNet5
from fovea.models.mlp import MLP
from fovea.models.resnet import ResNet
from fovea.models.sign_cnn import SignCNN
from fovea.models.simple_cnn import SimpleCNN
from fovea.models.vgg import VGG

GREY_28 = {"in_channels": 1, "image_size": 28}
GREY_32 = {"in_channels": 1, "image_size": 32}
RGB_32 = {"in_channels": 3, "image_size": 32}

# Network, images, parameters, MACs in millions.
SIZES = [
    (MLP, GREY_28, 669_706, 0.669),
    (LeNet5, GREY_32, 60_000, 0.326),
    (partial(LeNet5, output="linear"), GREY_32, 60_850, 0.327),
    (partial(LeNet5, variant="modern"), GREY_32, 61_706, 0.417),
    (AlexNetCifar, RGB_32, 89_578, 12.3),
    (partial(AlexNetCifar, response_norm=False), RGB_32, 89_578, 12.3),
    (ConvNet, RGB_32, 2_997_642, 119.1),
    (SimpleCNN, RGB_32, 1_147_914, 11.4),
    (GuideCNN, RGB_32, 620_810, 10.8),
    (SignCNN, GREY_28, 3_484_122, 21.3),
    (partial(SignCNN, pools=2), GREY_28, 870_618, 5.7),
    (KerasMnistCNN, GREY_28, 1_199_882, 12.0),
    (partial(ResNet, depth=20), RGB_32, 269_722, 40.6),
    (partial(ResNet, depth=32), RGB_32, 464_154, 68.9),
    (partial(ResNet, depth=44), RGB_32, 658_586, 97.2),
    (partial(ResNet, depth=56), RGB_32, 853_018, 125.5),
    (partial(ResNet, depth=110), RGB_32, 1_727_962, 252.9),
    (partial(ResNet, depth=20, residual=False), RGB_32, 269_722, 40.6),
    (partial(ResNet, depth=110, residual=False), RGB_32, 1_727_962, 252.9),
    (partial(ResNet, depth=20, preactivation=True), RGB_32, 269_722, 40.6),
    (partial(ResNet, depth=20, shortcut="B"), RGB_32, 272_474, 40.8),
    (partial(VGG, depth=11), RGB_32, 9_231_114, 152.8),
    (partial(VGG, depth=13), RGB_32, 9_416_010, 228.3),
    (partial(VGG, depth=16), RGB_32, 14_728_266, 313.2),
    (partial(VGG, depth=19), RGB_32, 20_040_522, 398.1),
    (partial(VGG, depth=16, batch_norm=False), RGB_32, 14_719_818, 313.2),
]

# Network, images, width of the features, names of layers, shape of the map of each.
SHAPES = [
    (MLP, GREY_28, 512, "hidden.0 hidden.1", [(512,), (512,)]),
    (
        LeNet5,
        GREY_32,
        84,
        "c1 s2 c3 s4 c5 f6",
        [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1), (84,)],
    ),
    (
        partial(LeNet5, variant="modern"),
        GREY_28,
        84,
        "c1 s2 c3 s4 c5 f6",
        [(6, 24, 24), (6, 12, 12), (16, 8, 8), (16, 4, 4), (120, 1, 1), (84,)],
    ),
    (AlexNetCifar, RGB_32, 1024, "convs.0 convs.1 convs.2", [(32, 16, 16), (32, 8, 8), (64, 4, 4)]),
    (
        ConvNet,
        RGB_32,
        256,
        "convs.0 convs.1 convs.2 convs.3 convs.4",
        [(64, 15, 15), (192, 6, 6), (384, 6, 6), (256, 6, 6), (256, 2, 2)],
    ),
    (SimpleCNN, RGB_32, 512, "convs.0 convs.1 convs.2", [(32, 16, 16), (64, 8, 8), (128, 4, 4)]),
    (GuideCNN, RGB_32, 256, "convs.0 convs.1 convs.2", [(32, 16, 16), (64, 8, 8), (128, 4, 4)]),
    (
        SignCNN,
        GREY_28,
        512,
        "convs.0 convs.1 convs.2 convs.3",
        [(64, 13, 13), (64, 11, 11), (128, 9, 9), (128, 7, 7)],
    ),
    (partial(SignCNN, pools=2), GREY_28, 512, "convs.0 convs.1", [(64, 13, 13), (64, 5, 5)]),
    (KerasMnistCNN, GREY_28, 128, "convs.0 convs.1", [(32, 26, 26), (64, 12, 12)]),
    (
        partial(ResNet, depth=8),
        {"in_channels": 1, "image_size": 8},
        64,
        "stem stages.0 stages.1 stages.2",
        [(16, 8, 8), (16, 8, 8), (32, 4, 4), (64, 2, 2)],
    ),
    (
        partial(ResNet, depth=8, preactivation=True, shortcut="B"),
        RGB_32,
        64,
        "stem stages.0 stages.1 stages.2",
        [(16, 32, 32), (16, 32, 32), (32, 16, 16), (64, 8, 8)],
    ),
    (
        partial(VGG, depth=11),
        {"in_channels": 3, "image_size": 64},
        512,
        "stages.0 stages.1 stages.2 stages.3 stages.4",
        [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)],
    ),
]

# Every path a gradient can take, small where the size is free.
TRAINED = [
    (MLP, GREY_28),
    (LeNet5, GREY_32),
    (partial(LeNet5, variant="modern"), GREY_32),
    (AlexNetCifar, RGB_32),
    (partial(AlexNetCifar, init="paper", activation="silu"), RGB_32),
    (ConvNet, RGB_32),
    (SimpleCNN, RGB_32),
    (GuideCNN, RGB_32),
    (SignCNN, GREY_28),
    (partial(SignCNN, pools=2), GREY_28),
    (KerasMnistCNN, GREY_28),
    *(
        (partial(ResNet, depth=8, preactivation=pre, residual=residual, shortcut=shortcut), RGB_32)
        for pre in (False, True)
        for residual, shortcut in ((True, "A"), (True, "B"), (False, "A"))
    ),
    (partial(VGG, depth=11), RGB_32),
    (partial(VGG, depth=11, batch_norm=False, activation="gelu"), RGB_32),
]


def images_for(size: dict[str, int], n: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    side = size["image_size"]
    return torch.randn(n, size["in_channels"], side, side, generator=generator)


def image(in_channels: int, image_size: int) -> torch.Tensor:
    """One image on the meta device."""
    return torch.empty(1, in_channels, image_size, image_size, device="meta")


@pytest.mark.parametrize(("network", "size", "parameters", "macs"), SIZES)
def test_parameters_and_macs(network, size, parameters, macs):
    classes = 26 if getattr(network, "func", network) is SignCNN else 10
    model = network(num_classes=classes, **size)
    digits = 3 if macs < 1 else 1
    assert count_parameters(model) == parameters
    assert round(count_macs(model, image(**size)) / 1e6, digits) == macs


@pytest.mark.parametrize("precision", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize(("network", "size"), TRAINED)
def test_macs_are_counted_in_every_precision(network, size, precision):
    model = network(num_classes=5, **size)
    macs = count_macs(model, image(**size))
    assert count_macs(model.to(precision), image(**size)) == macs > 0


@pytest.mark.parametrize(("network", "size", "features", "layers", "shapes"), SHAPES)
def test_logits_features_and_maps(network, size, features, layers, shapes):
    model = network(num_classes=7, **size).eval()
    seen = []
    for name in layers.split():
        layer = model.get_submodule(name)
        layer.register_forward_hook(lambda *of, name=name: seen.append((name, of[2].shape)))
    assert model(images_for(size)).shape == (2, 7)
    assert seen == [(name, (2, *shape)) for name, shape in zip(layers.split(), shapes, strict=True)]
    headless = network(num_classes=None, **size).eval()
    assert headless(images_for(size)).shape == (2, features)


@pytest.mark.parametrize(("network", "size"), TRAINED)
def test_every_parameter_gets_a_gradient(network, size):
    torch.manual_seed(0)
    model = network(num_classes=5, **size)
    nn.functional.cross_entropy(model(images_for(size, 4)), torch.arange(4)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert any(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_counting_macs_leaves_the_model_and_the_random_state_alone():
    model = SimpleCNN()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    random_state = torch.get_rng_state()
    count_macs(model, image(**RGB_32))
    assert torch.equal(torch.get_rng_state(), random_state)
    assert model.training
    for name, value in model.state_dict().items():
        assert value.device.type == "cpu"
        assert torch.equal(value, weights[name])


def test_count_parameters_leaves_out_the_frozen():
    model = MLP(hidden_sizes=[4])
    model.hidden.requires_grad_(False)
    assert count_parameters(model) == 4 * 10 + 10


def test_mlp_takes_any_hidden_sizes():
    model = MLP(num_classes=3, in_channels=3, image_size=8, hidden_sizes=[20, 10, 5])
    assert [layer[0].out_features for layer in model.hidden] == [20, 10, 5]
    linear = MLP(num_classes=3, in_channels=1, image_size=8, hidden_sizes=[])
    assert count_parameters(linear) == 64 * 3 + 3


@pytest.mark.parametrize(
    ("network", "given", "enough"),
    [
        (VGG, 28, 32),
        (ConvNet, 8, 18),
        (SimpleCNN, 7, 8),
        (GuideCNN, 3, 4),
        (SignCNN, 14, 16),
        (LeNet5, 8, 16),
        (KerasMnistCNN, 5, 6),
    ],
)
def test_images_that_are_too_small_are_refused(network, given, enough):
    message = rf"model\.image_size={given}: too small .* set model\.image_size={enough} or more"
    with pytest.raises(ConfigError, match=message):
        network(in_channels=3, image_size=given)
    assert network(in_channels=3, image_size=enough).eval()(
        torch.zeros(1, 3, enough, enough)
    ).shape[1] in (10, 26)


@pytest.mark.parametrize(("network", "size"), TRAINED)
def test_images_may_have_any_height_and_width(network, size):
    model = network(num_classes=5, in_channels=size["in_channels"], image_size=[40, 56]).eval()
    macs = []

    def count(layer, _, out):
        if isinstance(layer, ConnectedConv2d):
            macs.append(layer.weight.numel() * out[0, 0].numel())
        elif isinstance(layer, nn.Conv2d):
            macs.append(layer.weight[0].numel() * out.numel())
        elif isinstance(layer, nn.Linear):
            macs.append(layer.weight.numel())

    images = torch.zeros(1, size["in_channels"], 40, 56)
    counted = count_macs(model, images.to("meta"))
    for layer in model.modules():
        layer.register_forward_hook(count)
    assert model(images).shape == (1, 5)
    assert counted == sum(macs) > 0


def test_a_size_that_is_too_small_one_way_is_refused():
    line = r"model\.image_size=\[4, 64\]: too small .* set model\.image_size=\[8, 64\] or more"
    with pytest.raises(ConfigError, match=line):
        SimpleCNN(image_size=[4, 64])
    with pytest.raises(
        ConfigError, match=r"=\[64, 4\]: .* set model\.image_size=\[64, 8\] or more"
    ):
        SimpleCNN(image_size=(64, 4))


def test_map_size_follows_strides_padding_and_overhanging_pools():
    chain = nn.Sequential(
        nn.Conv2d(1, 1, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)
    )
    for size in range(3, 20):
        for width in (size, size + 4):
            assert map_size(chain, [size, width]) == chain(torch.zeros(1, 1, size, width)).shape[2:]
    tall = nn.Conv2d(1, 1, (5, 1))
    assert map_size(tall, 8) == (4, 8)


def test_resnet_skips_are_what_its_blocks_add():
    torch.manual_seed(0)
    model = ResNet(depth=8).eval()
    grow = model.stages[1][0]
    x = torch.randn(2, 16, 8, 8)
    skipped = grow.shortcut(x)
    assert torch.equal(skipped[:, :16], x[:, :, ::2, ::2])
    assert not skipped[:, 16:].any()
    torch.testing.assert_close(grow(x), (grow.path(x) + skipped).relu())

    plain = ResNet(depth=8, residual=False).eval()
    plain.load_state_dict(model.state_dict())
    torch.testing.assert_close(plain.stages[1][0](x), grow.path(x).relu())


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_preactivation_blocks_add_the_input_itself_and_the_active_input_where_maps_grow(shortcut):
    model = ResNet(depth=8, preactivation=True, shortcut=shortcut).eval()
    same, grow = model.stages[0][0], model.stages[1][0]
    x = torch.randn(2, 16, 8, 8)
    torch.testing.assert_close(same(x), x + same.path(same.preactivation(x)))
    active = grow.preactivation(x)
    torch.testing.assert_close(grow(x), grow.path(active) + grow.shortcut(active))


@pytest.mark.parametrize(
    ("depth", "advice"),
    [(21, "the nearest are 20 and 26"), (18, "the nearest are 14 and 20"), (2, "smallest is 8")],
)
def test_resnet_refuses_an_impossible_depth(depth, advice):
    with pytest.raises(ConfigError, match=rf"model\.depth={depth}: .* 6n\+2 layers; .*{advice}"):
        ResNet(depth=depth)


def test_response_norm_stands_after_the_first_two_pools():
    model = AlexNetCifar()
    ends = [type(conv[-1]) for conv in model.convs]
    assert ends == [ResponseNorm2d, ResponseNorm2d, nn.AvgPool2d]
    assert not any(
        isinstance(layer, ResponseNorm2d) for layer in AlexNetCifar(response_norm=False).modules()
    )


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler on this machine")
def test_alexnets_pools_have_the_same_gradient_compiled():
    pools = nn.Sequential(*(m for m in AlexNetCifar().convs.modules() if type(m) is nn.AvgPool2d))
    gradients = []
    for forward in (pools, torch.compile(pools.forward)):
        maps = torch.arange(64.0).reshape(1, 1, 8, 8).requires_grad_()
        forward(maps).square().sum().backward()
        gradients.append(maps.grad)
    torch.compiler.reset()
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("network", [entry[0] for entry in SIZES])
def test_no_mean_pool_has_another_gradient_compiled(network):
    """Inductor's is wrong where a pool overhangs and counts padding (pytorch#198119)."""
    pools = [layer for layer in network().modules() if isinstance(layer, nn.AvgPool2d)]
    assert not any(pool.ceil_mode and pool.count_include_pad for pool in pools)


def test_alexnet_draws_the_files_deviations():
    torch.manual_seed(0)
    model = AlexNetCifar(init="paper")
    weights = [model.convs[i][0].weight for i in range(3)] + [model.head.weight]
    for weight, std in zip(weights, (1e-4, 0.01, 0.01, 0.01), strict=True):
        assert weight.std().item() == pytest.approx(std, rel=0.05)
