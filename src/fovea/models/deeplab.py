"""DeepLabv3 (Chen, Papandreou, Schroff, Adam, 2017, arXiv:1706.05587)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torchvision.models.segmentation.deeplabv3 import ASPP
from torchvision.models.segmentation.fcn import FCNHead

from fovea.config.types import PositiveInt
from fovea.models.fcn import enlarged
from fovea.models.layers.stages import Stages


class DeepLab(nn.Module):
    """A dilated classifier, a pyramid of dilated convolutions, and bilinear enlarging.

    The pyramid (section 3.3) and the auxiliary head are torchvision's. In training it needs two
    images a batch: batch norm follows the mean over each image.

    Args:
        backbone: makes a classifier with stages, of ``num_classes`` and ``in_channels``.
        num_classes: channels of the logits.
        in_channels: channels of the images.
        output_stride: how much smaller than the images the last maps are.
        rates: of the pyramid's dilated convolutions; 6, 12, 18 in the paper at stride 16, twice
            that at stride 8.
        width: channels of the pyramid, 256 in the paper.
        auxiliary: in training, logits of the last stage but one too, named ``aux``.
    """

    def __init__(
        self,
        backbone: Callable[..., nn.Module],
        num_classes: PositiveInt = 2,
        in_channels: PositiveInt = 3,
        output_stride: PositiveInt = 8,
        rates: Sequence[PositiveInt] = (12, 24, 36),
        width: PositiveInt = 256,
        auxiliary: bool = False,
    ) -> None:
        super().__init__()
        self.features = Stages(backbone, in_channels, output_stride)
        *_, before, last = self.features.channels
        self.head = nn.Sequential(
            ASPP(last, list(rates), width),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, num_classes, 1),
        )
        self.auxiliary = FCNHead(before, num_classes) if auxiliary else None

    def forward(self, images: Tensor) -> Tensor | dict[str, Tensor]:
        """Map ``(N, in_channels, H, W)`` to ``(N, num_classes, H, W)``, or to such by name."""
        *_, before, last = self.features(images)
        out = enlarged(self.head(last), images)
        if self.auxiliary is None or not self.training:
            return out
        return {"out": out, "aux": enlarged(self.auxiliary(before), images)}
