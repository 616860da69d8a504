"""Which files below a folder are images, and what is left out and counted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fovea.data.sources.image_files import class_name, find_beside, find_images, shown

PICTURE = np.zeros((2, 3), np.uint8)


def found(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in find_images(folder).images]


@pytest.mark.parametrize(
    "name", ["1.jfif", "1.jpe", "1.JPG", "1.PNG", "1.pbm", "1.dib", "1.TIFF", "1.webp", "1.jp2"]
)
def test_images_by_their_suffix(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"whatever")
    assert found(tmp_path) == [name]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"])
def test_images_by_their_content(tmp_path: Path, encode: Callable[..., bytes], kind: str) -> None:
    for name in ("plain", "picture.dat"):
        (tmp_path / name).write_bytes(encode(PICTURE, kind))
    assert found(tmp_path) == ["picture.dat", "plain"]


def test_other_files_are_counted_by_kind(tmp_path: Path) -> None:
    texts = ["a.txt", "b.TXT", "LICENSE", "Thumbs.db", "clip.heic", ".DS_Store", "._1.jpg"]
    for name in [*texts, "@eaDir/1.jpg/SMALL.jpg", ".AppleDouble/1.jpg", "__MACOSX/1.jpg"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"BM, P5 and GIF are no images yet")
    os.mkfifo(tmp_path / "pipe.png")
    assert found(tmp_path) == []
    assert find_images(tmp_path).ignored == {
        "hidden": 3, ".txt": 2, "without suffix": 1, ".db": 1, ".heic": 1, "in @eaDir": 1,
        "in __MACOSX": 1, "no regular files": 1,
    }  # fmt: skip


def test_links_are_followed_but_not_in_a_circle(tmp_path: Path) -> None:
    data, store = tmp_path / "data", tmp_path / "store"
    for folder in (data / "own", store):
        folder.mkdir(parents=True)
        (folder / "1.png").touch()
    (data / "linked").symlink_to(store)
    (data / "one.png").symlink_to(store / "1.png")
    (data / "own" / "inside.png").symlink_to(data / "own" / "1.png")
    (data / "own" / "around").symlink_to(data)
    (store / "itself").symlink_to(store)
    (data / "gone.png").symlink_to(store / "gone.png")
    assert found(data) == ["linked/1.png", "one.png", "own/1.png", "own/inside.png"]
    assert find_images(data).ignored == {"links to a folder around them": 2, "broken links": 1}
    assert (find_images(data).linked, find_images(data).outside) == (3, 2)
    assert find_images(data, root=tmp_path).outside == 0


def test_what_lies_beside_folders(tmp_path: Path) -> None:
    for name in ("a/1.png", "2.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert find_beside(tmp_path).images == [tmp_path / "2.png"]
    assert find_beside(tmp_path).ignored == {".txt": 1}


def test_names() -> None:
    assert shown(os.fsdecode(b"a\xff")) == "a\\udcff"
    assert shown("A\u0308") == "A\u0308"
    assert class_name("A\u0308") == "\u00c4"
