"""Six ways to train the same network, from the introductory guide's loop to fovea.

The first three are written here, in the manner of what they name, so that a loop of that kind can
be timed on the machine at hand; no code of those projects is in them. All train the network that
fovea's config names, on the same images; each brings its own loader, precision and loop. All train
eager but the last, which is fovea with ``trainer.compile=true``.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
import torchmetrics
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip, ToTensor

from fovea.bench.reference import PilImages
from fovea.bench.turns import Turns
from fovea.config.build import build
from fovea.data.image.cache import read_cached
from fovea.data.image.module import ImageData
from fovea.data.image.source import Images
from fovea.optim.schedules import per_step
from fovea.records import RunFolder
from fovea.training.assemble import assemble, build_model
from fovea.training.process import prepare_process
from fovea.training.train import train

_ENDLESS = 1000  # epochs; the bench ends a program when it has measured enough


def plain_config(config: Mapping[str, Any], turns: Turns) -> None:
    """Train as the Pinecone guide does: tensors made beforehand, float32, SGD, one loss.

    The guide's ``ConvolutionalNeuralNetwork`` notebook prepares a list of (tensor, label) pairs and
    loops over a ``DataLoader`` of it.
    """
    model, images, constants = _network(config)
    pictures = PilImages(images, Compose(_to_tensor(constants)))
    prepared: Any = [pictures[index] for index in range(len(pictures))]
    loader = turns.of(DataLoader(prepared, config["batch_size"], shuffle=True))
    device = _device()
    model.to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.008)
    for _ in range(_ENDLESS):
        for x, y in loader:
            loss = criterion(model(x.to(device)), y.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def torchvision_like(config: Mapping[str, Any], turns: Turns) -> None:
    """Train as torchvision's classification references do.

    PIL transforms in worker processes, float32, and the loss and the top-1 and top-5 accuracy of
    every step read to the host.
    """
    model, images, constants = _network(config)
    loader = turns.of(
        DataLoader(
            PilImages(images, _augmented(constants)),
            config["batch_size"],
            shuffle=True,
            num_workers=2,
            pin_memory=torch.cuda.is_available(),
        )
    )
    device = _device()
    model.to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    meters: dict[str, list[float]] = {"loss": [], "top1": [], "top5": []}
    for _ in range(_ENDLESS):
        for x, y in loader:
            x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
            logits = model(x)
            loss = criterion(logits, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            top = logits.topk(5, dim=1).indices == y[:, None]
            meters["loss"].append(loss.item())
            meters["top1"].append(top[:, :1].any(1).float().mean().item())
            meters["top5"].append(top.any(1).float().mean().item())


class TemplateModule(LightningModule):
    """A LightningModule in the manner of lightning-hydra-template: metric objects every step."""

    def __init__(self, model: nn.Module, classes: int) -> None:
        super().__init__()
        self.model = model
        self.criterion = nn.CrossEntropyLoss()
        self.train_loss = torchmetrics.MeanMetric()
        self.train_acc = torchmetrics.Accuracy(task="multiclass", num_classes=classes)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        logits = self.model(x)
        loss = self.criterion(logits, y)
        self.train_loss(loss)
        self.train_acc(logits.argmax(dim=1), y)
        self.log("train/loss", self.train_loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("train/acc", self.train_acc, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def template_like(config: Mapping[str, Any], turns: Turns) -> None:
    """Train as lightning-hydra-template does, with the loader and the trainer it starts from."""
    model, images, constants = _network(config)
    loader = DataLoader(
        PilImages(images, _augmented(constants)), config["batch_size"], shuffle=True
    )
    classes = int(images.labels.max()) + 1
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(default_root_dir=folder, max_epochs=_ENDLESS)
        trainer.fit(TemplateModule(model, classes), turns.of(loader))


def bare(config: Mapping[str, Any], turns: Turns) -> None:
    """Train with fovea's loader, network, optimizer and precision in a loop without Lightning."""
    prepare_process()
    lab = assemble(config)
    lab.data.setup()
    loader = turns.of(lab.data.train_dataloader())
    task = lab.task
    device = _device()
    task.to(device)
    optimizer = build("optimizer", config["optimizer"], model=task.model)
    steps = len(turns) * config["epochs"]
    scheduler = per_step(
        optimizer, build("schedule", config["schedule"]), total_steps=steps, epochs=config["epochs"]
    )
    mixed = lab.settings.resolved_precision == "bf16-mixed"
    for _ in range(_ENDLESS):
        for x, y in loader:
            with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
                loss = cast("nn.Module", task.loss)(task.model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()


class TurnedData(ImageData):
    """fovea's data module, whose training batches come in turns."""

    turns: ClassVar[Turns]

    def train_dataloader(self) -> Iterable[Any]:
        return self.turns.of(super().train_dataloader())


def fovea(config: Mapping[str, Any], turns: Turns, *, compile: bool) -> None:
    """Train as ``fovea train`` does: record, history, checkpoints, W&B and all.

    Args:
        config, turns: as every program's.
        compile: what ``trainer.compile`` is, whatever the config says.
    """
    TurnedData.turns = turns
    target = f"{TurnedData.__module__}.{TurnedData.__qualname__}"
    turned = dict(config) | {
        "data": config["data"] | {"_target_": target},
        "trainer": config["trainer"] | {"compile": compile},
    }
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder  # compile anew, as a first run does
        train(turned, RunFolder(Path(folder) / "bench"), {"model": "model", "data": "data"})


PROGRAMS: dict[str, Callable[[Mapping[str, Any], Turns], None]] = {
    "guide": plain_config,
    "torchvision": torchvision_like,
    "template": template_like,
    "bare": bare,
    "fovea": partial(fovea, compile=False),
    "compiled": partial(fovea, compile=True),
}


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _network(
    config: Mapping[str, Any],
) -> tuple[nn.Module, Images, tuple[list[float], list[float]]]:
    """Return the network a config names, the training images, and their mean and std."""
    data: ImageData = build("data", config["data"])
    model, _ = build_model(config["model"], data.offers)
    images = read_cached(data.source, data.root, skip_bad=False).train
    assert isinstance(images, Images)
    named = data.constants[data.normalize]
    return model, images, (list(named["mean"]), list(named["std"]))


def _to_tensor(constants: tuple[list[float], list[float]]) -> list[Any]:
    return [ToTensor(), Normalize(*constants)]


def _augmented(constants: tuple[list[float], list[float]]) -> Compose:
    crop, flip = RandomCrop(32, padding=4), RandomHorizontalFlip()
    return Compose([crop, flip, *_to_tensor(constants)])
