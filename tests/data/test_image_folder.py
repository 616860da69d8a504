"""Folders of images: layouts, what is ignored, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fovea.config.errors import DataError
from fovea.data.image.decode import decode
from fovea.data.image.source import Files, Spec
from fovea.data.sources.image_folder import ImageFolder

PICTURE = np.zeros((2, 3), np.uint8)


@pytest.fixture
def write(tmp_path: Path, encode: Callable[..., bytes]) -> Callable[..., Path]:
    """Write the same small picture under every given name in ``pets``; ``…/`` is a folder."""

    def write(*names: str) -> Path:
        for name in names:
            path = tmp_path / "pets" / name
            (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
            if not name.endswith("/"):
                path.write_bytes(encode(PICTURE))
        return tmp_path

    return write


def names(part: Any) -> list[str]:
    assert isinstance(part, Files)
    return [file.name for file in part.items]


def test_classes_alone_are_the_training_part(write: Callable[..., Path]) -> None:
    root = write("dog/b.png", "cat/2.JPG", "cat/10.webp", "cat/more/c.png")
    source = ImageFolder("pets")
    assert source.spec(root) == Spec(("cat", "dog"), channels=3, image_size=None)
    splits = source.read(root, skip_bad=False)
    assert (splits.test, splits.val) == (None, None)
    assert names(splits.train) == [
        "pets/cat/10.webp",
        "pets/cat/2.JPG",
        "pets/cat/more/c.png",
        "pets/dog/b.png",
    ]
    assert splits.train.labels.tolist() == [0, 0, 0, 1]
    assert isinstance(splits.train, Files)
    assert decode(splits.train.items[0], 1).size == (3, 2)


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_parts_have_the_labels_of_training(write: Callable[..., Path], validation: str) -> None:
    root = write("train/a/1.png", "train/b/1.png", f"{validation}/b/1.png", "test/b/1.png")
    splits = ImageFolder("pets").read(root, skip_bad=False)
    assert names(splits.val) == [f"pets/{validation}/b/1.png"]
    assert splits.val is not None
    assert splits.test is not None
    assert splits.val.labels.tolist() == splits.test.labels.tolist() == [1]


def test_an_absolute_folder_needs_no_root(write: Callable[..., Path], tmp_path: Path) -> None:
    root = write("a/1.png", "b/1.png")
    splits = ImageFolder(str(root / "pets")).read(tmp_path / "elsewhere", skip_bad=False)
    assert names(splits.train) == [f"{root}/pets/a/1.png", f"{root}/pets/b/1.png"]


def test_junk_is_ignored(write: Callable[..., Path]) -> None:
    root = write(
        "a/1.png", "a/.hidden.png", "a/.cache/2.png", "a/notes.txt", "a/Thumbs.db", ".git/x.png",
        "__MACOSX/a.png", "b/1.png", "b/@eaDir/1.png/SYNOPHOTO_THUMB_M.jpg", "@eaDir/a.png",
    )  # fmt: skip
    for name in ("a/notes.txt", "a/Thumbs.db"):
        (root / "pets" / name).write_bytes(b"no picture")
    assert ImageFolder("pets").spec(root).classes == ("a", "b")
    splits = ImageFolder("pets").read(root, skip_bad=False)
    assert names(splits.train) == ["pets/a/1.png", "pets/b/1.png"]
    assert splits.notes == [
        "pets: 2 files used; ignored: 3 hidden, 2 in @eaDir, 1 in __MACOSX, 1 .db, 1 .txt"
    ]


def test_files_are_left_out_by_pattern(write: Callable[..., Path]) -> None:
    root = write("a/1.png", "a/1_mask.png", "a/thumbs/1.png", "b/1.png", "b/1_mask.png")
    splits = ImageFolder("pets", exclude=["*_mask.png", "thumbs/*"]).read(root, skip_bad=False)
    assert names(splits.train) == ["pets/a/1.png", "pets/b/1.png"]
    assert splits.notes == ["pets: 2 files used; ignored: 3 excluded"]
    with pytest.raises(DataError, match=r"pets/a: no images .* in this class"):
        ImageFolder("pets", exclude=["*"]).read(root, skip_bad=False)


def test_links_that_lead_out_of_the_root_are_counted(
    write: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = write("a/1.png", "b/1.png", "kept/2.png")
    store = tmp_path_factory.mktemp("store")
    (root / "pets" / "kept").rename(root / "kept")
    (store / "day").mkdir()
    (root / "kept" / "2.png").rename(store / "day" / "2.png")
    (root / "pets" / "a" / "day").symlink_to(store / "day")
    (root / "pets" / "b" / "3.png").symlink_to(root / "pets" / "a" / "1.png")
    (root / "pets" / "b" / "gone.png").symlink_to(root / "gone.png")
    splits = ImageFolder("pets").read(root, skip_bad=False)
    assert names(splits.train) == [
        "pets/a/1.png",
        "pets/a/day/2.png",
        "pets/b/1.png",
        "pets/b/3.png",
    ]
    assert splits.notes == [
        "pets: 4 files used, 2 of them through links (1 leads out of the data root); "
        "ignored: 1 broken links"
    ]


def test_a_name_that_is_no_text_is_shown_with_escapes(write: Callable[..., Path]) -> None:
    root = write("a/1.png", "b/1.png")
    (root / "pets" / "a").rename(root / "pets" / os.fsdecode(b"a\xff"))
    splits = ImageFolder("pets").read(root, skip_bad=False)
    assert ImageFolder("pets").spec(root).classes == ("a\\udcff", "b")
    assert names(splits.train) == ["pets/a\\udcff/1.png", "pets/b/1.png"]
    assert isinstance(splits.train, Files)
    assert decode(splits.train.items[0], 1).size == (3, 2)


def test_composed_and_decomposed_names_are_one_class(write: Callable[..., Path]) -> None:
    decomposed, composed = "A\u0308pfel", "\u00c4pfel"
    root = write(f"train/{decomposed}/1.png", "train/Birnen/1.png", f"test/{composed}/1.png")
    splits = ImageFolder("pets").read(root, skip_bad=False)
    assert ImageFolder("pets").spec(root).classes == ("Birnen", composed)
    assert splits.test is not None
    assert splits.test.labels.tolist() == [1]
    with pytest.raises(DataError, match=f"two folders are called '{composed}', in composed and"):
        ImageFolder("pets").spec(write(f"train/{composed}/1.png"))


@pytest.mark.parametrize(
    ("present", "message"),
    [
        (["a/1.png", "b/"], r"pets/b: no images \(\.avif .*\) in this class"),
        (["train/a/1.png", "train/b/1.png", "test/a/"], r"pets/test/a: no images"),
        (["train/a/1.png", "test/b/1.png"], r"pets/test: class 'b' has no folder in the training"),
        (["train/a/1.png", "val/b/1.png"], r"pets/val: class 'b' has no folder in the training"),
        ([], r"pets: no such folder \(looked for <class>/<image> files\); put the files there"),
    ],
)
def test_what_is_refused(write: Callable[..., Path], present: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ImageFolder("pets").read(write(*present), skip_bad=True)


def test_a_read_only_root_is_enough(
    write: Callable[..., Path], read_only: Callable[[Path], None]
) -> None:
    root = write("a/1.png", "b/1.png")
    read_only(root)
    assert len(ImageFolder("pets").read(root, skip_bad=False).train) == 2
