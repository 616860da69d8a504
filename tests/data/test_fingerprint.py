"""The fingerprint follows the content and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fovea.config.errors import DataError
from fovea.data.image.fingerprint import data_difference, fingerprint
from fovea.data.image.source import Files, ImageFile, Images, Splits


def images() -> Images:
    pixels = torch.arange(2 * 3 * 4, dtype=torch.uint8).view(2, 3, 4, 1)
    return Images(pixels, torch.tensor([0, 1]))


def files(*contents: Path | bytes, prefix: str = "") -> Files:
    items = [ImageFile(f"{prefix}{index}", content) for index, content in enumerate(contents)]
    return Files(items, torch.arange(len(items)))


def test_it_is_the_same_for_the_same_content_in_another_memory_layout() -> None:
    one, other = images(), images()
    strided = other.pixels.transpose(1, 2).contiguous().transpose(1, 2)
    assert not strided.is_contiguous()
    assert fingerprint(Splits(one, None)) == fingerprint(
        Splits(Images(strided, other.labels), None)
    )
    assert len(fingerprint(Splits(one, None))) == 64


def test_it_changes_with_a_pixel_a_label_a_shape_or_a_part() -> None:
    pixel, label = images(), images()
    pixel.pixels[1, 2, 3, 0] += 1
    label.labels[0] = 1
    reshaped = Images(images().pixels.view(2, 4, 3, 1), images().labels)
    splits = [Splits(part, None) for part in (images(), pixel, label, reshaped)]
    splits += [Splits(images(), images()), Splits(images(), None, images())]
    assert len({fingerprint(each) for each in splits}) == len(splits)


def test_files_count_by_their_bytes_wherever_they_lie(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"one")
    stored = fingerprint(Splits(files(tmp_path / "a.png", b"two", prefix="a"), None))
    assert stored == fingerprint(Splits(files(b"one", b"two", prefix="b"), None))
    others = [files(b"two", b"one"), files(b"onet", b"wo"), files(b"one"), files(b"one", b"twp")]
    assert stored not in {fingerprint(Splits(other, None)) for other in others}


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^0: No such file"):
        fingerprint(Splits(files(tmp_path / "gone.png"), None))


def test_files_of_equal_bytes_are_found_across_parts() -> None:
    twins: dict[int, int] = {}
    splits = Splits(files(b"a", b"b", b"a"), files(b"b", b"c"), files(b"c", b"a"))
    assert fingerprint(splits, twins) == fingerprint(splits)
    assert twins == {2: 0, 4: 0, 5: 1, 6: 3}  # train, val and test follow one another


def test_data_differs_in_content_or_in_the_names_of_classes() -> None:
    recorded = {"fingerprint": "f" * 64, "classes": ["ant", "bee", "cat"]}
    assert data_difference(recorded, "f" * 64, ("ant", "bee", "cat")) == ""
    assert data_difference(recorded, "0" * 64, ("ant", "bee", "cat")) == (
        "its fingerprint was ffffffffffff and is 000000000000"
    )
    assert data_difference(recorded, "f" * 64, ("ant", "wasp", "cat")) == (
        "its classes were … bee, cat and are … wasp, cat"
    )
    assert data_difference(recorded, "f" * 64, ("bee", "ant", "cat")) == (
        "its classes were ant, bee, cat and are bee, ant, cat"
    )


def test_composed_and_decomposed_names_do_not_differ() -> None:
    assert data_difference({"classes": ["A\u0308pfel", "b"]}, "f", ("\u00c4pfel", "b")) == ""


def test_what_a_record_does_not_say_is_not_compared() -> None:
    assert data_difference({}, "f", ("a", "b")) == ""
