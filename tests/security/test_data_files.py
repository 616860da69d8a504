"""Data sets of other people: nothing in them is executed, nothing they claim is believed."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import resource
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fovea.config.errors import ConfigError, DataError, one_line
from fovea.data.image.module import ImageData
from fovea.data.image.source import Source
from fovea.data.sources.cifar import Cifar
from fovea.data.sources.huggingface import HuggingFace
from fovea.data.sources.idx import Idx
from fovea.data.sources.image_folder import ImageFolder
from fovea.data.sources.sign_mnist import SignMnist


class Executed:
    """Unpickled by the plain ``pickle``, this makes a folder."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.canary),)


def refused(source: Cifar | Idx, root: Path, name: str) -> str:
    """Return the one line that names the file."""
    with pytest.raises(DataError) as refusal:
        source.read(root, skip_bad=True)
    text = str(refusal.value)
    assert name in text
    assert "\n" not in text.replace(str(root), "")
    assert len(text.replace(str(root), "")) <= 300
    return text


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("place", ["data", "labels", "state"])
def test_no_batch_is_executed(tmp_path: Path, protocol: int, place: str) -> None:
    canary = tmp_path / "executed"
    array: Any = np.zeros((1, 3072), np.uint8)
    if place == "state":
        array = np.array([Executed(canary)], object)
    batch = {"data": array, "labels": [0]}
    if place != "state":
        batch[place] = Executed(canary)
    folder = tmp_path / "cifar10" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "data_batch_1").write_bytes(pickle.dumps(batch, protocol))
    assert "refused" in (line := refused(Cifar(), tmp_path, "data_batch_1")) or "'O8'" in line
    assert not canary.exists()
    pickle.loads((folder / "data_batch_1").read_bytes())
    assert canary.exists()


def test_a_header_that_claims_6_gib_allocates_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "mnist"
    folder.mkdir()
    claim = struct.pack(">4I", 0x803, 60_000, 331, 331)
    compressed = gzip.compress(claim + bytes(2**20), 9)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(compressed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = refused(Idx("mnist", classes=["a"]), tmp_path, "train-images-idx3-ubyte.gz")
    assert "claims 6573660000 values (60000×331×331), the file holds 1048576" in line
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**16  # KiB


def png(size: tuple[int, int] = (8, 8)) -> bytes:
    stream = io.BytesIO()
    Image.new("L", size).save(stream, "PNG")
    return stream.getvalue()


def idx(magic: int, *shape: int, body: int | None = None) -> bytes:
    return struct.pack(f">{1 + len(shape)}I", magic, *shape) + bytes(
        int(np.prod(shape)) if body is None else body
    )


def table(cells: list[Any], labels: list[Any]) -> bytes:
    stream = io.BytesIO()
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"image": pa.array(cells, kind), "label": labels}), stream)
    return stream.getvalue()


def inline(data: bytes) -> dict[str, Any]:
    return {"bytes": data, "path": None}


IMAGES, LABELS = "mnist/train-images-idx3-ubyte", "mnist/train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "mnist/t10k-images-idx3-ubyte", "mnist/t10k-labels-idx1-ubyte"
MNIST = {
    IMAGES: idx(0x803, 4, 8, 8),
    LABELS: idx(0x801, 4),
    TEST_IMAGES: idx(0x803, 2, 8, 8),
    TEST_LABELS: idx(0x801, 2),
}
CSV = "sign_mnist/sign_mnist_train.csv"
HEADER = ("label," + ",".join(f"pixel{number}" for number in range(1, 785))).encode() + b"\n"
SIGNS = {CSV: HEADER + b"0" + 784 * b",1" + b"\n"}
SIGNS["sign_mnist/sign_mnist_test.csv"] = SIGNS[CSV]
TRAIN, TEST = "set/train-0.parquet", "set/test-0.parquet"
PARQUET = {TRAIN: table([inline(png())] * 4, [0, 1, 0, 1])}
PARQUET[TEST] = table([inline(png())] * 2, [0, 1])
FOLDER = {
    f"set/{part}/{name}/{n}.png": png() for part in ("train", "test") for name in "ab" for n in "12"
}
MNIST_SOURCE = Idx("mnist", classes=["a", "b"])
SOURCES: dict[str, tuple[Source, dict[str, bytes]]] = {
    "idx": (MNIST_SOURCE, MNIST),
    "csv": (SignMnist(), SIGNS),
    "parquet": (HuggingFace(folder="set"), PARQUET),
    "folder": (ImageFolder("set"), FOLDER),
}
Damage = dict[str, bytes | str]  # what a file holds instead; text is what it links to

BAD_FILES: list[tuple[str, Damage, str]] = [
    ("idx", {IMAGES: b""}, "0 bytes are too few"),
    ("idx", {IMAGES: idx(0x803, 2**31, 8, 8, body=9)}, "the file holds 9"),
    ("idx", {IMAGES: idx(0x803, 0, 8, 8)}, "empty"),
    ("idx", {TEST_IMAGES: idx(0x803, 0, 8, 8), TEST_LABELS: idx(0x801, 0)}, "empty"),
    ("idx", {IMAGES: "/dev/zero"}, "not a regular file but a device"),
    ("idx", {LABELS: "."}, "not a regular file but a folder"),
    ("idx", {LABELS: idx(0x801, 4)[:-1] + b"\7"}, "label 7 of image 3 is outside 0–1"),
    ("csv", {CSV: bytes(range(256)) * 100}, "expected the header"),
    ("csv", {CSV: "/dev/zero"}, "not a regular file but a device"),
    ("csv", {CSV: HEADER + b"0," + b"7" * 10**6}, "1,000,002 bytes"),
    ("csv", {CSV: HEADER + b"9" + 784 * b",1"}, "label 9 is J"),
    ("csv", {CSV: HEADER}, "no usable row"),
    ("parquet", {TRAIN: b"PAR1" * 99}, "damaged Parquet file"),
    ("parquet", {TRAIN: "/dev/zero"}, "not a regular file but a device"),
    ("parquet", {TEST: table([], [])}, "set data.source.label_column"),
    ("parquet", {TRAIN: table([inline(png())] * 2, [0, 2**40])}, "label 1099511627776 is no class"),
    ("parquet", {TRAIN: table([inline(png())] * 2, [0, None])}, "label None is outside 0–0"),
    ("parquet", {TRAIN: table([inline(png())] * 2, [0, -1])}, "label -1 is outside 0–0"),
    ("parquet", {TRAIN: table([{"path": "/dev/zero"}] * 2, [0, 1])}, "its path leads out of"),
    ("parquet", {TRAIN: table([{"path": "nowhere.png"}] * 2, [0, 1])}, "No such file"),
    ("parquet", {TRAIN: table([inline(png()), inline(b"%!PS")], [0, 1])}, "none of PNG, JPEG"),
    ("parquet", {TRAIN: table([inline(png()), inline(b"")], [0, 1])}, "none of PNG, JPEG"),
    ("folder", {"set/train/a/1.png": png()[:45]}, "cannot be decoded as an image"),
    ("folder", {"set/train/a/1.png": b"\x89PNG" + bytes(10)}, "cannot be decoded as an image"),
    ("folder", {"set/train/a/\udcff.png": b"no image"}, "cannot be decoded as an image"),
]


def prepared(kind: str, root: Path, damage: Damage, *, skip_bad: bool = False) -> ImageData:
    source, files = SOURCES[kind]
    for name, content in (files | damage).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.symlink_to(content)
        else:
            path.write_bytes(content)
    size = 8 if kind in ("parquet", "folder") else None
    return ImageData(
        source, str(root), val_fraction=0.0, batch_size=1, workers=0, image_size=size,
        skip_bad=skip_bad,
    )  # fmt: skip


@pytest.mark.parametrize("kind", SOURCES)
def test_the_files_are_good_but_for_the_damage(tmp_path: Path, kind: str) -> None:
    data = prepared(kind, tmp_path, {})
    data.setup()
    assert data.sizes["train"] > 0


@pytest.mark.parametrize(
    ("kind", "damage", "words"), BAD_FILES, ids=[f"{kind} {words}" for kind, _, words in BAD_FILES]
)
def test_a_bad_file_is_one_line_that_names_it(
    tmp_path: Path, kind: str, damage: Damage, words: str
) -> None:
    data = prepared(kind, tmp_path, damage)
    with pytest.raises((DataError, ConfigError)) as refusal:
        data.setup()
    line = one_line(refusal.value)
    assert words in line
    name = Path(next(iter(damage))).name
    assert name in line or not name.isprintable()
    assert line.encode()


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_part_of_which_nothing_can_be_decoded_is_refused(tmp_path: Path, part: str) -> None:
    bad: Damage = {name: b"no image" for name in FOLDER if f"/{part}/" in name}
    data = prepared("folder", tmp_path, bad, skip_bad=True)
    with pytest.raises(DataError, match=rf"^the {part} part has no image that can be used: set/"):
        data.setup()
