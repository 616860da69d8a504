"""Order of samples, shards of ranks, and batches from memory and from files."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Generator, Tensor

from fovea.augment.flip_crop import FlipCrop
from fovea.augment.none import Identity
from fovea.augment.protocol import Augmentation
from fovea.config.errors import DataError
from fovea.data.image import decoded
from fovea.data.image.fit import Decoding, decode_fitted
from fovea.data.image.loaders import Finish, HostLoader, InMemoryLoader, StreamingLoader
from fovea.data.image.source import Files, ImageFile, Images
from fovea.data.order import AUGMENTATION, EpochOrder, mixed_seed

CPU = torch.device("cpu")
DECODING = Decoding((8, 8), 3, "resize")


def order(size: int = 10, batch_size: int = 4, **changes: object) -> EpochOrder:
    arguments = {"seed": 0, "shuffle": True} | changes
    return EpochOrder(torch.arange(size), batch_size, **arguments)  # pyright: ignore[reportArgumentType]


def samples(batches: EpochOrder) -> list[int]:
    return torch.cat(list(batches)).tolist()


def finish(augment: Augmentation | None = None, **changes: object) -> Finish:
    arguments = {"mean": [0.0], "std": [1.0], "channels_last": False} | changes
    return Finish(device=CPU, augment=augment or Identity(), **arguments)  # pyright: ignore[reportArgumentType]


def pictures(count: int = 10) -> Files:
    """PNG files of several sizes, in memory; each is one colour of its own."""
    items = []
    for index in range(count):
        stream = io.BytesIO()
        Image.new("RGB", (5 + index, 9), (20 * index, 255 - index, 7)).save(stream, "PNG")
        items.append(ImageFile(f"{index}.png", stream.getvalue()))
    return Files(items, torch.arange(count))


@pytest.mark.parametrize(("size", "batch_size"), [(10, 4), (12, 4), (3, 8), (1, 8)])
def test_training_serves_every_sample_once(size: int, batch_size: int) -> None:
    batches = order(size, batch_size)
    assert sorted(samples(batches)) == list(range(size))
    assert len(list(batches)) == len(batches) == -(-size // batch_size)


def test_a_last_training_batch_of_one_is_left_out() -> None:
    batches = order(9, 4)
    assert [len(batch) for batch in batches] == [4, 4]
    assert len(batches) == 2
    assert [len(batch) for batch in order(9, 4, shuffle=False)] == [4, 4, 1]


def test_order_is_a_function_of_seed_and_epoch() -> None:
    seen = {}
    for seed in (0, 1):
        for epoch in (0, 1, 2):
            batches = order(50, 8, seed=seed)
            batches.set_epoch(epoch)
            seen[seed, epoch] = tuple(samples(batches))
    assert len(set(seen.values())) == 6
    jumped = order(50, 8, seed=1)  # as a resumed run does
    jumped.set_epoch(2)
    assert tuple(samples(jumped)) == seen[1, 2]


def test_evaluation_keeps_the_order_of_the_data() -> None:
    assert samples(order(shuffle=False)) == list(range(10))


@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.parametrize("size", [23, 24, 25, 26])
def test_training_shards_are_disjoint_and_equally_long(size: int, world_size: int) -> None:
    ranks = [order(size, 4, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert len({len(rank) for rank in ranks}) == 1
    assert all(len(list(rank)) == len(rank) for rank in ranks)
    served = [index for rank in ranks for index in samples(rank)]
    assert len(served) == len(set(served)) >= size - 2 * world_size  # trailing images at most


@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.parametrize("size", [23, 24, 25])
def test_evaluation_shards_are_complete(size: int, world_size: int) -> None:
    ranks = [
        order(size, 4, shuffle=False, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    assert sorted(index for rank in ranks for index in samples(rank)) == list(range(size))


def test_finish_normalises_on_the_unit_scale() -> None:
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1)
    batch = finish(mean=[0.2], std=[0.5])(pixels, Generator())
    torch.testing.assert_close(batch.flatten(), torch.tensor([-0.4, 0.0, 1.6]))


def test_a_grey_image_is_broadcast_to_three_channels() -> None:
    pixels = torch.full((2, 4, 4, 1), 255, dtype=torch.uint8)
    batch = finish(mean=[0.0, 0.5, 1.0], std=[1.0, 0.5, 0.25])(pixels, Generator())
    assert batch.shape == (2, 3, 4, 4)
    torch.testing.assert_close(batch[0, :, 0, 0], torch.tensor([1.0, 1.0, 0.0]))


@pytest.mark.parametrize("channels_last", [True, False])
def test_memory_format_is_the_one_asked_for(channels_last: bool) -> None:
    pixels = torch.zeros(2, 5, 5, 3, dtype=torch.uint8)
    batch = finish(mean=[0.0] * 3, std=[1.0] * 3, channels_last=channels_last)(pixels, Generator())
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert batch.is_contiguous(memory_format=layout)


@dataclass
class Drawing:
    """Replaces images by one number drawn for the batch."""

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        return torch.rand(1, generator=generator).expand(images.shape) * 255


def drawn(seed: int, epoch: int, rank: int = 0) -> list[float]:
    images = Images(torch.zeros(8, 1, 1, 1, dtype=torch.uint8), torch.arange(8))
    batches = order(8, 2, seed=seed, rank=rank, world_size=2)
    batches.set_epoch(epoch)
    loader = InMemoryLoader(images, finish(Drawing()), batches)
    return [batch[0].item() for batch, _ in loader]


def test_the_order_and_the_first_augmentation_are_of_separate_streams() -> None:
    assert mixed_seed(3, 1) == mixed_seed(3, 1, 0, 0)  # so a tag that is not 0 is needed
    assert mixed_seed(3, 1) != mixed_seed(3, 1, 0, 0, AUGMENTATION)


def test_augmentation_is_a_function_of_seed_epoch_rank_and_batch() -> None:
    assert drawn(0, 1) == drawn(0, 1)
    every = [*drawn(0, 0), *drawn(0, 1), *drawn(1, 0), *drawn(0, 0, rank=1)]
    assert len(set(every)) == len(every) == 8


@pytest.mark.parametrize(
    ("path", "workers"), [("host", 0), ("host", 2), ("files", 0), ("files", 2), ("pipes", 2)]
)
def test_every_path_gives_the_batches_that_memory_gives(
    path: str, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if path == "pipes":
        monkeypatch.setattr(decoded, "is_shared_memory_enough", lambda _: False)
    files = pictures()
    pixels, _, _ = decode_fitted(files, range(10), *DECODING, skip_bad=False)
    images = Images(pixels, files.labels)
    augmented = finish(FlipCrop(padding=2), mean=[0.1, 0.2, 0.3], std=[0.4, 0.5, 0.6])
    rows = torch.tensor([9, 0, 1, 3, 4, 5, 6, 7, 8])
    in_memory = InMemoryLoader(images, augmented, EpochOrder(rows, 4, 3, shuffle=True))
    batches = EpochOrder(rows, 4, 3, shuffle=True)
    other = (
        HostLoader(images, augmented, batches, workers=workers)
        if path == "host"
        else StreamingLoader(files, augmented, batches, DECODING, workers=workers)
    )
    assert len(in_memory) == len(other) == 2
    pairs = []
    for epoch in (0, 1):
        in_memory.set_epoch(epoch)
        other.set_epoch(epoch)
        pairs = list(zip(in_memory, other, strict=True))
        assert len(pairs) == 2
        for (expected, labels), (result, other_labels) in pairs:
            torch.testing.assert_close(result, expected, rtol=0, atol=0)
            assert other_labels.tolist() == labels.tolist()
    other.set_epoch(1, start=1)  # as a resumed run does
    assert len(other) == 2
    ((resumed, _),) = other
    torch.testing.assert_close(resumed, pairs[1][0][0], rtol=0, atol=0)


@pytest.mark.parametrize("enough", [True, False])
def test_pixels_are_in_shared_memory_only_where_there_is_enough(
    monkeypatch: pytest.MonkeyPatch, enough: bool
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(
        decoded, "is_shared_memory_enough", lambda size: bool(asked.append(size)) or enough
    )
    loader = StreamingLoader(pictures(), finish(), order(10, 5), DECODING, workers=1)
    assert [packet.pixels.is_shared() for packet in loader._loader] == [enough, enough]
    assert asked == [4 * 5 * 8 * 8 * 3]  # batches ahead, images, pixels


def test_an_epoch_on_the_host_may_be_left_early() -> None:
    images = Images(torch.zeros(100, 2, 2, 1, dtype=torch.uint8), torch.arange(100))
    loader = HostLoader(images, finish(), order(100, 2, shuffle=False), workers=2)
    others = set(threading.enumerate())  # of libraries that earlier tests have used
    batches = iter(loader)
    assert next(batches)[1].tolist() == [0, 1]
    assert set(threading.enumerate()) - others
    batches.close()
    assert not set(threading.enumerate()) - others
    assert [labels.tolist() for _, labels in loader][-1] == [98, 99]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_goes_bad_stops_the_epoch_in_one_line(workers: int) -> None:
    files = pictures(6)
    items = [*files.items[:4], ImageFile("bad/4.png", b"\x89PNG no more"), files.items[5]]
    loader = StreamingLoader(
        Files(items, files.labels), finish(), order(6), DECODING, workers=workers
    )
    with pytest.raises(DataError, match=r"^bad/4\.png: cannot be decoded[^\n]*$"):
        list(loader)


def test_decoded_colours_reach_the_batch() -> None:
    loader = StreamingLoader(pictures(3), finish(), order(3, 4, shuffle=False), DECODING, workers=0)
    ((batch, _),) = loader
    expected = np.array([[0, 255, 7], [20, 254, 7], [40, 253, 7]], np.float32) / 255
    np.testing.assert_allclose(batch[:, :, 4, 4].numpy(), expected, atol=1e-6)
