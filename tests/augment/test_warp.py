"""Joint augmentation: image and mask move as one, and labels stay labels."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from fovea.augment.joint import IGNORED
from fovea.augment.warp import Warp
from fovea.config.errors import ConfigError

H, W = 24, 30


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def ramp(axis: int, samples: int = 6) -> Tensor:
    """Pictures whose value is the number of the row (2) or the column (3)."""
    numbers = torch.arange((H, W)[axis - 2], dtype=torch.float32)
    shape = [1, 1, 1, 1]
    shape[axis] = -1
    return numbers.view(shape).expand(samples, 1, H, W).clone()


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize(
    "warp",
    [
        Warp(flip=0.5, flip_vertical=0.5),
        Warp(rotation=30),
        Warp(scale=(0.5, 2.0)),
        Warp(crop=(10, 13), scale=(0.8, 1.5)),
        Warp(elastic=10),
        Warp(rotation=180, scale=(0.5, 2.0), crop=(40, 20), elastic=3, flip_vertical=1),
    ],
)
def test_a_picture_that_is_its_own_mask_stays_within_half_a_pixel_of_it(
    warp: Warp, axis: int
) -> None:
    # Bilinear gives a ramp the very point that is sampled, the nearest pixel its rounded number.
    image, mask = warp.together(ramp(axis), ramp(axis), seeded())
    assert (image - mask).abs().max() <= 0.5 + 1e-3
    assert torch.equal(mask, mask.round())
    assert image.shape[2:] == (warp.crop or (H, W))


def test_flips_and_crops_without_scale_take_whole_pixels() -> None:
    images = torch.randint(256, (8, 3, H, W), generator=seeded(), dtype=torch.uint8)
    moved, masks = Warp(flip_vertical=0.5, crop=(9, 12)).together(images, images.float(), seeded())
    torch.testing.assert_close(moved, masks, atol=1e-2, rtol=0)
    flipped = Warp(flip=1)(images, seeded())
    torch.testing.assert_close(flipped, images.flip(3).float(), atol=1e-2, rtol=0)
    windows = images.float().unfold(2, 9, 1).unfold(3, 12, 1).flatten(2, 3)
    plain = Warp(flip=0, crop=(9, 12))(images, seeded())
    places = set()
    for crop, choices in zip(plain, windows, strict=True):
        near = ((choices - crop[:, None]).abs().amax((0, 2, 3)) < 1e-2).nonzero().flatten().tolist()
        assert len(near) == 1
        places |= set(near)
    assert len(places) > 4


def test_labels_and_weights_are_never_mixed() -> None:
    labels = torch.tensor([0.0, 3.0, float(IGNORED)])[torch.randint(3, (4, 1, H, W))]
    weights = torch.tensor([1.0, 10.5])[torch.randint(2, (4, 1, H, W))]
    warp = Warp(rotation=45, scale=(0.7, 1.4), elastic=5)
    _, moved = warp.together(torch.zeros(4, 3, H, W), torch.cat([labels, weights], 1), seeded())
    assert set(moved[:, 0].unique().tolist()) <= {0.0, 3.0, float(IGNORED)}
    assert set(moved[:, 1].unique().tolist()) <= {1.0, 10.5}


def test_every_sample_draws_its_own_and_the_seed_decides() -> None:
    images = ramp(3)
    warp = Warp(rotation=20, elastic=4)
    first, _ = warp.together(images, images, seeded(1))
    again = warp(images, seeded(1))
    other = warp(images, seeded(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])
    assert torch.equal(images, ramp(3))


def test_elastic_displacements_have_the_deviation_that_is_asked_for() -> None:
    # The corners are points of the coarse grid; away from borders nothing is mirrored.
    wide = torch.arange(400, dtype=torch.float32).expand(512, 1, 60, 400)
    crop = Warp(flip=0, elastic=10, crop=(60, 200))
    moved = crop(wide, seeded())
    plain = Warp(flip=0, crop=(60, 200))(wide, seeded())
    shift = (moved - plain)[:, 0, 0, 0]
    assert shift.std().item() == pytest.approx(10, rel=0.1)
    assert shift.mean().item() == pytest.approx(0, abs=1.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": [2.0, 1.0]}, r"augment.scale=\[2.0, 1.0\]: should be two factors"),
        ({"scale": [1.0]}, "augment.scale"),
    ],
)
def test_what_is_no_pair_is_refused(arguments: dict[str, list[float]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Warp(**arguments)  # pyright: ignore[reportArgumentType]
