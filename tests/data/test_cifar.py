"""CIFAR in its three layouts, and what a hostile pickle or archive comes to."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import pickletools
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fovea.config.errors import DataError
from fovea.data.image.fingerprint import fingerprint
from fovea.data.image.source import Downloadable, Images, Splits
from fovea.data.sources.cifar import Cifar

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
BATCHES = [f"data_batch_{number}" for number in range(1, 6)]
RANDOM = np.random.default_rng(0)
TRAIN = RANDOM.integers(0, 256, (10, 32, 32, 3), np.uint8)  # one of each class, in their order
TEST = RANDOM.integers(0, 256, (10, 32, 32, 3), np.uint8)
PYTHON_2 = {"SHORT_BINBYTES": b"U", "BINBYTES": b"T", "BINUNICODE": b"T"}  # as byte strings


def pickled(pixels: np.ndarray, labels: list[int], key: str = "labels") -> bytes:
    """Pickle a batch as the original files are: by Python 2 and a NumPy of its time."""
    planes = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)
    modern = pickle.dumps({"data": planes, key: labels}, protocol=3)
    old = bytearray(modern)
    for code, _, position in pickletools.genops(modern):
        if code.name in PYTHON_2:
            old[position : position + 1] = PYTHON_2[code.name]
    return bytes(old).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def batches() -> dict[str, bytes]:
    """Return the six files of CIFAR-10, two training images in each."""
    train = {
        name: pickled(TRAIN[2 * index : 2 * index + 2], [2 * index, 2 * index + 1])
        for index, name in enumerate(BATCHES)
    }
    return train | {"test_batch": pickled(TEST, list(range(10)))}


def in_folder(root: Path, files: Mapping[str, bytes]) -> Path:
    folder = root / "cifar10" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return root


def in_archive(root: Path, members: Mapping[str, bytes | tarfile.TarInfo]) -> Path:
    path = root / "cifar10" / "cifar-10-python.tar.gz"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return root


def prefixed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"cifar-10-batches-py/{name}": data for name, data in files.items()}


def in_folders(root: Path, encode: Callable[..., bytes]) -> Path:
    for part, pixels in (("train", TRAIN), ("test", TEST)):
        for name, image in zip(CLASSES, pixels, strict=True):
            folder = root / "cifar10" / part / name
            folder.mkdir(parents=True)
            (folder / "1.png").write_bytes(encode(image))
    return root


def in_parquet(
    root: Path,
    encode: Callable[..., bytes],
    names: list[str] | None,
    folder: str = "cifar10/plain_text",
    column: str = "label",
    **more: list[int],
) -> Path:
    (root / folder).mkdir(parents=True)
    for part, pixels in (("train", TRAIN), ("test", TEST)):
        cells = [{"bytes": encode(each, "WEBP", lossless=True), "path": ""} for each in pixels]
        table = pa.table({"img": cells, column: list(range(10))} | more)
        if names is not None:
            feature = {"_type": "ClassLabel", "names": names}
            info = {"info": {"features": {column: feature}}}
            table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
        pq.write_table(table, root / folder / f"{part}-00000-of-00001.parquet")
    return root


def read(root: Path, *, skip_bad: bool = False) -> Splits:
    return Cifar().read(root, skip_bad=skip_bad)


def assert_everything_read(splits: Splits) -> None:
    for part, pixels in ((splits.train, TRAIN), (splits.test, TEST)):
        assert isinstance(part, Images)
        assert part.pixels.numpy().tolist() == pixels.tolist()
        assert part.labels.tolist() == list(range(10))


def test_every_layout_gives_the_same(tmp_path: Path, encode: Callable[..., bytes]) -> None:
    roots = [
        in_folder(tmp_path / "1", batches()),
        in_archive(tmp_path / "2", prefixed(batches())),
        in_folders(tmp_path / "3", encode),
        in_parquet(tmp_path / "4", encode, CLASSES),
        in_parquet(tmp_path / "5", encode, None),
    ]
    for root in roots:
        spec = Cifar().spec(root)
        assert (list(spec.classes), spec.channels, spec.image_size) == (CLASSES, 3, 32)
        assert_everything_read(read(root))
    assert len({fingerprint(read(root)) for root in roots}) == 1


def test_the_pickled_batches_come_first(tmp_path: Path, encode: Callable[..., bytes]) -> None:
    in_folder(tmp_path, batches())
    for part in ("train", "test"):
        (tmp_path / "cifar10" / part).mkdir()
    (tmp_path / "cifar10" / "train-0.parquet").touch()
    assert_everything_read(read(tmp_path))


def test_cifar100_has_fine_labels(tmp_path: Path, encode: Callable[..., bytes]) -> None:
    folder = tmp_path / "cifar100" / "cifar-100-python"
    folder.mkdir(parents=True)
    for part in ("train", "test"):
        (folder / part).write_bytes(pickled(TRAIN[:2], [99, 26], key="fine_labels"))
    source = Cifar("cifar100", "CIFAR100")
    classes = source.spec(tmp_path).classes
    assert len(set(classes)) == 100
    assert classes == tuple(sorted(classes))
    assert source.read(tmp_path, skip_bad=False).train.labels.tolist() == [99, 26]
    as_on_the_hub = ["cra" if name == "crab" else name for name in classes]
    root = tmp_path / "hub"
    in_parquet(root, encode, as_on_the_hub, "cifar100", "fine_label", coarse_label=[0] * 10)
    assert source.read(root, skip_bad=False).test is not None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data_batch_3", None, r"cifar-10-batches-py: no data_batch_3"),
        ("data_batch_4", b"", r"data_batch_4: not a batch of"),
        ("test_batch", b"\x80", r"test_batch: not a batch of cifar-10-python\.tar\.gz"),
        ("test_batch", pickle.dumps([1]), r"test_batch: not a batch"),
        ("test_batch", pickle.dumps({"data": TEST}), r"test_batch: not a batch of .* \('labels'\)"),
        ("test_batch", pickled(TEST[:2], [0]), r"test_batch: data is not uint8 of shape \(1, 3072"),
        (
            "test_batch",
            pickled(TEST[:2] / 255, [0, 1]),
            r"test_batch: .*an array of 'f8', not of integers",
        ),
        ("test_batch", pickled(TEST[:2].view(np.int8), [0, 1]), r"test_batch: data is not uint8"),
        ("test_batch", pickle.dumps({"data": 1, "labels": [[0]]}), r"labels that are no integers"),
        ("test_batch", pickle.dumps({"data": 1, "labels": [True]}), r"labels that are no integers"),
        ("test_batch", pickle.dumps({"data": TEST[0], "labels": TEST[0]}), r"labels that are no"),
        (
            "test_batch",
            pickle.dumps({"data": 1, "labels": [0]}),
            r"data is not uint8 of shape \(1,",
        ),
        ("test_batch", pickled(TEST[:2], [0, 10]), r"test_batch, row 1: label 10 is outside 0–9"),
    ],
)
def test_a_broken_batch_is_named(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    files = {key: data for key, data in (batches() | {name: content}).items() if data is not None}
    with pytest.raises(DataError, match=message):
        read(in_folder(tmp_path, files), skip_bad=True)


class Hostile:
    """Unpickled by the plain ``pickle``, this makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_hostile_pickle_is_not_executed(tmp_path: Path) -> None:
    proof = tmp_path / "executed"
    hostile = pickle.dumps({"data": Hostile(proof), "labels": []})
    with pytest.raises(DataError, match=r"data_batch_1: .*refused to load posix\.mkdir"):
        read(in_folder(tmp_path, batches() | {"data_batch_1": hostile}))
    assert not proof.exists()
    pickle.loads(hostile)
    assert proof.exists()


def test_a_hostile_archive_writes_nothing_and_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(batches()["test_batch"])
    link = tarfile.TarInfo("cifar-10-batches-py/test_batch")
    link.type, link.linkname = tarfile.SYMTYPE, "../../secret"
    members = prefixed(batches()) | {
        link.name: link,
        "../../outside": b"written",
        str(tmp_path / "absolute"): b"written",
    }
    in_archive(tmp_path, members)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz: no test_batch"):
        read(tmp_path)
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("size", "count", "message"),
    [
        (2**40, 1, r"cifar-10-batches-py/test_batch claims 1,099,511,627,776 bytes"),
        (0, 1001, r"cifar-10-python\.tar\.gz: more than 1000 files"),
    ],
)
def test_an_archive_that_claims_too_much_is_refused(
    tmp_path: Path, size: int, count: int, message: str
) -> None:
    member = tarfile.TarInfo("cifar-10-batches-py/test_batch")
    member.size = size
    header = member.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / "cifar-10-python.tar.gz").write_bytes(gzip.compress(header * count))
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_a_truncated_archive_is_named(tmp_path: Path) -> None:
    in_archive(tmp_path, prefixed(batches()))
    path = tmp_path / "cifar10" / "cifar-10-python.tar.gz"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz: cannot be read, replace"):
        read(tmp_path)


def test_a_bad_image_is_named_or_skipped(tmp_path: Path, encode: Callable[..., bytes]) -> None:
    in_folders(tmp_path, encode)
    (tmp_path / "cifar10/train/cat/1.png").write_bytes(encode(TRAIN[3])[:-40])
    (tmp_path / "cifar10/test/dog/1.png").write_bytes(encode(TEST[5][:31]))
    with pytest.raises(DataError, match=r"cifar10/train/cat/1\.png: cannot be decoded"):
        read(tmp_path)
    splits = read(tmp_path, skip_bad=True)
    assert [line.split(":")[0] for line in splits.skipped] == [
        "cifar10/train/cat/1.png",
        "cifar10/test/dog/1.png",
    ]
    assert splits.skipped[1].endswith("32×31 pixels, expected 32×32")
    assert splits.train.labels.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("rename", "message"),
    [
        (("cat", "cats"), r"cifar10: unknown class 'cats'; did you mean 'cat'\?"),
        (("truck", "ship/2"), r"cifar10: no class 'truck'; CIFAR10 has airplane, automobile, bird"),
    ],
)
def test_classes_of_another_set_are_refused(
    tmp_path: Path, encode: Callable[..., bytes], rename: tuple[str, str], message: str
) -> None:
    in_folders(tmp_path, encode)
    for part in ("train", "test"):
        (tmp_path / "cifar10" / part / rename[0]).rename(tmp_path / "cifar10" / part / rename[1])
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_classes_in_another_order_are_refused(tmp_path: Path, encode: Callable[..., bytes]) -> None:
    with pytest.raises(DataError, match="the classes are in another order"):
        read(in_parquet(tmp_path, encode, CLASSES[::-1]))


def test_a_missing_set_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(DataError) as missing:
        Cifar().spec(tmp_path)
    assert str(missing.value) == (
        f"{tmp_path}/cifar10: no such folder (looked for cifar-10-batches-py/, "
        "cifar-10-python.tar.gz, train-*.parquet or train/<class>/); put the files there, or set "
        "data.root (or FOVEA_DATA) to the folder that holds cifar10/, or add data.download=true"
    )


def test_the_download_is_read_unextracted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision.datasets.utils

    remote = in_archive(tmp_path / "remote", prefixed(batches())) / "cifar10"
    asked: list[str] = []

    def download_url(url: str, root: Path, filename: str, md5: str) -> None:
        asked.append(md5)
        root.mkdir(parents=True)
        (root / filename).write_bytes((remote / url.rpartition("/")[2]).read_bytes())

    monkeypatch.setattr(torchvision.datasets.utils, "download_url", download_url)
    source = Cifar()
    assert isinstance(source, Downloadable)
    source.download(tmp_path)
    source.download(tmp_path)
    assert asked == ["c58f30108f718f92721af3b95e74349a"]
    assert [path.name for path in (tmp_path / "cifar10").iterdir()] == ["cifar-10-python.tar.gz"]
    assert_everything_read(read(tmp_path))


def test_a_failed_download_leaves_no_set_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchvision.datasets.utils

    def corrupt(url: str, root: Path, filename: str, md5: str) -> None:
        root.mkdir(parents=True, exist_ok=True)
        (root / filename).write_bytes(b"half of it")
        raise RuntimeError("File not found or corrupted.")

    monkeypatch.setattr(torchvision.datasets.utils, "download_url", corrupt)
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz: download to .* failed"):
        Cifar().download(tmp_path)
    with pytest.raises(DataError, match="put the files there"):
        read(tmp_path)


def test_a_read_only_root_is_enough(tmp_path: Path, read_only: Callable[[Path], None]) -> None:
    in_archive(tmp_path, prefixed(batches()))
    read_only(tmp_path)
    assert_everything_read(read(tmp_path))
