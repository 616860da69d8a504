"""Augmentations: exact pixels, the ranges drawn from, and what every one of them promises."""

from __future__ import annotations

from dataclasses import replace
from math import cos, radians, sin
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from fovea.augment.flip_crop import FlipCrop
from fovea.augment.geometric import Geometric, affine_matrix
from fovea.augment.none import Identity
from fovea.augment.protocol import Augmentation
from fovea.config.errors import ConfigError

STILL = Geometric(rotation=0, shift=0, shear=0, zoom=0, flip=0)


def batch(n: int = 6, channels: int = 3, size: tuple[int, int] = (8, 10)) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(256, (n, channels, *size), generator=generator, dtype=torch.uint8)
    return images.contiguous(memory_format=torch.channels_last)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "augmentation", [Identity(), FlipCrop(), FlipCrop(padding_mode="reflect"), Geometric()]
)
def test_promises(augmentation: Augmentation, channels: int, dtype: torch.dtype) -> None:
    images = batch(channels=channels).to(dtype)
    before = images.clone()
    result = augmentation(images, seeded())
    assert torch.equal(images, before)
    assert result.shape == images.shape
    assert result.dtype in (images.dtype, torch.float32)
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert result.min() >= 0
    assert result.max() <= 255
    assert torch.equal(result, augmentation(images, seeded()))
    if not isinstance(augmentation, Identity):
        assert not torch.equal(result, augmentation(images, seeded(1)))


def test_identity_draws_nothing() -> None:
    images, generator = batch(), seeded()
    state = generator.get_state()
    assert Identity()(images, generator) is images
    assert torch.equal(generator.get_state(), state)


@pytest.mark.parametrize("mode", ["constant", "reflect"])
def test_every_crop_is_a_window_of_the_padded_image(
    mode: Literal["constant", "reflect"],
) -> None:
    images = batch(n=64, size=(5, 7))
    p = 2
    crops = FlipCrop(padding=p, padding_mode=mode, flip=0)(images, seeded())
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (p, p), (p, p)), mode=mode)
    offsets = set()
    for crop, image in zip(crops.numpy(), padded, strict=True):
        found = [
            (top, left)
            for top in range(2 * p + 1)
            for left in range(2 * p + 1)
            if np.array_equal(image[:, top : top + 5, left : left + 7], crop)
        ]
        assert len(found) == 1
        offsets.update(found)
    assert {top for top, _ in offsets} == {left for _, left in offsets} == set(range(2 * p + 1))


def test_flips_are_per_sample_and_as_frequent_as_asked() -> None:
    images = batch(n=1, size=(4, 4)).expand(1000, -1, -1, -1)
    result = FlipCrop(padding=0, flip=0.25)(images, seeded())
    flipped = (result == images.flip(3)).all(dim=(1, 2, 3))
    assert ((result == images).all(dim=(1, 2, 3)) ^ flipped).all()
    assert flipped.float().mean().item() == pytest.approx(0.25, abs=0.04)  # 3 standard errors


def test_reflection_needs_larger_images() -> None:
    with pytest.raises(ConfigError, match=r"augment\.padding=4: 4×9 images.*below 4"):
        FlipCrop(padding_mode="reflect")(batch(size=(4, 9)), seeded())


def test_geometric_at_rest_is_the_identity() -> None:
    images = batch()
    torch.testing.assert_close(STILL(images, seeded()), images.float(), atol=1e-3, rtol=0)


def test_geometric_flip() -> None:
    images = batch()
    flipped = replace(STILL, flip=1)(images, seeded())
    torch.testing.assert_close(flipped, images.flip(3).float(), atol=1e-3, rtol=0)


def only(quantity: str, value: float) -> Tensor:
    """Return the matrix of one sample in which nothing but ``quantity`` is not at rest."""
    at_rest = {
        "rotation": 0.0,
        "shear": 0.0,
        "shift_x": 0.0,
        "shift_y": 0.0,
        "zoom_x": 1.0,
        "zoom_y": 1.0,
    }
    values = at_rest | {quantity: value}
    return affine_matrix(**{name: torch.tensor([number]) for name, number in values.items()})[0]


@pytest.mark.parametrize(
    ("quantity", "value", "expected"),
    [
        ("rotation", radians(90), [[0, -1, 0], [1, 0, 0]]),
        ("shear", radians(30), [[1, -0.5, 0], [0, 3**0.5 / 2, 0]]),
        ("shift_x", 3.0, [[1, 0, 3], [0, 1, 0]]),
        ("shift_y", 3.0, [[1, 0, 0], [0, 1, 3]]),
        ("zoom_x", 1.2, [[1.2, 0, 0], [0, 1, 0]]),
        ("zoom_y", 1.2, [[1, 0, 0], [0, 1.2, 0]]),
    ],
)
def test_affine_matrix_of_one_quantity(quantity: str, value: float, expected: list) -> None:
    torch.testing.assert_close(only(quantity, value), torch.tensor(expected, dtype=torch.float32))


def keras_matrix(
    rotation: float, shear: float, shift_x: float, shift_y: float, zoom_x: float, zoom_y: float
) -> np.ndarray:
    rotate = [[cos(rotation), -sin(rotation), 0], [sin(rotation), cos(rotation), 0], [0, 0, 1]]
    move = [[1, 0, shift_x], [0, 1, shift_y], [0, 0, 1]]
    tilt = [[1, -sin(shear), 0], [0, cos(shear), 0], [0, 0, 1]]
    scale = np.diag([zoom_x, zoom_y, 1])
    return np.array(rotate) @ np.array(move) @ np.array(tilt) @ scale


def test_affine_matrix_composes_as_keras() -> None:
    values = np.random.default_rng(0).uniform(-2, 2, (6, 5))
    names = ("rotation", "shear", "shift_x", "shift_y", "zoom_x", "zoom_y")
    ours = affine_matrix(**{n: torch.tensor(v) for n, v in zip(names, values, strict=True)})
    theirs = [keras_matrix(*sample)[:2] for sample in values.T]
    np.testing.assert_allclose(ours.numpy(), np.stack(theirs), atol=1e-12)


def warp(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Sample ``(C, H, W)`` bilinearly at matrix · (x, y, 1), the nearest pixel outside."""
    _, H, W = image.shape
    result = np.empty(image.shape)
    centre_x, centre_y = (W - 1) / 2, (H - 1) / 2
    for y in range(H):
        for x in range(W):
            source_x, source_y, _ = matrix @ (x - centre_x, y - centre_y, 1)
            source_x = np.clip(source_x + centre_x, 0, W - 1)
            source_y = np.clip(source_y + centre_y, 0, H - 1)
            left, top = int(source_x), int(source_y)
            right, bottom = min(left + 1, W - 1), min(top + 1, H - 1)
            dx, dy = source_x - left, source_y - top
            upper = (1 - dx) * image[:, top, left] + dx * image[:, top, right]
            lower = (1 - dx) * image[:, bottom, left] + dx * image[:, bottom, right]
            result[:, y, x] = (1 - dy) * upper + dy * lower
    return result


def test_geometric_equals_a_pixel_by_pixel_warp() -> None:
    augmentation = Geometric(rotation=40, shift=0.2, shear=20, zoom=0.2, flip=0.5)
    images = batch(n=8, size=(8, 10))
    rotation, shear, shift_x, shift_y, zoom_x, zoom_y, flip = torch.rand(
        7, 8, generator=seeded()
    ).numpy()
    expected = []
    for i, image in enumerate(images.numpy().astype(float)):
        matrix = keras_matrix(
            radians(40) * (2 * rotation[i] - 1),
            radians(20) * (2 * shear[i] - 1),
            0.2 * 10 * (2 * shift_x[i] - 1),
            0.2 * 8 * (2 * shift_y[i] - 1),
            0.8 + 0.4 * zoom_x[i],
            0.8 + 0.4 * zoom_y[i],
        )
        warped = warp(image, matrix)
        expected.append(warped[:, :, ::-1] if flip[i] < 0.5 else warped)
    assert 0 < (flip < 0.5).sum() < 8
    result = augmentation(images, seeded()).numpy()
    np.testing.assert_allclose(result, np.stack(expected), atol=0.02)


def largest(*size: int, **_: object) -> Tensor:
    """Stand in for ``torch.rand`` where every draw is to be the largest."""
    return torch.ones(*size)


def test_rotation_by_90_degrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand", largest)
    images = batch(size=(8, 8))
    turned = replace(STILL, rotation=90)(images, seeded())
    expected = images.rot90(dims=(2, 3)).float()
    torch.testing.assert_close(turned, expected, atol=1e-3, rtol=0)


def test_shift_by_whole_pixels_repeats_the_border(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand", largest)
    images = batch(size=(8, 12))
    shifted = replace(STILL, shift=0.25)(images, seeded())
    rows, columns = [*range(2, 8), 7, 7], [*range(3, 12), 11, 11, 11]
    expected = images[:, :, rows][..., columns].float()
    torch.testing.assert_close(shifted, expected, atol=1e-3, rtol=0)
