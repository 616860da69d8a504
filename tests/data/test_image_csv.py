"""A CSV file that names images and classes: what it is read as, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fovea.config.errors import ConfigError, DataError
from fovea.data.image.module import ImageData
from fovea.data.image.source import Files, Spec
from fovea.data.sources.image_csv import ImageCsv

ROWS = "image,label\na.png,cat\nb.png,dog\nc.png,cat\n"


@pytest.fixture
def write(tmp_path: Path, encode: Callable[..., bytes]) -> Callable[..., Path]:
    """Write a CSV, and under every name a picture of its own, below ``pets``."""

    def write(text: str, *pictures: str, file: str = "list.csv") -> Path:
        path = tmp_path / "pets" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for number, name in enumerate(pictures):
            picture = tmp_path / "pets" / name
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.write_bytes(encode(np.full((2, 3), number % 256, np.uint8)))
        return tmp_path

    return write


def names(part: Any) -> list[str]:
    assert isinstance(part, Files)
    return [file.name for file in part.items]


def test_names_and_labels_are_read(write: Callable[..., Path]) -> None:
    root = write(ROWS, "a.png", "b.png", "c.png")
    source = ImageCsv("pets/list.csv")
    assert source.spec(root) == Spec(("cat", "dog"), channels=3, image_size=None)
    splits = source.read(root, skip_bad=False)
    assert names(splits.train) == ["pets/a.png", "pets/b.png", "pets/c.png"]
    assert splits.train.labels.tolist() == [0, 1, 0]
    assert (splits.val, splits.test, splits.train.groups) == (None, None, None)


def test_each_part_has_a_file_and_a_folder_of_its_own(write: Callable[..., Path]) -> None:
    rows = "Name;ImageId\n'x';0\n".replace("'", '"')
    write(rows, "Test/Images/0.jpg", file="Test/test.csv")
    root = write(rows + "y;1\n", "Train/Images/0.jpg", "Train/Images/1.jpg", file="Train/train.csv")
    source = ImageCsv(
        "pets/Train/train.csv", test_file="pets/Test/test.csv", images="Images", image="ImageId",
        label="Name", suffix=".jpg", delimiter=";",
    )  # fmt: skip
    splits = source.read(root, skip_bad=False)
    assert names(splits.train) == ["pets/Train/Images/0.jpg", "pets/Train/Images/1.jpg"]
    assert names(splits.test) == ["pets/Test/Images/0.jpg"]
    assert splits.test is not None
    assert splits.test.labels.tolist() == [0]


def test_a_column_may_say_the_part(write: Callable[..., Path]) -> None:
    root = write(
        "image,label,split\na.png,u,train\nb.png,v,Training\nc.png,u,TEST\n",
        "a.png",
        "b.png",
        "c.png",
    )
    splits = ImageCsv("pets/list.csv", part="split").read(root, skip_bad=False)
    assert (names(splits.train), names(splits.test)) == (
        ["pets/a.png", "pets/b.png"],
        ["pets/c.png"],
    )


def test_groups_are_never_split(write: Callable[..., Path]) -> None:
    """Twenty patients of four pictures, of either class."""
    every = [(f"{p}_{n}.png", f"{'cd'[p % 2]}", f"p{p}") for p in range(20) for n in range(4)]
    text = "image,label,patient\n" + "".join(f"{','.join(row)}\n" for row in every)
    root = write(text, *(name for name, _, _ in every))
    source = ImageCsv("pets/list.csv", group="patient")
    for options in ({}, {"folds": 4, "fold": 3}):
        data = ImageData(source, str(root), image_size=4, batch_size=8, workers=0, **options)
        data.setup()
        found = {}
        for part in ("train", "val", "test"):
            told = data.samples(part)
            assert told is not None
            found[part] = {each.split("_")[0] for each in told}
        assert found["train"] | found["val"] | found["test"] == {f"pets/{p}" for p in range(20)}
        assert len(found["train"]) + len(found["val"]) + len(found["test"]) == 20
        assert sum(data.sizes.values()) == 80
        assert data.sizes["test"] == (20 if options else 16)
        assert any("in whole groups" in note for note in data.found.notes)
    few = ImageData(source, str(root), image_size=4, batch_size=8, workers=0, folds=21)
    with pytest.raises(DataError, match=r"data\.folds=21: needs 21 groups, and there are 20"):
        few.setup()


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        (ROWS, {"image": "file"}, ":1: no column 'file' (there are: image, label)"),
        ("image,label\na.png\n", {}, ":2: 1 fields, and the header has 2"),
        ("image,label\na.png, \n", {}, ":2: no label"),
        ("image,label\nz.png,cat\n", {}, ":2: no image 'pets/z.png'; set data.source.images to"),
        ("image,label\na\0.png,cat\n", {}, ":2: no image 'pets/a"),
        ("image,label\n../secret.png,cat\n", {}, ":2: '../secret.png' leads out of the folder"),
        ("image,label,part\na.png,cat,new\n", {"part": "part"}, ":2: part 'new' is not train, val"),
        ("image,label\n", {}, ": no row of the train part"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    write: Callable[..., Path], text: str, options: dict[str, Any], reason: str
) -> None:
    root = write(text, "a.png", "../secret.png")
    with pytest.raises(DataError) as refusal:
        ImageCsv("pets/list.csv", **options).read(root, skip_bad=False)
    assert f"list.csv{reason}" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_class_of_the_test_part_alone_is_refused(write: Callable[..., Path]) -> None:
    write("image,label\na.png,cow\n", "a.png", file="test.csv")
    root = write("image,label\na.png,cat\n", "a.png")
    source = ImageCsv("pets/list.csv", test_file="pets/test.csv")
    with pytest.raises(DataError, match=r"test\.csv:2: class 'cow' is in no training row"):
        source.read(root, skip_bad=False)
    with pytest.raises(ConfigError, match="should be one character"):
        ImageCsv("list.csv", delimiter="")
