"""Fitting images to a network's size and channels, by hand."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from fovea.config.errors import DataError
from fovea.data.image.fit import FitMode, decode_fitted, fit_images
from fovea.data.image.source import Files, ImageFile


def image_file(pixels: np.ndarray, name: str = "image.png") -> ImageFile:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return ImageFile(name, stream.getvalue())


def files(*items: ImageFile) -> Files:
    return Files(list(items), torch.arange(len(items)))


def alone(pixels: np.ndarray, size: int, mode: FitMode) -> torch.Tensor:
    decoded, kept, skipped = decode_fitted(
        files(image_file(pixels)), [0], (size, size), 3, mode, skip_bad=False
    )
    assert (kept, skipped) == ([0], [])
    return decoded


def test_an_image_of_the_right_size_is_untouched() -> None:
    pixels = torch.arange(16, dtype=torch.uint8).view(1, 4, 4, 1)
    for mode in ("pad", "resize", "crop"):
        assert fit_images(pixels, (4, 4), 1, mode).equal(pixels)


def test_pad_centres_on_zeros() -> None:
    pixels = torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8).view(1, 2, 2, 1)
    even = fit_images(pixels, (4, 4), 1, "pad").view(4, 4)
    assert even.tolist() == [[0, 0, 0, 0], [0, 1, 2, 0], [0, 3, 4, 0], [0, 0, 0, 0]]
    odd = fit_images(pixels, (3, 3), 1, "pad").view(3, 3)  # the odd margin is right and below
    assert odd.tolist() == [[1, 2, 0], [3, 4, 0], [0, 0, 0]]


def test_pad_resizes_what_is_too_large() -> None:
    pixels = torch.full((1, 8, 8, 1), 9, dtype=torch.uint8)
    assert fit_images(pixels, (4, 4), 1, "pad").unique().tolist() == [9]


def test_resize_of_a_step_to_half_the_size() -> None:
    # The antialiasing triangle spans four inputs, weighed 1 3 3 1 (2 3 2 and 3 3 1 at the border).
    row = torch.tensor([0, 0, 0, 0, 70, 70, 70, 70], dtype=torch.uint8)
    pixels = row.view(1, 1, 8, 1).expand(1, 8, 8, 1)
    halved = fit_images(pixels, (4, 4), 1, "resize").view(4, 4)
    assert halved[0].tolist() == [0, 9, 61, 70]  # 70/8 = 8.75 and 7 · 70/8 = 61.25
    assert all(line.equal(halved[0]) for line in halved)


def test_resize_does_not_keep_the_aspect_ratio_and_crop_does() -> None:
    pixels = torch.zeros(1, 4, 8, 1, dtype=torch.uint8)
    pixels[:, :, :2] = 100
    pixels[:, :, 6:] = 200
    assert fit_images(pixels, (4, 4), 1, "crop").unique().tolist() == [0]  # the middle four columns
    resized = fit_images(pixels, (4, 4), 1, "resize")[0, 0, :, 0].tolist()
    assert resized[0] > 50
    assert resized[3] > 100


def test_rgb_becomes_grey_by_luma() -> None:
    colours = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]], dtype=torch.uint8)
    grey = fit_images(colours.view(4, 1, 1, 3), (1, 1), 1, "resize")
    assert grey.flatten().tolist() == [76, 150, 29, 9]


def test_grey_stays_one_channel_for_three() -> None:
    pixels = torch.full((2, 4, 4, 1), 5, dtype=torch.uint8)
    assert fit_images(pixels, (4, 4), 3, "resize").shape == (2, 4, 4, 1)


@pytest.mark.parametrize("mode", ["pad", "resize", "crop"])
@pytest.mark.parametrize(("height", "width"), [(6, 6), (5, 9), (9, 5), (40, 20), (12, 12)])
def test_files_of_any_size_become_square(mode: FitMode, height: int, width: int) -> None:
    pixels = np.full((height, width, 3), 80, np.uint8)
    decoded = alone(pixels, 12, mode)
    assert decoded.shape == (1, 12, 12, 3)
    assert decoded.dtype == torch.uint8
    assert decoded[0, 6, 6].tolist() == [80, 80, 80]


def test_files_and_arrays_are_padded_and_cropped_alike() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 10, 3), np.uint8)
    for mode, size in (("pad", 12), ("pad", 13), ("crop", 6)):
        decoded = alone(pixels, size, mode)
        assert decoded.equal(fit_images(torch.from_numpy(pixels)[None], (size, size), 3, mode))


def test_pad_keeps_the_aspect_ratio_of_what_is_too_large() -> None:
    pixels = np.full((10, 20, 3), 80, np.uint8)
    for fitted in (
        alone(pixels, 10, "pad"),
        fit_images(torch.tensor(pixels[None]), (10, 10), 3, "pad"),
    ):
        assert fitted[0, :, 5, 0].tolist() == [0, 0, 80, 80, 80, 80, 80, 0, 0, 0]


def by_hand(
    image: NDArray[np.uint8], size: tuple[int, int], window: tuple[float, float]
) -> NDArray[np.float64]:
    """Resize the centred window of an image ``(H, W)`` bilinearly, with antialiasing."""
    matrices = []
    for side, part, outputs in zip(image.shape, map(float, window), size, strict=True):
        scale = part / outputs
        centres = (side - part) / 2 + (np.arange(outputs) + 0.5) * scale
        distances = np.abs(np.arange(side) + 0.5 - centres[:, None]) / max(scale, 1)
        triangle = np.maximum(0, 1 - distances)
        matrices.append(triangle / triangle.sum(axis=1, keepdims=True))
    rows, columns = matrices
    return rows @ image @ columns.T


SIZES = st.tuples(st.integers(1, 20), st.integers(1, 20))


@pytest.mark.parametrize("held", [True, False])
@settings(max_examples=100, deadline=None)
@given(SIZES, SIZES, st.integers(0, 2**32 - 1))
def test_any_size_is_fitted_to_any_other(
    held: bool, given: tuple[int, int], size: tuple[int, int], seed: int
) -> None:
    image = np.random.default_rng(seed).integers(1, 256, given, np.uint8)

    def fitted(mode: FitMode) -> NDArray[np.float64]:
        if held:
            pixels = fit_images(torch.tensor(image[None, :, :, None]), size, 1, mode)
        else:
            one = files(image_file(image))
            pixels, *_ = decode_fitted(one, [0], size, 1, mode, skip_bad=False)
        assert pixels.shape == (1, *size, 1)
        return pixels[0, :, :, 0].numpy().astype(float)

    level = 1.01  # Pillow rounds to levels twice, torch once
    np.testing.assert_allclose(fitted("resize"), by_hand(image, size, given), atol=level)

    ratio = min(Fraction(given[0], size[0]), Fraction(given[1], size[1]))
    window: Any = [ratio * side for side in size]  # the largest of the shape asked for
    cut = image
    if held:  # of whole pixels
        window = [max(1, round(side)) for side in window]
        (top, height), (left, width) = (
            ((side - part) // 2, part) for side, part in zip(given, window, strict=True)
        )
        cut = image[top : top + height, left : left + width]
    np.testing.assert_allclose(fitted("crop"), by_hand(cut, size, window), atol=level)

    padded = fitted("pad")
    inside = [slice(each.min(), each.max() + 1) for each in np.nonzero(padded)]
    sides = [each.stop - each.start for each in inside]
    factor = min(1, size[0] / given[0], size[1] / given[1])
    for each, side, whole, outer in zip(inside, sides, given, size, strict=True):
        assert side == 1 or abs(side - factor * whole) < 0.51
        assert each.start == (outer - side) // 2
    expected = np.zeros(size)
    expected[tuple(inside)] = by_hand(image, (sides[0], sides[1]), given)
    np.testing.assert_allclose(padded, expected, atol=level)


@pytest.mark.parametrize("mode", ["pad", "resize", "crop"])
@pytest.mark.parametrize(("height", "width"), [(3, 600), (600, 3), (1, 5000)])
def test_the_thinnest_image_is_not_lost(mode: FitMode, height: int, width: int) -> None:
    pixels = alone(np.full((height, width, 3), 255, np.uint8), 16, mode)
    assert pixels.amax() == 255
    assert pixels.count_nonzero() == 3 * 16 * (1 if mode == "pad" else 16)


def test_a_bad_file_is_named_or_skipped_and_counted() -> None:
    good = image_file(np.zeros((4, 4), np.uint8))
    bad = ImageFile("cats/17.png", good.read()[:40])
    with pytest.raises(DataError, match=r"cats/17\.png: cannot be decoded .* data\.skip_bad=true"):
        decode_fitted(files(good, bad), [0, 1], (4, 4), 1, "resize", skip_bad=False)
    four = files(bad, good, bad, good)
    pixels, kept, skipped = decode_fitted(four, range(4), (4, 4), 1, "resize", skip_bad=True)
    assert len(pixels) == 2
    assert kept == [1, 3]
    assert len(skipped) == 2
    assert skipped[0].startswith("cats/17.png: ")


def test_only_the_files_asked_for_are_decoded() -> None:
    items = [image_file(np.full((4, 4), value, np.uint8)) for value in (10, 20, 30)]
    pixels, kept, _ = decode_fitted(files(*items), [2, 0], (4, 4), 1, "resize", skip_bad=False)
    assert kept == [2, 0]
    assert pixels[:, 0, 0, 0].tolist() == [30, 10]
