"""Image files decoded once: into memory, onto the disk, and from there the next time."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from fovea.config.errors import DataError
from fovea.data.image import decoded
from fovea.data.image.decoded import Decoded, decode_in_order, decode_set
from fovea.data.image.fingerprint import fingerprint
from fovea.data.image.fit import Decoding
from fovea.data.image.source import Files, ImageFile, Images, Splits

DECODING = Decoding((2, 2), 1, "resize")


def encoded(value: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (3, 3), value).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for value in range(6):
        (tmp_path / f"{value}.png").write_bytes(encoded(value))
    return tmp_path


@pytest.fixture
def cache_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("decoded")
    monkeypatch.setenv("FOVEA_CACHE", str(folder))
    monkeypatch.setattr("fovea.data.image.cache.WORTH_SECONDS", 0.0)
    return folder


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Say how often a set was decoded whole since the last time it was asked."""
    calls = []
    write = decoded._write
    monkeypatch.setattr(decoded, "_write", lambda *a, **k: calls.append(1) or write(*a, **k))

    def since() -> int:
        number = len(calls)
        calls.clear()
        return number

    return since


def splits(folder: Path, in_memory: bool = False) -> Splits:
    """Four training and two test images; image ``i`` is of label and value ``i``."""
    paths = sorted(folder.glob("*.png"))
    contents = [path.read_bytes() if in_memory else path for path in paths]
    items = [ImageFile(path.name, each) for path, each in zip(paths, contents, strict=True)]
    labels = torch.arange(len(items))
    return Splits(Files(items[:4], labels[:4]), Files(items[4:], labels[4:]))


def decode(given: Splits, decoding: Decoding = DECODING, **changes: Any) -> Decoded:
    arguments = {"skip_bad": False, "workers": 0, "limit": "auto"} | changes
    return decode_set(given, decoding, **arguments)


def values(part: Images | Files | None) -> list[int]:
    assert isinstance(part, Images)
    return part.pixels[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.parametrize("limit", ["auto", 1e-9])
def test_files_are_decoded_once(
    in_memory: bool, limit: Any, folder: Path, cache_folder: Path, count: Callable[[], int]
) -> None:
    first = decode(splits(folder, in_memory), limit=limit)
    again = decode(splits(folder, in_memory), limit=limit)
    assert count() == 1
    assert sorted(path.suffix for path in cache_folder.iterdir()) == [".json", ".pixels"]
    for each in (first, again):
        assert each.mapped
        assert each.fingerprint == fingerprint(splits(folder))
        assert values(each.splits.train) == [0, 1, 2, 3]
        assert values(each.splits.test) == [4, 5]
        assert each.splits.train.labels.tolist() == [0, 1, 2, 3]
        assert each.splits.val is None


def test_a_second_start_does_not_open_the_files(
    folder: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode(splits(folder))
    monkeypatch.setattr(ImageFile, "read", lambda file: pytest.fail(f"{file.name} was read"))
    assert values(decode(splits(folder)).splits.train) == [0, 1, 2, 3]


def test_what_changes_the_pixels_changes_the_entry(
    folder: Path, cache_folder: Path, count: Callable[[], int]
) -> None:
    decode(splits(folder))
    decode(splits(folder), Decoding((2, 2), 3, "resize"))
    decode(splits(folder), Decoding((2, 2), 1, "crop"))
    decode(splits(folder), Decoding((3, 3), 1, "resize"))
    decode(splits(folder), Decoding((2, 3), 1, "resize"))
    decode(splits(folder), Decoding((3, 2), 1, "resize"))
    decode(splits(folder), skip_bad=True)
    assert count() == 7
    os.utime(folder / "2.png", (0, 0))
    decode(splits(folder))
    assert count() == 1
    (folder / "2.png").write_bytes(encoded(77))
    assert values(decode(splits(folder)).splits.train) == [0, 1, 77, 3]
    decode(splits(folder, in_memory=True))
    (folder / "2.png").write_bytes(encoded(78))
    assert values(decode(splits(folder, in_memory=True)).splits.train) == [0, 1, 78, 3]


def test_bad_files_are_remembered(
    folder: Path, cache_folder: Path, count: Callable[[], int]
) -> None:
    for value in (1, 4):
        (folder / f"{value}.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"1\.png: cannot be decoded"):
        decode(splits(folder))
    assert list(cache_folder.iterdir()) == []
    count()
    for _ in range(2):
        kept = decode(splits(folder), skip_bad=True).splits
        assert (values(kept.train), values(kept.test)) == ([0, 2, 3], [5])
        assert kept.train.labels.tolist() == [0, 2, 3]
        assert [reason.partition(":")[0] for reason in kept.skipped] == ["1.png", "4.png"]
    assert count() == 1


@pytest.mark.parametrize(("limit", "kind"), [("auto", Images), (1e-9, Files)])
def test_without_a_place_to_write_memory_or_every_epoch_has_to_do(
    limit: Any,
    kind: type,
    folder: Path,
    cache_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("FOVEA_CACHE", str(folder / "0.png" / "below"))
    held = decode(splits(folder), limit=limit)
    assert isinstance(held.splits.train, kind)
    assert not held.mapped
    assert held.fingerprint == fingerprint(splits(folder))
    assert "decoded images not kept" in caplog.messages[0]


@pytest.mark.parametrize(
    "damage",
    [{"twins": [[9, 0]]}, {"bad": {"train": [0, 1, 2]}, "twins": "?"}, {"depth": {"a": 1}}],
)
def test_a_damaged_entry_is_decoded_anew(
    damage: dict[str, Any], folder: Path, cache_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    decode(splits(folder))
    (about,) = cache_folder.glob("*.json")
    about.write_text(json.dumps(json.loads(about.read_text()) | damage))
    assert values(decode(splits(folder)).splits.train) == [0, 1, 2, 3]
    assert "damaged cache entry, decoded anew" in caplog.messages[0]


def test_what_is_decoded_fast_is_not_kept(
    folder: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fovea.data.image.cache.WORTH_SECONDS", 1000.0)
    assert values(decode(splits(folder)).splits.test) == [4, 5]
    assert list(cache_folder.iterdir()) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_order_is_kept_whoever_decodes(
    workers: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoded, "_CHUNK_BYTES", 8)  # two images
    files = splits(folder).train
    assert isinstance(files, Files)
    chunks = list(decode_in_order(files, [3, 0, 2], DECODING, skip_bad=False, workers=workers))
    assert [pixels[:, 0, 0, 0].tolist() for pixels, _, _ in chunks] == [[3, 0], [2]]
    assert [index for _, index, _ in chunks] == [[3, 0], [2]]
