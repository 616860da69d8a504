"""The data module: splits, statistics, what is served, and what is refused."""

from __future__ import annotations

import io
import os
import pickle
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Generator, Tensor

from fovea.augment.flip_crop import FlipCrop
from fovea.config.errors import ConfigError, DataError
from fovea.config.types import Pixels
from fovea.data.image.loaders import HostLoader, InMemoryLoader, StreamingLoader
from fovea.data.image.module import ImageData
from fovea.data.image.source import Files, ImageFile, Images, Source, Spec, Splits
from fovea.data.sources.digits import Digits


@dataclass
class Given(Source):
    """A source that holds what a test gives it."""

    splits: Splits
    channels: int
    image_size: Pixels | None
    reads: list[bool] = field(default_factory=list)

    def spec(self, root: Path) -> Spec:
        return Spec(("ant", "bee"), self.channels, self.image_size)

    def read(self, root: Path, *, skip_bad: bool) -> Splits:
        self.reads.append(skip_bad)
        return self.splits


def images(labels: Sequence[int], pixels: Tensor | None = None, first: int = 0) -> Images:
    """Grey 2×2 images; without ``pixels``, image ``i`` is of the value ``first + i``."""
    if pixels is None:
        values = torch.arange(first, first + len(labels), dtype=torch.uint8)
        pixels = values.view(-1, 1, 1, 1).expand(-1, 2, 2, 1)
    return Images(pixels, torch.tensor(labels))


def picture(value: int, name: str, side: int = 3) -> ImageFile:
    stream = io.BytesIO()
    Image.new("RGB", (side, side), (value, value, value)).save(stream, "PNG")
    return ImageFile(name, stream.getvalue())


def given(splits: Splits, channels: int = 1, side: int | None = 2, **arguments: Any) -> ImageData:
    source = Given(splits, channels, side)
    return ImageData(source, "unused", **({"batch_size": 2, "val_fraction": 0.0} | arguments))


def digits(**arguments: Any) -> ImageData:
    return ImageData(Digits(), "unused", **arguments)


def batches(loader: Any) -> list[tuple[Tensor, Tensor]]:
    return list(loader)


def served_values(loader: Any) -> list[int]:
    """The value of each image, of a module that does not normalise."""
    return [round(value) for x, _ in loader for value in (x[:, 0, 0, 0] * 255).tolist()]


TWENTY = Splits(train=images([0, 1] * 10), test=images([0, 1] * 2, first=100))


def test_validation_split_is_stratified() -> None:
    data = digits(val_fraction=0.1)
    assert data.sizes == {"train": 1293, "val": 144, "test": 360}
    whole = Counter(torch.cat([y for _, y in digits(val_fraction=0).loader("train")]).tolist())
    held_out = Counter(torch.cat([y for _, y in data.val_dataloader()]).tolist())
    for label, count in whole.items():
        assert abs(held_out[label] - 0.1 * count) <= 1


def test_split_is_of_the_split_seed_and_not_of_the_run_seed() -> None:
    def split(**seeds: int) -> tuple[int, ...]:
        data = given(TWENTY, val_fraction=0.3, normalize="none", **seeds)
        held_out = served_values(data.val_dataloader())
        assert sorted(held_out + served_values(data.loader("train"))) == list(range(20))
        return tuple(held_out)

    assert split(split_seed=0, seed=0) == split(split_seed=0, seed=1)
    assert len({split(split_seed=seed) for seed in range(4)}) > 1


def test_the_data_sets_own_validation_part_is_used() -> None:
    own = images([0, 1], first=50)
    data = given(Splits(TWENTY.train, TWENTY.test, own), val_fraction=0.5, normalize="none")
    assert data.sizes == {"train": 20, "val": 2, "test": 4}
    assert served_values(data.val_dataloader()) == [50, 51]


def test_validate_on_test() -> None:
    data = given(TWENTY, validate_on="test", val_fraction=0.5, normalize="none")
    assert data.sizes == {"train": 20, "val": 4, "test": 4}
    assert served_values(data.val_dataloader()) == served_values(data.test_dataloader())


def test_without_validation_there_is_none() -> None:
    data = given(TWENTY, val_fraction=0.0)
    assert not data.has_validation
    assert batches(data.val_dataloader()) == []


def test_without_a_test_part_one_is_held_out_before_validation() -> None:
    splits = Splits(TWENTY.train, None)
    data = given(splits, test_fraction=0.2, val_fraction=0.25, normalize="none", batch_size=4)
    assert data.sizes == {"train": 12, "val": 4, "test": 4}
    served = [
        sorted(served_values(loader))
        for loader in (data.loader("train"), data.val_dataloader(), data.test_dataloader())
    ]
    assert sorted(value for part in served for value in part) == list(range(20))
    again = given(splits, test_fraction=0.2, val_fraction=0.5, normalize="none", batch_size=4)
    assert sorted(served_values(again.test_dataloader())) == served[2]


def test_computed_statistics_are_of_the_training_part_only() -> None:
    colours = torch.tensor([[0, 51, 255], [255, 51, 0]], dtype=torch.uint8)
    train = images([0, 1], colours.view(2, 1, 1, 3).expand(2, 2, 2, 3))
    test = images([0, 1], torch.full((2, 2, 2, 3), 200, dtype=torch.uint8))
    mean, std = given(Splits(train, test), channels=3).statistics
    assert mean == pytest.approx([0.5, 0.2, 0.5])
    assert std == pytest.approx([0.5, 0.0, 0.5], abs=2e-6)


def test_computed_statistics_of_digits() -> None:
    data = digits(val_fraction=0.1)
    data.serve({"in_channels": 1, "image_size": 8})
    x = torch.cat([x for x, _ in data.loader("train")])
    assert x.mean().item() == pytest.approx(0, abs=1e-5)
    assert x.std(unbiased=False).item() == pytest.approx(1, abs=1e-5)


def test_statistics_are_those_of_the_images_before_they_are_padded() -> None:
    data = given(TWENTY, fit="pad")
    data.serve({"in_channels": 1, "image_size": 4})
    (mean,), (std,) = data.statistics
    assert mean == pytest.approx(9.5 / 255)
    assert std == pytest.approx(np.arange(20).std() / 255)


@pytest.mark.parametrize(
    ("channels", "mean", "std"),
    [(3, [0.1, 0.2, 0.6], [0.4, 0.5, 0.9]), (1, [0.3], [0.6])],
)
def test_named_constants(channels: int, mean: list[float], std: list[float]) -> None:
    constants = {"guide": {"mean": [0.1, 0.2, 0.6], "std": [0.4, 0.5, 0.9]}}
    data = given(TWENTY, constants=constants, normalize="guide")
    data.serve({"in_channels": channels, "image_size": 2})
    assert data.statistics == (pytest.approx(mean), pytest.approx(std))


def test_one_constant_serves_three_channels() -> None:
    data = given(TWENTY, constants={"c": {"mean": [0.1], "std": [0.4]}}, normalize="c")
    data.serve({"in_channels": 3, "image_size": 2})
    assert data.statistics == ([0.1] * 3, [0.4] * 3)


def test_an_unknown_normalize_name_is_refused_with_the_nearest() -> None:
    constants = {"pinecone": {"mean": [0.5], "std": [0.5]}}
    with pytest.raises(ConfigError) as caught:
        given(TWENTY, constants=constants, normalize="pincone")
    assert str(caught.value) == (
        "data.normalize=pincone: unknown; did you mean 'pinecone'? "
        "(known: pinecone, computed, none)"
    )


def test_grey_data_for_a_network_of_three_channels() -> None:
    data = digits()
    data.serve({"in_channels": 3, "image_size": 8})
    grey = digits()
    grey.serve({"in_channels": 1, "image_size": 8})
    ((x, _), *_), ((y, _), *_) = data.test_dataloader(), grey.test_dataloader()
    assert x.shape == (128, 3, 8, 8)
    torch.testing.assert_close(x, y.expand(-1, 3, -1, -1))


def test_size_the_network_asks_for() -> None:
    data = given(TWENTY, normalize="none", fit="pad")
    data.serve({"in_channels": 1, "image_size": 4})
    x, _ = batches(data.test_dataloader())[0]
    assert x.shape == (2, 1, 4, 4)
    assert x[0, 0, 1:3, 1:3].mul(255).round().unique().tolist() == [100]
    assert x[0].count_nonzero() == 4
    assert [each.shape for each in data.pictures(range(3))] == [(4, 4, 1)] * 3


def test_images_that_are_not_square_are_served_as_stored() -> None:
    pixels = torch.arange(24, dtype=torch.uint8).view(4, 2, 3, 1)
    splits = Splits(images([0, 1] * 2, pixels), images([0, 1], pixels[:2]))
    data = ImageData(
        Given(splits, 1, (2, 3)), "unused", batch_size=2, val_fraction=0.0, normalize="none"
    )
    assert data.offers["image_size"] == [2, 3]
    data.serve({"in_channels": 1, "image_size": [2, 3]})
    assert data.example[0].shape == (1, 1, 2, 3)
    x, _ = batches(data.test_dataloader())[0]
    assert x[0, 0].mul(255).round().tolist() == [[0, 1, 2], [3, 4, 5]]
    described = data.describe()
    assert described["image_size"] == described["served"]["image_size"] == [2, 3]
    assert ImageData.offers_of(described)["image_size"] == [2, 3]
    square = given(TWENTY)
    assert square.offers["image_size"] == square.describe()["served"]["image_size"] == 2


def test_files_are_decoded_to_the_height_and_width_asked_for() -> None:
    data = ImageData(
        Given(folder_of_files(), 3, None), "", image_size=[4, 6], batch_size=2, val_fraction=0.0
    )
    data.serve({"in_channels": 3, "image_size": data.offers["image_size"]})
    assert data.spec.image_size == [4, 6]
    assert data.pictures([0])[0].shape == (4, 6, 3)
    taller = ImageData(Given(folder_of_files(), 3, None), "unused", image_size=[6, 6])
    assert taller.spec.image_size == 6


@pytest.mark.parametrize("size", [[4], [4, 4, 4], "large", 0])
def test_a_network_of_an_impossible_size_is_refused(size: Any) -> None:
    with pytest.raises(ConfigError, match=r"^image size .*: should be a number or \[height, width"):
        digits().serve({"in_channels": 1, "image_size": size})


def test_a_network_of_two_channels_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.in_channels=2"):
        digits().serve({"in_channels": 2, "image_size": 8})


def test_every_training_image_once_an_epoch() -> None:
    data = given(TWENTY, normalize="none", batch_size=3)
    seen = []
    loader = data.train_dataloader()
    assert isinstance(loader, InMemoryLoader)
    for epoch in (0, 1):
        loader.set_epoch(epoch)
        seen.append(served_values(loader))
    assert sorted(seen[0]) == sorted(seen[1]) == list(range(20))
    assert seen[0] != seen[1]


@dataclass
class Black:
    """An augmentation that cannot be overlooked."""

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        return torch.zeros_like(images)


def test_only_training_batches_are_augmented() -> None:
    bright = Splits(
        train=images([0, 1] * 10, first=100),
        test=images([0, 1], first=100),
        val=images([0, 1], first=100),
    )
    data = given(bright, normalize="none", augment=Black())
    assert set(served_values(data.train_dataloader())) == {0}
    for loader in (data.val_dataloader(), data.test_dataloader(), data.loader("train")):
        assert min(served_values(loader)) == 100


def test_a_class_only_in_test_is_named() -> None:
    with pytest.raises(DataError, match=r"class 'bee' occurs in the test part and never in train"):
        given(Splits(images([0, 0, 0]), images([0, 1]))).setup()


def test_fewer_images_than_a_batch() -> None:
    with pytest.raises(DataError) as caught:
        given(TWENTY, batch_size=21).setup()
    assert str(caught.value) == (
        "20 training images are fewer than batch_size=21; set batch_size=20 or less"
    )


def test_images_of_any_size_need_one() -> None:
    files = Files([picture(0, "a"), picture(0, "b")], torch.tensor([0, 1]))
    with pytest.raises(ConfigError, match=r"data\.image_size: images of any size need one"):
        _ = given(Splits(files, None), channels=3, side=None).spec


def test_a_size_that_has_no_effect_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        _ = digits(image_size=32).spec
    assert str(caught.value) == (
        "data.image_size=32: this set's images have 8×8 pixels; leave it out, and set "
        "model.image_size to scale them"
    )


def test_one_class_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Given, "spec", lambda source, root: Spec(("ant",), 1, 2))
    with pytest.raises(DataError, match=r"one class only, 'ant': nothing to tell apart"):
        _ = given(TWENTY).spec


def test_what_cannot_be_downloaded_says_so() -> None:
    with pytest.raises(ConfigError, match=r"data\.download=true: .* cannot be fetched"):
        given(TWENTY, download=True).prepare_data()


def folder_of_files(bad: Sequence[int] = ()) -> Splits:
    names = [f"{index}.png" for index in range(12)]
    items = [picture(10 * index, name) for index, name in enumerate(names)]
    for index in bad:
        items[index] = ImageFile(names[index], b"no picture")
    train = Files(items[:8], torch.tensor([0, 1] * 4))
    return Splits(train, Files(items[8:], torch.tensor([0, 1] * 2)))


def file_data(splits: Splits, **arguments: Any) -> ImageData:
    data = ImageData(Given(splits, 3, None), "unused", image_size=4, **arguments)
    data.serve({"in_channels": 3, "image_size": 4})
    return data


PATHS = {
    "memory": InMemoryLoader,
    "disk": HostLoader,  # memory-mapped, and larger than the memory allowed
    "as needed": StreamingLoader,
}


def data_on(
    path: str, splits: Splits, monkeypatch: pytest.MonkeyPatch, **arguments: Any
) -> ImageData:
    """A module that serves image files in one of three ways."""
    monkeypatch.setenv("FOVEA_CACHE", f"{os.environ['FOVEA_CACHE']}-{path}")
    worth = 0.0 if path == "disk" else float("inf")
    monkeypatch.setattr("fovea.data.image.cache.WORTH_SECONDS", worth)
    limit = "auto" if path == "memory" else 1e-9
    data = file_data(splits, memory_limit=limit, **arguments)
    data.setup()
    for loader in (data.train_dataloader(), data.test_dataloader()):
        assert isinstance(loader, PATHS[path])
    return data


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("bad", [(), (0, 3, 9)])
@pytest.mark.parametrize("path", ["disk", "as needed"])
def test_memory_disk_and_files_give_the_same(
    path: str, bad: tuple[int, ...], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments: dict[str, Any] = {"val_fraction": 0.25, "batch_size": 2, "seed": 5}
    arguments |= {"skip_bad": bool(bad), "workers": workers, "augment": FlipCrop(padding=1)}
    memory = data_on("memory", folder_of_files(bad), monkeypatch, **arguments)
    other = data_on(path, folder_of_files(bad), monkeypatch, **arguments)
    assert memory.sizes == other.sizes
    assert memory.sizes["train"] == (4 if bad else 6)
    assert memory.statistics == other.statistics
    assert memory.fingerprint == other.fingerprint
    assert memory.skipped == other.skipped
    for part, train in (("train", True), ("val", False), ("test", False), ("train", False)):
        expected: Any = memory.loader(part, train=train)
        result: Any = other.loader(part, train=train)
        for epoch in (0, 1):
            expected.set_epoch(epoch)
            result.set_epoch(epoch)
            for (x, labels), (y, other_labels) in zip(expected, result, strict=True):
                torch.testing.assert_close(y, x, rtol=0, atol=0)
                assert other_labels.tolist() == labels.tolist()
    of_both = zip(memory.pictures(range(3)), other.pictures(range(3)), strict=True)
    for picture_in_memory, decoded in of_both:
        np.testing.assert_array_equal(decoded, picture_in_memory)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("workers", [0, 1])
def test_no_path_draws_from_the_run_s_generator(
    path: str, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = torch.get_rng_state()
    arguments: dict[str, Any] = {"val_fraction": 0.25, "batch_size": 2, "workers": workers}
    data = data_on(path, folder_of_files(), monkeypatch, **arguments)
    for _ in range(2):
        batches(data.train_dataloader())
    assert torch.get_rng_state().equal(state)


def test_statistics_are_of_every_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fovea.data.image.decoded._CHUNK_BYTES", 1)
    monkeypatch.setattr("fovea.data.image.module._CHUNK", 1)
    for path in PATHS:
        data = data_on(path, folder_of_files(), monkeypatch, val_fraction=0, batch_size=2)
        assert data.statistics[0] == pytest.approx([35 / 255] * 3)  # of 0, 10, … 70
        assert data.statistics[1] == pytest.approx([np.arange(0, 80, 10).std() / 255] * 3)


@pytest.mark.parametrize("path", PATHS)
def test_16_bit_files_are_scaled_by_the_bits_of_the_training_part(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def file(value: int) -> ImageFile:
        stream = io.BytesIO()
        Image.fromarray(np.full((4, 4), value, np.uint16)).save(stream, "PNG")
        return ImageFile(str(value), stream.getvalue())

    train = Files([file(value) for value in (0, 1000, 2000, 4095)], torch.tensor([0, 1, 0, 1]))
    test = Files([file(value) for value in (16, 60_000)], torch.tensor([0, 1]))
    arguments: dict[str, Any] = {"val_fraction": 0, "batch_size": 2, "normalize": "none"}
    for _ in range(2):  # read, and from the cache
        data = data_on(path, Splits(train, test), monkeypatch, **arguments)
        assert served_values(data.loader("train")) == [0, 62, 125, 255]
        assert served_values(data.test_dataloader()) == [1, 255]
        assert [each[0, 0, 0] for each in data.pictures(range(2))] == [1, 255]
        assert data.decoding.bits == 12
        assert data.inventory.warnings == [
            "the 16-bit images use 12 bits (highest value 4095 of 65535): scaled so that 4095 is "
            "white"
        ]


@pytest.mark.parametrize("path", PATHS)
def test_copies_are_found_however_the_data_is_held(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = folder_of_files(bad=[0])
    assert isinstance(files.train, Files)
    assert isinstance(files.test, Files)
    files.test.items[1:3] = [files.train.items[4], files.train.items[5]]
    for _ in range(2):  # read, and from the cache
        data = data_on(path, files, monkeypatch, skip_bad=True, val_fraction=0, batch_size=2)
        assert data.inventory.deviations == ["2 of 4 test images are copies of training images"]
        assert data.inventory.warnings == ["images with a copy in another class: 4"]


def test_black_pictures_are_warned_of() -> None:
    black = Splits(train=images([0, 1], torch.zeros(2, 2, 2, 1, dtype=torch.uint8)), test=None)
    data = given(Splits(black.train, TWENTY.test))
    assert data.inventory.warnings == [
        "channel 1 is 0 of 255 in every pixel of the training images"
    ]


@pytest.mark.parametrize("path", PATHS)
def test_bad_files_are_skipped_and_counted(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments: dict[str, Any] = {"val_fraction": 0, "batch_size": 2}
    broken = folder_of_files(bad=[0, 3, 9])
    data = data_on(path, broken, monkeypatch, skip_bad=True, **arguments)
    assert data.sizes == {"train": 6, "test": 3}
    assert [reason.partition(":")[0] for reason in data.skipped] == ["0.png", "3.png", "9.png"]
    with pytest.raises(DataError, match=r"0\.png: cannot be decoded"):
        data_on(path, broken, monkeypatch, **arguments)


def test_where_pixels_are_held_is_told_once_if_they_do_not_fit(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO", "fovea.data")
    said = {}
    for path in PATHS:
        caplog.clear()
        data_on(path, folder_of_files(), monkeypatch, val_fraction=0, batch_size=2)
        said[path] = [each.getMessage() for each in caplog.records if "GiB" in each.getMessage()]
    assert said == {
        "memory": [],
        "disk": ["0.00 GiB of pixels, 0.00 GiB allowed on cpu: moved there batch by batch"],
        "as needed": [
            "0.00 GiB of pixels, 0.00 GiB of memory allowed: decoded as needed in every epoch"
        ],
    }


@pytest.mark.parametrize(("limit", "kind"), [("auto", InMemoryLoader), (1e-9, HostLoader)])
def test_a_decoded_set_is_held_on_the_device_if_it_fits(limit: Any, kind: type) -> None:
    data = given(TWENTY, val_fraction=0.2, memory_limit=limit)
    device = torch.device("meta")  # stands for a GPU: it has memory of its own
    strategy = SimpleNamespace(root_device=device)
    data.trainer = SimpleNamespace(strategy=strategy, global_rank=0, world_size=1)  # pyright: ignore[reportAttributeAccessIssue]
    train, val = data.train_dataloader(), data.val_dataloader()
    assert isinstance(train, kind)
    if isinstance(train, InMemoryLoader) and isinstance(val, InMemoryLoader):
        assert train.images.pixels.device == device
        assert train.images is val.images  # one copy, whatever the split
    else:
        assert isinstance(train, HostLoader)
        assert train.images.pixels.device.type == "cpu"


def test_another_process_reads_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_on("disk", folder_of_files(), monkeypatch, val_fraction=0, batch_size=2)
    copy = pickle.loads(pickle.dumps(data))
    assert copy._parts is None
    assert copy.statistics == data.statistics


def test_what_the_source_skipped_is_counted_too() -> None:
    splits = Splits(TWENTY.train, TWENTY.test, skipped=["data.csv: row 7: not a number"])
    data = given(splits, skip_bad=True)
    assert data.skipped == ["data.csv: row 7: not a number"]
    source = data.source
    assert isinstance(source, Given)
    assert source.reads == [True]


def test_fingerprint_is_of_the_content() -> None:
    other = Splits(images([0, 1] * 10, first=1), TWENTY.test)
    assert given(TWENTY).fingerprint == given(TWENTY, val_fraction=0.2, seed=3).fingerprint
    assert given(TWENTY).fingerprint != given(other).fingerprint


def test_samples_are_named_by_row_and_content() -> None:
    first = given(TWENTY)
    names = first.samples("test")
    assert names is not None
    assert [name.rsplit(" ", 1)[0] for name in names] == ["test 0", "test 1", "test 2", "test 3"]
    larger = given(TWENTY)
    larger.serve({"in_channels": 3, "image_size": 8})  # the same samples for another network
    assert larger.samples("test") == names
    other = given(Splits(TWENTY.train, images([0, 1] * 2, first=101)))
    assert not set(names) & set(other.samples("test") or [])


def test_two_splits_share_the_samples_that_both_test() -> None:
    whole = Splits(train=images([0, 1] * 10), test=None)
    split = {"test_fraction": 0.5}
    one, other = (
        set(given(whole, split_seed=seed, **split).samples("test") or []) for seed in (0, 1)
    )
    assert len(one) == len(other) == 10
    assert 0 < len(one & other) < 10


@pytest.mark.parametrize("path", PATHS)
def test_files_are_named_by_name_and_content(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_on(
        path, folder_of_files((9,)), monkeypatch, val_fraction=0, skip_bad=True, batch_size=2
    )
    names = data.samples("test") or []
    assert [name.split()[0] for name in names] == ["8.png", "10.png", "11.png"]
    assert len({name.split()[1] for name in names}) == 3
