"""Networks of segmentation: their papers' sizes, the sizes of their maps, gradients, refusals."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from fovea.config.errors import ConfigError
from fovea.models.cost import count_macs, count_parameters
from fovea.models.deeplab import DeepLab
from fovea.models.fcn import FCN
from fovea.models.layers.stages import Stages
from fovea.models.mlp import MLP
from fovea.models.resnet import ResNet
from fovea.models.unet import UNet
from fovea.models.vgg import VGG

SMALL_VGG = partial(VGG, depth=11, width=4)
SMALL_RESNET = partial(ResNet, depth=8, width=4, shortcut="B")
NETWORKS = [
    partial(UNet, width=4, depth=2),
    partial(UNet, width=4, depth=2, padding="mirror", norm="batch", dropout=0.5),
    partial(FCN, SMALL_VGG),
    partial(FCN, SMALL_RESNET, skips=0),
    partial(DeepLab, SMALL_VGG, width=8, rates=(1, 2), auxiliary=True),
    partial(DeepLab, SMALL_RESNET, width=8, rates=(1, 2), output_stride=2),
]


def images(height: int, width: int, channels: int = 1, n: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, channels, height, width, generator=generator)


def test_the_unet_of_the_paper() -> None:
    # Figure 1: convolutions with biases, 64 to 1024 channels, 2×2 up-convolutions that halve them.
    pairs = [(1, 64), (64, 128), (128, 256), (256, 512), (512, 1024)]
    pairs += [(1024, 512), (512, 256), (256, 128), (128, 64)]
    by_hand = sum(9 * i * o + o + 9 * o * o + o for i, o in pairs)
    by_hand += sum(4 * i * (i // 2) + i // 2 for i in (1024, 512, 256, 128))
    by_hand += 64 * 2 + 2
    network = UNet(num_classes=2, in_channels=1, padding="valid")
    assert count_parameters(network) == by_hand == 31_030_658
    paper = torch.empty(1, 1, 572, 572, device="meta")
    assert network.to("meta")(paper).shape == (1, 2, 388, 388)
    assert round(count_macs(network, paper) / 1e9, 1) == 150.4


def test_mirrored_images_have_the_maps_of_valid_convolutions_in_their_middle() -> None:
    torch.manual_seed(0)
    valid = UNet(width=2, depth=2, padding="valid").eval()
    mirrored = UNet(width=2, depth=2, padding="mirror").eval()
    mirrored.load_state_dict(valid.state_dict())
    picture = images(92, 108)
    whole, middle = mirrored(picture), valid(picture)
    assert (whole.shape[2:], middle.shape[2:]) == ((92, 108), (52, 68))
    torch.testing.assert_close(whole[:, :, 20:72, 20:88], middle)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("size", [(64, 64), (45, 70)])
def test_maps_are_of_the_images_size_and_every_parameter_gets_a_gradient(
    network: partial[nn.Module], size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    model = network(num_classes=3, in_channels=1)
    outputs = model(images(*size))
    named = outputs if isinstance(outputs, dict) else {"out": outputs}
    loss = torch.zeros(())
    for each in named.values():
        assert each.shape == (2, 3, *size)
        loss = loss + nn.functional.cross_entropy(each, torch.ones(2, *size, dtype=torch.long))
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert model.eval()(images(*size)).shape == (2, 3, *size)


def test_skips_are_those_of_the_paper() -> None:
    torch.manual_seed(0)
    scores = {skips: FCN(SMALL_VGG, 3, 1, skips=skips).scores for skips in (0, 1, 2)}
    assert [[score.in_channels for score in each] for each in scores.values()] == [
        [32],
        [32, 32],
        [16, 32, 32],
    ]
    network = FCN(SMALL_VGG, 3, 1, skips=2).eval()
    alone = nn.functional.interpolate(
        network.scores[-1](network.features(images(64, 64))[-1]), (4, 4), mode="bilinear"
    )
    expected = alone
    for side in (8, 64):
        expected = nn.functional.interpolate(expected, (side, side), mode="bilinear")
    torch.testing.assert_close(network(images(64, 64)), expected)  # finer scores begin as 0


@pytest.mark.parametrize(
    ("backbone", "stride", "sides"),
    [
        (SMALL_VGG, None, [32, 16, 8, 4, 2]),
        (SMALL_VGG, 8, [32, 16, 8, 8, 8]),
        (SMALL_RESNET, 2, [64, 32, 32]),
        (SMALL_RESNET, 1, [64, 64, 64]),
    ],
)
def test_stages_beyond_the_stride_keep_their_size(
    backbone: partial[nn.Module], stride: int | None, sides: list[int]
) -> None:
    maps = Stages(backbone, 1, stride).eval()(images(64, 64))
    assert [each.shape[2] for each in maps] == sides


def test_dilated_stages_see_what_strided_ones_did() -> None:
    # Without pools, a dilated network gives at every second pixel what the strided one gives there.
    torch.manual_seed(0)
    strided = Stages(SMALL_RESNET, 1).eval()
    dilated = Stages(SMALL_RESNET, 1, output_stride=1).eval()
    dilated.load_state_dict(strided.state_dict())
    picture = images(64, 64)
    inner = slice(4, -4)  # borders are padded with more zeros
    for factor, few, many in zip((1, 2, 4), strided(picture), dilated(picture), strict=True):
        torch.testing.assert_close(
            few[:, :, inner, inner], many[:, :, ::factor, ::factor][:, :, inner, inner]
        )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FCN(partial(MLP, image_size=8), 3, 1), "model.backbone: MLP has no stages"),
        (
            lambda: DeepLab(partial(ResNet, depth=8, shortcut="A"), 3, 1, output_stride=2),
            "model.backbone: ResNet cannot be dilated",
        ),
        (lambda: UNet(padding="valid")(images(512, 512)), "do not halve the maps of 512×512"),
        (lambda: UNet(padding="mirror")(images(60, 512)), "60×512 images are too small to be mirr"),
    ],
)
def test_what_cannot_be_built_is_one_line(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ConfigError, match=message):
        make()
