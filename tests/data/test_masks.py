"""Masks: what is stored of each class, how pixels weigh, and folders and tar files of them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fovea.augment.joint import IGNORED
from fovea.config.errors import ConfigError, DataError
from fovea.data.image.source import ImageFile
from fovea.data.segmentation.coding import Coding
from fovea.data.segmentation.weights import border_weights, inverse_frequency
from fovea.data.sources.mask_folder import MaskFolder

TWO = {"ground": 0, "leaf": 255}


def stored(image: Image.Image, kind: str = "PNG") -> ImageFile:
    stream = io.BytesIO()
    image.save(stream, kind)
    return ImageFile("m.png", stream.getvalue())


def grey(values: object, mode: str | None = None) -> ImageFile:
    kind = np.uint16 if mode == "I;16" else np.uint8
    return stored(Image.fromarray(np.array(values, kind)))


def palette() -> Image.Image:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    image.putdata([2, 1])
    return image


def test_values_ranges_and_colours_become_labels() -> None:
    numbered = Coding({"ground": 0, "nucleus": "1-300", "edge": [400, 401]}, ignored=[7000])
    found = numbered.read(grey([[0, 1, 300], [400, 401, 7000]], "I;16"))
    assert found.tolist() == [[0, 1, 1], [2, 2, IGNORED]]
    assert Coding({"a": 1, "b": 2}).read(stored(palette())).tolist() == [[1, 0]]
    coloured = Coding({"a": "#ff0000", "b": "#00FF00"})
    assert coloured.read(stored(palette())).tolist() == [[1, 0]]
    assert coloured.read(stored(palette().convert("RGB"))).tolist() == [[1, 0]]
    assert Coding(TWO).read(stored(Image.new("1", (2, 1), 1))).tolist() == [[1, 1]]
    assert Coding(TWO).read(stored(Image.new("RGB", (1, 1), "white"))).tolist() == [[1]]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (grey([[0, 0], [255, 7]]), "m.png: value 7 at row 1, column 1 is of no class .ground 0, l"),
        (grey([[0, 256]], "I;16"), "m.png: value 256 at row 0, column 1 is of no class"),
        (stored(Image.new("RGB", (1, 1), "red")), "m.png: a coloured mask; give .* as colours"),
        (ImageFile("m.png", b"none"), "m.png: cannot be decoded as an image"),
    ],
)
def test_a_mask_that_cannot_be_read_is_one_line(file: ImageFile, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Coding(TWO).read(file)


def test_an_unknown_colour_is_named() -> None:
    with pytest.raises(DataError, match="colour #0000ff at row 0, column 0"):
        Coding({"a": "#ff0000", "b": "#00ff00"}).read(stored(Image.new("RGB", (1, 1), "blue")))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"a": 0}, "1 classes; from 2"),
        ({"a": 0, "b": "0-3"}, "b: 0-3 is of two classes"),
        ({"a": 0, "b": 70_000}, "b: 70000 is above 65,535"),
        ({"a": 0, "b": "#ff0000"}, "some are colours and some are values"),
        ({"a": 0, "b": "3-1"}, "b: 3-1 is no value"),
        ({"a": 0, "b": -1}, "b: -1 is no value"),
        ({"a": 0, "b": True}, "b: True is no value"),
    ],
)
def test_classes_that_are_no_coding_are_refused(classes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Coding(classes)  # pyright: ignore[reportArgumentType]


def test_inverse_frequency_lets_all_classes_count_alike() -> None:
    pixels = np.array([60, 30, 10, 0])
    weights = inverse_frequency(pixels)
    assert (weights * pixels)[:3] == pytest.approx([100 / 3] * 3)
    assert weights[3] == 0


def test_border_weights_are_equation_2_of_the_paper() -> None:
    objects = np.zeros((30, 40), bool)
    objects[5:12, 3:15] = objects[5:12, 18:33] = objects[20:28, 8:30] = True
    rows, columns = np.indices(objects.shape)
    distances = []
    for window in ((slice(5, 12), slice(3, 15)), (slice(5, 12), slice(18, 33)),
                   (slice(20, 28), slice(8, 30))):  # fmt: skip
        y, x = rows[window].ravel(), columns[window].ravel()
        squared = (rows[..., None] - y) ** 2 + (columns[..., None] - x) ** 2
        distances.append(np.sqrt(squared.min(-1)))
    nearest, second, _ = np.sort(np.stack(distances), axis=0)
    expected = 10 * np.exp(-((nearest + second) ** 2) / (2 * 5**2))
    found = border_weights(objects, largest=10, sigma=5)
    assert found[~objects] == pytest.approx(expected[~objects], abs=1e-4)
    assert (found[objects] == 0).all()
    assert found.max() == pytest.approx(
        10 * np.exp(-((1 + 3) ** 2) / 50)
    )  # beside a gap of 3 pixels
    assert not border_weights(np.zeros((4, 4), bool), 10, 5).any()


def draw(value: int, shape: tuple[int, int] = (4, 5)) -> bytes:
    content = stored(Image.fromarray(np.full(shape, value, np.uint8))).content
    assert isinstance(content, bytes)
    return content


def folder(root: Path, *names: str) -> Path:
    for name in names:
        file = root / "set" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(draw(0))
    return root


def names(source: MaskFolder, root: Path) -> dict[str, list[str]]:
    found = source.read(root, skip_bad=False).parts
    return {
        part: [f"{pair.image.name} {pair.mask.name}" for pair in pairs]
        for part, pairs in found.items()
    }


def test_images_and_masks_are_paired_by_name(tmp_path: Path) -> None:
    files = ("images/b.tif", "images/a.png", "masks/a.png", "masks/b.png", "masks/c.png", "x.txt")
    root = folder(tmp_path, *files)
    (root / "set" / "x.txt").write_text("no image")
    found = MaskFolder("set", TWO).read(root, skip_bad=False)
    assert names(MaskFolder("set", TWO), root) == {
        "train": ["set/images/a.png set/masks/a.png", "set/images/b.tif set/masks/b.png"]
    }
    assert found.notes == ["set: 4 files used; ignored: 1 .txt, 1 masks without an image in masks"]


def test_parts_are_folders_and_the_last_by_number_may_be_the_test(tmp_path: Path) -> None:
    of = [f"{part}/{kind}/1.png" for part in ("train", "valid", "test") for kind in
          ("images", "masks")]  # fmt: skip
    assert list(names(MaskFolder("set", TWO), folder(tmp_path / "a", *of))) == [
        "train",
        "val",
        "test",
    ]
    numbered = [f"{kind}/{each}.png" for kind in ("p", "q") for each in (0, 2, 9, 10, 11)]
    given = MaskFolder("set", TWO, parts={"train": ["p", "q"]}, test_last=2)
    found = names(given, folder(tmp_path / "b", *numbered))
    assert [each.split()[0] for each in found["test"]] == ["set/p/10.png", "set/p/11.png"]
    assert len(found["train"]) == 3


def test_a_tar_file_is_read_in_place(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        for name in ("top/images/a.png", "top/masks/a.png", "top/about.txt"):
            info = tarfile.TarInfo(name)
            info.size = len(draw(0))
            tar.addfile(info, io.BytesIO(draw(0)))
        link = tarfile.TarInfo("top/images/b.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    source = MaskFolder("set.tar", TWO, parts={"train": ["top/images", "top/masks"]})
    found = source.read(tmp_path, skip_bad=False)
    (pair,) = found.parts["train"]
    assert pair.image.name == "set.tar/top/images/a.png"
    assert pair.mask.read() == draw(0)
    assert found.notes == ["set.tar: 2 files used; ignored: 1 .txt, 1 .png"]
    whole = (tmp_path / "set.tar").read_bytes()
    (tmp_path / "set.tar").write_bytes(whole[:700])
    with pytest.raises(DataError, match=r"set\.tar: cannot be read as a tar file"):
        source.read(tmp_path, skip_bad=False)


@pytest.mark.parametrize(
    ("files", "arguments", "message"),
    [
        (["images/a.png", "masks/b.png"], {}, "set/images/a.png: no mask of the same name in mask"),
        (["images/a.png", "images/a.tif", "masks/a.png"], {}, "images/a.png and images/a.tif have"),
        (["pictures/a.png"], {}, "set: no images in images; expected images/ and masks/"),
        (["test/images/a.png", "test/masks/a.png"], {}, "set: test but no train part"),
        (["images/a.png", "masks/a.png"], {"test_last": 1}, "test_last=1: set has 1 to train on"),
        (
            ["images/a.png"],
            {"parts": {"trian": ["a", "b"]}},
            "parts.trian: .* did you mean 'train'",
        ),
        (["images/a.png"], {"parts": {"train": ["a"]}}, "parts.train: should be"),
    ],
)
def test_a_layout_that_is_none_is_one_line(
    files: list[str], arguments: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises((DataError, ConfigError), match=message):
        MaskFolder("set", TWO, **arguments).read(  # pyright: ignore[reportArgumentType]
            folder(tmp_path, *files), skip_bad=False
        )
    with pytest.raises(DataError, match="nothing: no such folder"):
        MaskFolder("nothing", TWO).read(tmp_path, skip_bad=False)
    with pytest.raises(DataError, match=r"set: no some\.tar; put the files there"):
        MaskFolder("set/some.tar", TWO).read(tmp_path, skip_bad=False)
