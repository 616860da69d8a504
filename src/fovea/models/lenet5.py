"""LeNet-5, as published and as it is built today.

LeCun et al., 1998, "Gradient-based learning applied to document recognition", §II.B and App. A.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from fovea.config.types import Pixels, PositiveInt
from fovea.models.geometry import map_size
from fovea.models.layers.activations import ScaledTanh
from fovea.models.layers.head import linear_head

# Table I: the maps of S2 that each map of C3 reads.
C3_CONNECTIONS = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)

_FEATURES = 84  # of F6: a bitmap of 7×12

# Stylised 7×12 digits, drawn anew in the manner of Fig. 3.
_DIGITS = """
..###.. ...##.. .#####. .#####. ....##. ####### ..####. ####### .#####. .#####.
.##.##. ..###.. ##...## ##...## ...###. ####### .##.... ####### ##...## ##...##
##...## .####.. ##...## .....## ..####. ##..... ##..... .....## ##...## ##...##
##...## ...##.. .....## .....## .##.##. ##..... ##..... .....## ##...## ##...##
##...## ...##.. .....## .....## ##..##. ######. ##..... ....##. ##...## ##...##
##...## ...##.. ....##. ..####. ##..##. .....## ######. ....##. .#####. ##...##
##...## ...##.. ...##.. ..####. ####### .....## ##...## ...##.. .#####. .######
##...## ...##.. ..##... .....## ####### .....## ##...## ...##.. ##...## .....##
##...## ...##.. .##.... .....## ....##. .....## ##...## ..##... ##...## .....##
##...## ...##.. ##..... .....## ....##. .....## ##...## ..##... ##...## .....##
.##.##. .###### ####### ##...## ....##. ##...## ##...## .##.... ##...## ....##.
..###.. .###### ####### .#####. ....##. .#####. .#####. .##.... .#####. .####..
"""


class LeNet5(nn.Module):
    """Two convolutions, each with a subsampling layer, and two layers over what they leave.

    The layers carry the paper's names. At sizes other than 32 the kernel of C5 is as large as the
    maps of S4, so that its own maps stay 1×1.

    Args:
        num_classes: width of the output; ``None`` returns the 84 features of F6.
        in_channels: channels of the images.
        image_size: side of the images in pixels, or ``[height, width]``; the paper's is 32.
        variant: ``original`` has squashed trainable average pools, C3's connection table and the
            paper's initialisation; ``modern`` ReLU, max-pools, full connections and PyTorch's.
        output: ``rbf`` measures the distance to fixed ±1 codes, ``linear`` is trained; ``None`` is
            the variant's own, ``rbf`` for the original and ``linear`` for the modern one.

    Raises:
        ConfigError: the images are too small for the convolutions.
    """

    def __init__(
        self,
        num_classes: PositiveInt | None = 10,
        in_channels: PositiveInt = 1,
        image_size: Pixels = 32,
        variant: Literal["original", "modern"] = "original",
        output: Literal["rbf", "linear"] | None = None,
    ) -> None:
        super().__init__()
        original = variant == "original"
        squash = ScaledTanh if original else nn.ReLU
        c3 = ConnectedConv2d(C3_CONNECTIONS, kernel_size=5) if original else nn.Conv2d(6, 16, 5)
        self.c1 = nn.Sequential(nn.Conv2d(in_channels, 6, 5), squash())
        self.s2 = nn.Sequential(TrainableAvgPool2d(6), squash()) if original else nn.MaxPool2d(2)
        self.c3 = nn.Sequential(c3, squash())
        self.s4 = nn.Sequential(TrainableAvgPool2d(16), squash()) if original else nn.MaxPool2d(2)
        left = map_size(nn.Sequential(self.c1, self.s2, self.c3, self.s4), image_size)
        self.c5 = nn.Sequential(nn.Conv2d(16, 120, left), squash())
        self.f6 = nn.Sequential(nn.Flatten(), nn.Linear(120, _FEATURES), squash())
        rbf = (output or ("rbf" if original else "linear")) == "rbf"
        self.output = (
            EuclideanRBF(output_codes(num_classes))
            if rbf and num_classes is not None
            else linear_head(_FEATURES, num_classes)
        )
        if original:
            self.apply(_lecun_uniform)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.s4(self.c3(self.s2(self.c1(images))))
        return self.output(self.f6(self.c5(maps)))


class TrainableAvgPool2d(nn.AvgPool2d):
    """Sums each 2×2 window, times a trained weight plus a trained bias, one pair per map.

    ``(N, C, H, W)`` to ``(N, C, H/2, W/2)``.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(2, divisor_override=1)
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, input: Tensor) -> Tensor:
        weight, bias = self.weight[:, None, None], self.bias[:, None, None]
        return super().forward(input) * weight + bias


class ConnectedConv2d(nn.Conv2d):
    """A convolution whose maps each read some of the input's maps; only those weights exist.

    ``weight`` is ``(connections, K, K)``, in the order of the table.

    Args:
        connections: for each output map, the input maps it reads.
        kernel_size: K.
    """

    to_map: Tensor
    from_map: Tensor

    def __init__(self, connections: Sequence[Sequence[int]], kernel_size: int) -> None:
        pairs = [(o, i) for o, inputs in enumerate(connections) for i in inputs]
        in_channels = 1 + max(i for _, i in pairs)
        super().__init__(in_channels, len(connections), kernel_size)
        to_map, from_map = torch.tensor(pairs).T
        self.register_buffer("to_map", to_map, persistent=False)
        self.register_buffer("from_map", from_map, persistent=False)
        self.weight = nn.Parameter(self.weight.detach()[to_map, from_map])

    @property
    def unconnected_weights(self) -> int:
        """Weights of the dense convolution that do not exist."""
        return self.out_channels * self.in_channels * self.weight[0].numel() - self.weight.numel()

    def dense_weight(self) -> Tensor:
        """Return the weights ``(C_out, C_in, K, K)``, zero where nothing is connected."""
        shape = (self.out_channels, self.in_channels, *self.weight.shape[1:])
        return self.weight.new_zeros(shape).index_put((self.to_map, self.from_map), self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.dense_weight(), self.bias)


class EuclideanRBF(nn.Module):
    """Minus the squared distance of features to each class's code: ``(N, F)`` to ``(N, classes)``.

    With cross entropy this is eq. 9 without its constant for what is no digit.

    Args:
        codes: ``(classes, F)``; fixed.
    """

    codes: Tensor

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.register_buffer("codes", codes)

    def forward(self, x: Tensor) -> Tensor:
        return -(x[:, None] - self.codes).square().sum(dim=2)


def output_codes(num_classes: int) -> Tensor:
    """Return codes of ±1, ``(num_classes, 84)``: 7×12 bitmaps of ten digits, else random ones."""
    if num_classes == 10:
        rows = [line.split() for line in _DIGITS.split("\n") if line]
        bitmaps = ["".join(parts) for parts in zip(*rows, strict=True)]
        return torch.tensor([[1.0 if dot == "#" else -1.0 for dot in dots] for dots in bitmaps])
    generator = torch.Generator().manual_seed(0)
    return torch.randint(2, (num_classes, _FEATURES), generator=generator) * 2.0 - 1


@torch.no_grad()
def _lecun_uniform(layer: nn.Module) -> None:
    """Draw a layer's weights and biases from U(±2.4/fan_in), fan_in counted per unit (App. A)."""
    match layer:
        case ConnectedConv2d():
            bias_fan_in = layer.to_map.bincount() * layer.weight[0].numel()
            weight_fan_in = bias_fan_in[layer.to_map].view(-1, 1, 1)
        case TrainableAvgPool2d():
            bias_fan_in = weight_fan_in = 4
        case nn.Conv2d() | nn.Linear():
            bias_fan_in = weight_fan_in = layer.weight[0].numel()
        case _:
            return
    layer.weight.uniform_(-2.4, 2.4).div_(weight_fan_in)
    if layer.bias is not None:
        layer.bias.uniform_(-2.4, 2.4).div_(bias_fan_in)
