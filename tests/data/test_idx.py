"""The idx format: layouts, compression, broken files and the download."""

from __future__ import annotations

import gzip
import lzma
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fovea.config.errors import DataError
from fovea.data.image.fingerprint import fingerprint
from fovea.data.image.source import Downloadable, Images, Spec
from fovea.data.sources.idx import Idx

SOURCE = Idx("mnist", classes=["zero", "one", "two"], download_as="MNIST")
TRAIN = np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4)
TEST = TRAIN[:2] + 100


def idx(values: np.ndarray, magic: int | None = None) -> bytes:
    magic = 0x0800 | values.ndim if magic is None else magic
    return struct.pack(f">{1 + values.ndim}I", magic, *values.shape) + values.tobytes()


def labels(*values: int) -> bytes:
    return idx(np.array(values, np.uint8))


def write(
    folder: Path, suffix: str = "", compress: Callable[[bytes], bytes] = bytes, **changed: bytes
) -> None:
    """Write a whole set; ``changed`` replaces the content of ``train_images``, and so on."""
    content = {
        "train_images": idx(TRAIN),
        "train_labels": labels(0, 1, 2, 0, 1),
        "t10k_images": idx(TEST),
        "t10k_labels": labels(2, 0),
    } | changed
    folder.mkdir(parents=True)
    for key, data in content.items():
        part, kind = key.split("_")
        name = f"{part}-{kind}-idx{3 if kind == 'images' else 1}-ubyte{suffix}"
        (folder / name).write_bytes(compress(data))


def test_images_may_have_any_height_and_width(tmp_path: Path) -> None:
    wide = {"train_images": TRAIN.reshape(5, 2, 8), "t10k_images": TEST.reshape(2, 2, 8)}
    write(tmp_path / "mnist", **{name: idx(values) for name, values in wide.items()})
    assert SOURCE.spec(tmp_path).image_size == [2, 8]
    splits = SOURCE.read(tmp_path, skip_bad=False)
    assert splits.train.pixels.shape == (5, 2, 8, 1)


@pytest.mark.parametrize("folder", ["mnist", "mnist/raw", "mnist/MNIST/raw"])
@pytest.mark.parametrize(
    ("suffix", "compress"), [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress)]
)
def test_every_layout_gives_the_same(
    tmp_path: Path, folder: str, suffix: str, compress: Callable[[bytes], bytes]
) -> None:
    write(tmp_path / folder, suffix, compress)
    write(tmp_path / "plain" / "mnist")
    assert SOURCE.spec(tmp_path) == Spec(("zero", "one", "two"), channels=1, image_size=4)
    splits = SOURCE.read(tmp_path, skip_bad=False)
    assert isinstance(splits.train, Images)
    assert isinstance(splits.test, Images)
    assert splits.train.pixels.squeeze(3).tolist() == TRAIN.tolist()
    assert splits.train.labels.tolist() == [0, 1, 2, 0, 1]
    assert splits.test.pixels.squeeze(3).tolist() == TEST.tolist()
    plain = SOURCE.read(tmp_path / "plain", skip_bad=False)
    assert fingerprint(splits) == fingerprint(plain)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"train_images": idx(TRAIN, magic=0x0D03)},
            r"train-images-idx3-ubyte: magic number 0x00000d03, expected 0x00000803",
        ),
        ({"train_labels": idx(TRAIN)}, r"train-labels.*0x00000803, expected 0x00000801"),
        ({"train_images": b"\0\0\x08"}, r"3 bytes are too few for an idx header of 16"),
        (
            {"train_images": idx(TRAIN)[:-1]},
            r"claims 80 values \(5×4×4\), the file holds 79",
        ),
        ({"train_images": idx(TRAIN) + b"\0"}, r"claims 80 values .* the file holds more"),
        (
            {"train_images": struct.pack(">4I", 0x803, 2**32 - 1, 2**16, 2**16)},
            r"claims 18446744069414584320 values .* the file holds 0; replace the file",
        ),
        (
            {"train_labels": struct.pack(">2I", 0x801, 2**32 - 1) + bytes(5)},
            r"train-labels.*claims 4294967295 values .* the file holds 5",
        ),
        ({"t10k_images": idx(TEST[:0])}, r"t10k-images.*: empty \(the header's shape is 0×4×4\)"),
        ({"t10k_labels": labels()}, r"t10k-labels.*: empty \(the header's shape is 0\)"),
        ({"train_labels": labels(0, 1)}, r"train-labels-idx1-ubyte: 2 labels for 5 images"),
        ({"t10k_labels": labels(2, 3)}, r"t10k-labels.*label 3 of image 1 is outside 0–2"),
        ({"train_images": idx(np.zeros((5, 4, 3), np.uint8))}, r"4×3 in train, 4×4 in t10k"),
        ({"t10k_images": idx(np.zeros((2, 5, 5), np.uint8))}, r"4×4 in train, 5×5 in t10k"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, changed: dict[str, bytes], message: str) -> None:
    write(tmp_path / "mnist", **changed)
    with pytest.raises(DataError, match=message):
        SOURCE.read(tmp_path, skip_bad=True)


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".xz", lzma.compress)])
@pytest.mark.parametrize("damage", [lambda data: data[:-12], lambda data: b"broken" + data[6:]])
def test_damaged_compression_is_named(
    tmp_path: Path,
    suffix: str,
    compress: Callable[[bytes], bytes],
    damage: Callable[[bytes], bytes],
) -> None:
    write(tmp_path / "mnist", suffix, lambda data: damage(compress(data)))
    with pytest.raises(DataError, match=rf"images-idx3-ubyte\{suffix}: cannot be read"):
        SOURCE.read(tmp_path, skip_bad=False)


def test_a_missing_set_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(DataError) as missing:
        SOURCE.spec(tmp_path)
    assert str(missing.value) == (
        f"{tmp_path}/mnist: no such folder (looked for train-images-idx3-ubyte[.gz|.xz]); put the "
        "files there, or set data.root (or FOVEA_DATA) to the folder that holds mnist/, "
        "or add data.download=true"
    )
    (tmp_path / "mnist").mkdir()
    with pytest.raises(DataError, match=r"mnist: no train-images-idx3-ubyte\[\.gz\|\.xz\];"):
        SOURCE.spec(tmp_path)


class Mirrors:
    """Stands in for torchvision's downloader and serves files of a folder."""

    def __init__(self, folder: Path, broken: str) -> None:
        self.folder = folder
        self.broken = broken
        self.asked: list[str] = []

    def __call__(self, url: str, root: Path, filename: str, md5: str) -> None:
        self.asked.append(url)
        if url.startswith(self.broken):
            raise OSError("no route to host")
        root.mkdir(parents=True, exist_ok=True)
        (root / filename).write_bytes((self.folder / url.rpartition("/")[2]).read_bytes())


def serve(monkeypatch: pytest.MonkeyPatch, folder: Path, broken: str) -> Mirrors:
    import torchvision.datasets
    import torchvision.datasets.utils

    mirrors = Mirrors(folder, broken)
    monkeypatch.setattr(torchvision.datasets.utils, "download_url", mirrors)
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", ["down://", "up://"])
    return mirrors


def test_download_tries_every_mirror_and_fetches_only_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "remote", ".gz", gzip.compress)
    mirrors = serve(monkeypatch, tmp_path / "remote", broken="down://")
    assert isinstance(SOURCE, Downloadable)
    SOURCE.download(tmp_path)
    assert len(mirrors.asked) == 8
    raw = tmp_path / "mnist" / "MNIST" / "raw"
    assert sorted(path.suffix for path in raw.iterdir()) == [".gz"] * 4
    assert len(SOURCE.read(tmp_path, skip_bad=False).train) == 5
    SOURCE.download(tmp_path)
    assert len(mirrors.asked) == 8


def test_a_failed_download_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, tmp_path, broken="")
    with pytest.raises(
        DataError, match=r"train-images.*download to .* failed \(no route to host\)"
    ):
        SOURCE.download(tmp_path)
    with pytest.raises(DataError, match="no known address"):
        Idx("letters", classes=["a"]).download(tmp_path)


def test_a_read_only_root_is_enough(tmp_path: Path, read_only: Callable[[Path], Any]) -> None:
    write(tmp_path / "mnist", ".gz", gzip.compress)
    read_only(tmp_path)
    assert len(SOURCE.read(tmp_path, skip_bad=False).train) == 5
