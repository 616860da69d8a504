"""What a trained run says of new images, from its record alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fovea.augment.identity import Identity
from fovea.data.image.fit import Decoding, decode_fitted
from fovea.data.image.loaders import Finish
from fovea.data.image.source import Files, ImageFile
from fovea.records import RunFolder
from fovea.training.assemble import restore

_BATCH = 256


def predict(
    run: RunFolder, images: Sequence[Path], *, weights: str | None = None
) -> tuple[list[NDArray[np.uint8]], NDArray[np.float32], list[str]]:
    """Name what is in images, prepared as the run's training images were.

    Args:
        run: the record.
        images: files of any size and format Pillow reads.
        weights: ``best`` or ``last``; ``None`` is those the run was tested with.

    Returns:
        The pictures as the network saw them, uint8 ``(H, W, C)``; probabilities
        ``(N, num_outputs)``; and the name of each output.

    Raises:
        DataError: an image cannot be decoded.
        RecordError: the record or the weights are missing or damaged.
    """
    model = restore(run, weights)
    described = run.read("data.json")
    served = described["served"]
    finish = Finish(
        served["mean"],
        served["std"],
        device=torch.device("cpu"),
        augment=Identity(),
        channels_last=False,
    )
    channels = min(served["channels"], described["channels"])
    decoding = Decoding(served["image_size"], channels, served["fit"], served.get("bits", 16))
    files = Files(
        [ImageFile(str(path), path) for path in images], torch.zeros(len(images), dtype=torch.int64)
    )
    precision = next((each.dtype for each in model.parameters()), None)
    pictures: list[NDArray[np.uint8]] = []
    outputs = []
    for start in range(0, len(images), _BATCH):
        index = range(start, min(start + _BATCH, len(images)))
        pixels, _, _ = decode_fitted(files, index, *decoding, skip_bad=False)
        with torch.inference_mode():
            inputs = finish(pixels, torch.Generator()).to(precision)
            outputs.append(model(inputs).float().softmax(dim=1))
        pictures += list(pixels.numpy())
    probabilities = torch.cat(outputs).numpy()
    classes = described["classes"]
    names = [*classes, *(f"output {i}" for i in range(len(classes), probabilities.shape[1]))]
    return pictures, probabilities, names
