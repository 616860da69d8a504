"""New images, prepared as those of a recorded run were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from fovea.augment.none import Identity
from fovea.config.errors import DataError
from fovea.config.types import height_and_width
from fovea.data.base import Inputs
from fovea.data.image.fit import Decoding, decode_fitted
from fovea.data.image.loaders import Finish
from fovea.data.image.source import Files, ImageFile
from fovea.data.sources.image_files import find_images

_BATCH = 256


def read_images(described: Mapping[str, Any], given: Sequence[str]) -> Iterator[Inputs]:
    """Yield images of any size and format that Pillow reads, decoded, fitted and normalised.

    Args:
        described: the record's ``data.json``.
        given: images, and folders whose images are read, each folder's sorted.

    Raises:
        DataError: there is no such image, or it cannot be decoded.
    """
    paths = find_given(given)
    served = described["served"]
    finish = Finish(
        served["mean"],
        served["std"],
        device=torch.device("cpu"),
        augment=Identity(),
        channels_last=False,
    )
    channels = min(served["channels"], described["channels"])
    size = height_and_width(served["image_size"])
    decoding = Decoding(size, channels, served["fit"], served.get("bits", 16))
    files = Files(
        [ImageFile(str(path), path) for path in paths], torch.zeros(len(paths), dtype=torch.int64)
    )
    for start in range(0, len(paths), _BATCH):
        index = range(start, min(start + _BATCH, len(paths)))
        pixels, _, _ = decode_fitted(files, index, *decoding, skip_bad=False)
        names = [str(paths[each]) for each in index]
        yield Inputs(names, (finish(pixels, torch.Generator()),), list(pixels.numpy()))


def find_given(given: Sequence[str]) -> list[Path]:
    """Return the images among files and folders, each folder's sorted.

    Raises:
        DataError: there is no such file, or no image.
    """
    files: list[Path] = []
    for item in map(Path, given):
        if item.is_dir():
            files += find_images(item).images
        elif item.is_file():
            files.append(item)
        else:
            raise DataError(f"{item}: no such image or folder")
    if not files:
        raise DataError(f"no images in {', '.join(given)}")
    return files
