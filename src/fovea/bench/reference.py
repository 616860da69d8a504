"""The reference arm of the accuracy comparison: float32, NCHW, one PIL image at a time.

It is written in the manner of torchvision's classification references and shares with fovea the
network's definition, the data set as decoded, and the numbers of the recipe; nothing of the path
they are trained by.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip, ToTensor

from fovea.config.build import build
from fovea.data.image.cache import read_cached
from fovea.data.image.module import ImageData
from fovea.data.image.source import Images
from fovea.training.assemble import build_model


class PilImages(Dataset[tuple[Tensor, int]]):
    """Labelled images, each made a PIL image and transformed when it is asked for."""

    def __init__(self, images: Images, transform: Compose) -> None:
        self.pixels = images.pixels.numpy()
        self.labels = images.labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image: Any = Image.fromarray(self.pixels[index])
        return self.transform(image), self.labels[index]


def train_reference(config: Mapping[str, Any]) -> float:
    """Train a run's recipe on its whole training part; return the last epoch's test accuracy.

    Args:
        config: resolved; an SGD recipe on RGB images of the network's size, augmented by flip_crop.
    """
    torch.manual_seed(config["seed"])
    data: ImageData = build("data", config["data"])
    model, _ = build_model(config["model"], data.offers)
    constants = data.constants[data.normalize]
    tensor = [ToTensor(), Normalize(constants["mean"], constants["std"])]
    augment = config["augment"]
    crop = RandomCrop(data.spec.image_size, padding=augment["padding"])
    splits = read_cached(data.source, data.root, skip_bad=False)
    assert isinstance(splits.train, Images)
    assert isinstance(splits.test, Images)
    train = DataLoader(
        PilImages(splits.train, Compose([crop, RandomHorizontalFlip(augment["flip"]), *tensor])),
        batch_size=config["batch_size"],
        shuffle=True,
    )
    test = DataLoader(PilImages(splits.test, Compose(tensor)), batch_size=config["batch_size"])
    recipe = config["optimizer"]
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=recipe["lr"],
        momentum=recipe["momentum"],
        nesterov=recipe["nesterov"],
        weight_decay=recipe["weight_decay"],
    )
    schedule = build("schedule", config["schedule"])
    epochs, steps = config["epochs"], len(train)
    criterion = nn.CrossEntropyLoss()
    model.train()
    for epoch in range(epochs):
        for step, (images, labels) in enumerate(train):
            for group in optimizer.param_groups:
                group["lr"] = recipe["lr"] * schedule(epoch + step / steps, epochs)
            loss = criterion(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.inference_mode():
        right = sum(int((model(x).argmax(1) == y).sum()) for x, y in test)
    return right / len(splits.test)
