"""The programs of the bench, and the reference of its accuracy, on little data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from fovea.bench import programs
from fovea.bench.machine import training_flops
from fovea.bench.profile import measure_profile
from fovea.bench.programs import PROGRAMS
from fovea.bench.reference import train_reference
from fovea.bench.speed import configure
from fovea.bench.synthetic import Synthetic
from fovea.data.image.source import Splits
from fovea.models.resnet import ResNet


class EnoughError(Exception):
    """The program has trained as long as the test wants."""


class Counter:
    """A wrapper of a loader, as :class:`Turns` is, that ends the program after some batches."""

    def __init__(self, batches: int) -> None:
        self.left = batches
        self.shapes: set[tuple[int, ...]] = set()

    def of(self, loader: Any) -> Counter:
        self.loader = loader
        return self

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self):
        for images, labels in self.loader:
            if self.left == 0:
                raise EnoughError
            self.left -= 1
            self.shapes.add((*images.shape, len(labels)))
            yield images, labels


@pytest.fixture
def config() -> dict[str, Any]:
    made = configure(["model=resnet", "model.depth=8"], batch_size=16, threads=1)
    made["data"]["source"] = {"_target_": "fovea.bench.synthetic.Synthetic", "count": 40}
    made["tracking"] = {"_target_": "pytorch_lightning.loggers.CSVLogger"}
    return made


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.filterwarnings("ignore")
def test_a_program_trains_on_batches_of_all_images(
    name: str, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")  # is set by what compiles
    monkeypatch.setattr(torch, "compile", lambda forward, **_: forward)
    monkeypatch.setattr("fovea.training.train.require_compiler", lambda device: None)
    counter = Counter(5)  # an epoch has three
    with pytest.raises(EnoughError):
        PROGRAMS[name](config, counter)  # pyright: ignore[reportArgumentType]
    assert counter.shapes == {(16, 3, 32, 32, 16), (8, 3, 32, 32, 8)}


@pytest.mark.parametrize(("name", "compile"), [("fovea", False), ("compiled", True)])
@pytest.mark.parametrize("asked", [True, False])
def test_what_the_config_says_of_compiling_has_no_effect(
    name: str, compile: bool, asked: bool, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    trained: list[bool] = []
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")
    monkeypatch.setattr(
        programs, "train", lambda config, *_: trained.append(config["trainer"]["compile"])
    )
    config["trainer"]["compile"] = asked
    PROGRAMS[name](config, Counter(0))  # pyright: ignore[reportArgumentType]
    assert trained == [compile]


def test_the_reference_learns_its_images(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    few = Synthetic(count=20).read(Path(), skip_bad=False).train
    monkeypatch.setattr("fovea.bench.reference.read_cached", lambda *_, **__: Splits(few, few))
    config |= {"epochs": 30, "batch_size": 10}
    config["augment"] |= {"padding": 0, "flip": 0.0}
    assert train_reference(config) == 1.0
    config["optimizer"]["lr"] = 1e-9
    assert train_reference(config | {"epochs": 1}) < 0.5


def test_flops_of_resnet20_are_three_forward_passes_less_the_images_gradient():
    macs, first = 40.55e6, 3 * 16 * 9 * 32 * 32
    assert training_flops(ResNet(depth=20), 3, 32) == pytest.approx(6 * macs - 2 * first, rel=0.01)


def test_a_profile_names_what_takes_time(config: dict[str, Any]):
    config["data"]["source"]["count"] = 400
    spent = measure_profile(config, threads=1)
    assert {"convolution, backward", "convolution, forward", "batch norm"} <= spent.keys()
    assert list(spent)[-1] == "other"
    assert all(taken >= 0 for taken in spent.values())
