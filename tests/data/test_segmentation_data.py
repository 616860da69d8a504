"""The data module of images with masks: what is served, recorded, and refused."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fovea.augment.flip_crop import FlipCrop
from fovea.augment.joint import IGNORED
from fovea.augment.none import Identity
from fovea.augment.warp import Warp
from fovea.config.errors import ConfigError, DataError
from fovea.data.segmentation.module import SegmentationData
from fovea.data.sources.mask_folder import MaskFolder

CLASSES = {"ground": 0, "leaf": 100}


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def write(root: Path, part: str, size: int, seed: int, shape: tuple[int, int] = (6, 8)) -> None:
    """Draw grey images whose left half is dark ground; the top row is of no class."""
    numbers = np.random.default_rng(seed)
    for kind in ("images", "masks"):
        (root / "set" / part / kind).mkdir(parents=True, exist_ok=True)
    for index in range(size):
        mask = np.zeros(shape)
        mask[:, shape[1] // 2 :] = 100
        image = mask + numbers.integers(100, size=shape)
        mask[0] = 9
        (root / "set" / part / "images" / f"{index}.png").write_bytes(png(image))
        (root / "set" / part / "masks" / f"{index}.png").write_bytes(png(mask))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "train", 6, seed=0)
    write(tmp_path, "test", 3, seed=1)
    return tmp_path


def made(root: Path, **arguments: Any) -> SegmentationData:
    source = MaskFolder("set", CLASSES, ignored=[9], channels=1)
    return SegmentationData(
        source, str(root), **({"batch_size": 2, "val_fraction": 0.0} | arguments)
    )


def test_masks_are_served_with_their_images(root: Path) -> None:
    data = made(root, normalize="none")
    (images, masks), _ = data.loader("test")
    assert (images.shape, images.dtype) == ((2, 1, 6, 8), torch.float32)
    assert (masks.shape, masks.dtype) == ((2, 6, 8), torch.int64)
    assert (masks[:, 0] == IGNORED).all()
    assert (masks[:, 1:, :4] == 0).all()
    assert (masks[:, 1:, 4:] == 1).all()
    assert torch.equal((images[:, 0, 1:] * 255).round() >= 100, masks[:, 1:] == 1)
    first = np.asarray(Image.open(root / "set/test/images/0.png"))
    assert torch.equal((images[0, 0] * 255).round(), torch.tensor(first).float())
    assert np.array_equal(data.pictures([0])[0][:, :, 0], first)
    assert dict(data.sizes) == {"train": 6, "test": 3}
    assert not data.has_validation


def test_what_it_offers_and_finds(root: Path) -> None:
    data = made(root, objects="leaf")
    assert data.example[0].shape == (1, 1, 6, 8)
    assert dict(data.offers) == {
        "num_classes": 2,
        "in_channels": 1,
        "classes": ("ground", "leaf"),
        "objects": 1,
    }
    data.setup()
    assert list(data.found.notes) == [
        "set: 18 files used",
        "train 6 of 8×6: ground 50.0%, leaf 50.0%, 16.7% of all pixels ignored",
        "test 3 of 8×6: ground 50.0%, leaf 50.0%, 16.7% of all pixels ignored",
    ]
    described = data.describe()
    assert described["served"]["size"] == [6, 8]
    assert described["classes"] == ["ground", "leaf"]
    assert SegmentationData.offers_of(described) == dict(data.offers)
    names = data.samples("test")
    assert names is not None
    assert [name.split()[0] for name in names] == [f"set/test/images/{i}.png" for i in range(3)]


def test_the_fingerprint_is_of_images_and_masks(root: Path) -> None:
    before = made(root).state()
    assert before == made(root, size=[12, 16]).state()
    mask = root / "set/train/masks/3.png"
    mask.write_bytes(png(np.full((6, 8), 100)))
    assert made(root).state()[0] != before[0]


def test_epochs_are_functions_of_the_seed_and_go_on_where_they_stopped(root: Path) -> None:
    def epoch(data: SegmentationData, number: int, start: int = 0) -> list[Sequence[torch.Tensor]]:
        loader: Any = data.loader("train", train=True)
        loader.set_epoch(number, start)
        return list(loader)

    data = made(root, augment=Warp(rotation=90, elastic=2), seed=4)
    first, again = epoch(data, 0), epoch(data, 0, start=1)
    assert len(first) == 3
    assert all(torch.equal(a, b) for a, b in zip(first[1], again[0], strict=True))
    assert not torch.equal(first[0][0], epoch(data, 1)[0][0])
    other: SegmentationData = pickle.loads(pickle.dumps(data))
    assert torch.equal(epoch(other, 0)[0][0], first[0][0])
    for images, masks in first:
        assert images.shape == (2, 1, 6, 8)
        assert set(masks.unique().tolist()) <= {0, 1, IGNORED}


def test_weights_are_of_classes_and_borders_and_of_training_alone(root: Path) -> None:
    mask = np.zeros((6, 8))
    mask[2:5, 0:3] = mask[2:5, 5:8] = 100  # two leaves, two pixels apart
    for index in range(6):
        (root / f"set/train/masks/{index}.png").write_bytes(png(mask))
    balanced = made(root, class_weights="inverse_frequency", objects="leaf", border_weight=10)
    _, masks, weights = next(iter(balanced.loader("train", train=True)))
    assert weights[masks == 1].unique().tolist() == pytest.approx([48 / 2 / 18])
    between = 48 / 2 / 30 + 10 * np.exp(-((1 + 2) ** 2) / 50)
    assert weights[0, 3, 3].item() == pytest.approx(between, rel=1e-3)
    assert len(next(iter(balanced.loader("test")))) == 2
    assert len(next(iter(made(root).loader("train", train=True)))) == 2


def test_other_sizes_are_refused_or_resized(root: Path) -> None:
    write(root, "val", 1, seed=2, shape=(12, 16))
    data = made(root, size=[12, 16])
    ((_, masks),) = data.loader("val")
    assert masks.shape == (1, 12, 16)
    assert next(iter(data.loader("test")))[0].shape == (2, 1, 12, 16)
    assert set(next(iter(data.loader("test")))[1].unique().tolist()) == {0, 1, IGNORED}
    write(root, "train", 1, seed=3, shape=(12, 16))
    message = r"set/train/images/1.png: 8×6 pixels, set/train/images/0.png 16×12; set data.size="
    with pytest.raises(DataError, match=message):
        made(root).setup()


def test_bad_files_are_one_line_or_left_out(root: Path) -> None:
    (root / "set/train/masks/2.png").write_bytes(png(np.zeros((7, 8))))
    (root / "set/train/masks/4.png").write_bytes(png(np.full((6, 8), 50)))
    with pytest.raises(DataError, match=r"set/train/masks/2.png: 8×7 pixels, its image 8×6$"):
        made(root).setup()
    data = made(root, skip_bad=True)
    assert data.sizes["train"] == 4
    assert [line.split(": ")[0] for line in data.skipped] == [
        "set/train/masks/2.png",
        "set/train/masks/4.png",
    ]
    with pytest.raises(DataError, match="4 training images are fewer than batch_size=5"):
        made(root, skip_bad=True, batch_size=5).setup()


def test_copies_and_absent_classes_are_reported(root: Path) -> None:
    image = (root / "set/train/images/1.png").read_bytes()
    (root / "set/test/images/0.png").write_bytes(image)
    data = made(root)
    assert list(data.found.deviations) == ["1 of 3 test images are copies of training images"]
    source = MaskFolder("set", {**CLASSES, "stem": 7}, ignored=[9], channels=1)
    rare = SegmentationData(source, str(root), batch_size=2, val_fraction=0)
    assert list(rare.found.warnings) == ["no training pixel is of class 'stem'"]


def test_parts_are_held_out_and_dealt(root: Path) -> None:
    held = made(root, val_fraction=0.3, split_seed=1)
    assert dict(held.sizes) == {"train": 4, "val": 2, "test": 3}
    tested = [
        name for fold in range(3) for name in made(root, folds=3, fold=fold).samples("test") or []
    ]
    assert len(set(tested)) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"augment": FlipCrop()}, "FlipCrop moves images and leaves their masks; set augment=warp"),
        ({"objects": "leef"}, "data.objects=leef: no class of this set; did you mean 'leaf'"),
        ({"border_weight": 1.0}, "data.border_weight needs data.objects"),
    ],
)
def test_what_cannot_be_served_is_refused(
    arguments: dict[str, Any], message: str, root: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        _ = made(root, **arguments).offers


def test_a_network_is_served_what_it_asks_for(root: Path) -> None:
    data = made(root, augment=Identity())
    data.serve({"in_channels": 3, "num_classes": 5})
    assert data.example[0].shape == (1, 3, 6, 8)
    assert next(iter(data.loader("test")))[0].shape == (2, 3, 6, 8)
    with pytest.raises(ConfigError, match=r"model\.num_classes=1: the data has 2 classes"):
        data.serve({"num_classes": 1})


def test_new_images_are_read_as_those_of_the_run(root: Path) -> None:
    described = made(root).describe()
    file = root / "new.png"
    file.write_bytes(png(np.full((12, 16), 30)))
    (inputs,) = SegmentationData.read(described, [str(file)])
    assert inputs.tensors[0].shape == (1, 1, 6, 8)
    mean, std = described["served"]["mean"][0], described["served"]["std"][0]
    assert inputs.tensors[0].unique().item() == pytest.approx((30 / 255 - mean) / std, rel=1e-4)
