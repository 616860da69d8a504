"""The cache of decoded sets: read once, read anew when anything changed, never in the way."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch

from fovea.config.errors import DataError
from fovea.data.image import cache
from fovea.data.image.cache import read_cached
from fovea.data.image.fingerprint import fingerprint
from fovea.data.image.source import Files, ImageFile, Images, Source, Spec, Splits

READS: list[str] = []


@dataclass(frozen=True)
class Slow(Source):
    """Reads one file of bytes as that many 1×1 images, and counts how often."""

    folder: str = "set"
    encoded: bool = field(default=False, kw_only=True)

    def spec(self, root: Path) -> Spec:
        return Spec(("a",), channels=1, image_size=1)

    def read(self, root: Path, *, skip_bad: bool) -> Splits:
        READS.append(self.folder)
        data = (root / self.folder / "data").read_bytes()
        labels = torch.zeros(len(data), dtype=torch.int64)
        if self.encoded:
            return Splits(Files([ImageFile("data", data)] * len(data), labels), None)
        pixels = torch.tensor(list(data), dtype=torch.uint8).view(-1, 1, 1, 1)
        return Splits(Images(pixels, labels), None, skipped=["data: byte 7"] if skip_bad else [])


@pytest.fixture(autouse=True)
def _every_set_is_worth_keeping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "WORTH_SECONDS", 0.0)
    READS.clear()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "data").write_bytes(b"\x01\x02\x03")
    return tmp_path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FOVEA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_set_is_read_once(root: Path, folder: Path) -> None:
    first = read_cached(Slow(), root, skip_bad=True)
    again = read_cached(Slow(), root, skip_bad=True)
    assert len(READS) == 1
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".pixels"]
    assert isinstance(again.train, Images)
    assert again.train.pixels.flatten().tolist() == [1, 2, 3]
    assert (again.test, again.val, again.skipped) == (None, None, ["data: byte 7"])
    assert fingerprint(again) == fingerprint(first)


def test_what_changes_a_reading_changes_the_entry(root: Path, folder: Path) -> None:
    read_cached(Slow(), root, skip_bad=True)
    assert read_cached(Slow(), root, skip_bad=False).skipped == []
    (root / "set" / "data").write_bytes(b"\x04\x05\x06\x07")
    assert len(read_cached(Slow(), root, skip_bad=True).train) == 4
    (root / "set" / "more").touch()
    read_cached(Slow(), root, skip_bad=True)
    (root / "other").symlink_to(root / "set")
    read_cached(Slow("other"), root, skip_bad=True)
    assert READS == ["set"] * 4 + ["other"]


def test_a_mended_reader_reads_anew(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_cached(Slow(), root, skip_bad=True)
    monkeypatch.setattr("fovea.data.image.cache.code_of_modules", lambda _: {"reader": "mended"})
    read_cached(Slow(), root, skip_bad=True)
    assert READS == ["set"] * 2


def kept(**changed: Any) -> bytes:
    """What is kept with the pixels of three images, changed."""
    return json.dumps(
        {"count": 3, "labels": {"train": [0, 0, 0]}, "skipped": []} | changed
    ).encode()


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".pixels", b"\x01\x02"),
        (".pixels", b""),
        (".json", b"{"),
        (".json", b"[" * 10**5),
        (".json", kept(count=10**12)),
        (".json", kept(labels={"train": [0, 0]})),
        (".json", kept(labels={"train": [0, 0, 0], "test": []}) + b"}"),
        (".json", kept(labels={"test": [0, 0, 0]})),
        (".json", kept(labels={"train": [0, 0, 1]})),
        (".json", kept(labels={"train": [0, 0, 2**40]})),
        (".json", kept(labels={"train": [0, 0, True]})),
        (".json", kept(labels={"train": "abc"})),
        (".json", kept(labels=7)),
    ],
)
def test_a_damaged_entry_is_read_anew(
    root: Path, folder: Path, suffix: str, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    read_cached(Slow(), root, skip_bad=False)
    (entry,) = folder.glob(f"*{suffix}")
    assert suffix == ".pixels" or entry.read_bytes() == kept()
    entry.write_bytes(content)
    splits = read_cached(Slow(), root, skip_bad=False)
    assert isinstance(splits.train, Images)
    assert splits.train.pixels.flatten().tolist() == [1, 2, 3]
    assert splits.train.labels.tolist() == [0, 0, 0]
    assert len(READS) == 2
    assert "damaged cache entry, decoded anew" in caplog.text
    read_cached(Slow(), root, skip_bad=False)
    assert len(READS) == 2


def test_an_entry_that_is_a_pipe_is_not_waited_for(root: Path, folder: Path) -> None:
    read_cached(Slow(), root, skip_bad=False)
    (entry,) = folder.glob("*.pixels")
    entry.unlink()
    os.mkfifo(entry)
    assert len(read_cached(Slow(), root, skip_bad=False).train) == 3
    assert len(READS) == 2


def test_without_a_place_to_write_all_is_as_before(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "file").touch()
    monkeypatch.setenv("FOVEA_CACHE", str(root / "file" / "below"))
    assert len(read_cached(Slow(), root, skip_bad=False).train) == 3
    assert len(read_cached(Slow(), root, skip_bad=False).train) == 3
    assert len(READS) == 2


def test_images_that_are_decoded_later_are_not_kept(root: Path, folder: Path) -> None:
    read_cached(Slow(encoded=True), root, skip_bad=False)
    assert not folder.exists()


def test_a_set_that_is_read_fast_is_not_kept(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "WORTH_SECONDS", 1000.0)
    read_cached(Slow(), root, skip_bad=False)
    assert not folder.exists()


ENTRY = ("a set", 7)


def two_images(stream: BinaryIO) -> dict[str, Any]:
    stream.write(bytes(range(4)))
    stream.write(bytes(range(4, 8)))
    return {"count": 2, "note": "é"}


def test_pixels_are_mapped_as_they_were_written(folder: Path) -> None:
    entry = cache.entry_of(*ENTRY)
    assert cache.load_pixels(entry, (2, 2, 1)) is None
    assert cache.keep_pixels(entry, 8, two_images) == {"count": 2, "note": "é"}
    kept = cache.load_pixels(cache.entry_of(*ENTRY), (2, 2, 1))
    assert kept is not None
    pixels, about = kept
    assert pixels.shape == (2, 2, 2, 1)
    assert pixels.flatten().tolist() == list(range(8))
    assert about == {"count": 2, "note": "é"}
    assert cache.entry_of("a set", 8) != entry


@pytest.mark.parametrize("suffix", [".pixels", ".json"])
def test_damaged_pixels_are_no_entry(suffix: str, folder: Path) -> None:
    entry = cache.entry_of(*ENTRY)
    cache.keep_pixels(entry, 8, two_images)
    file = entry.with_suffix(suffix)
    file.write_bytes(file.read_bytes()[:-4])
    assert cache.load_pixels(entry, (2, 2, 1)) is None
    file.unlink()
    assert cache.load_pixels(entry, (2, 2, 1)) is None


def test_a_writer_that_fails_leaves_nothing(folder: Path) -> None:
    def fail(stream: BinaryIO) -> dict[str, Any]:
        two_images(stream)
        raise DataError("7.png: cannot be decoded")

    with pytest.raises(DataError):
        cache.keep_pixels(cache.entry_of(*ENTRY), 8, fail)
    assert list(folder.iterdir()) == []


def test_a_disk_that_is_full_or_becomes_so_is_done_without(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def disk_full(stream: BinaryIO) -> dict[str, Any]:
        raise OSError(28, "No space left on device")

    entry = cache.entry_of(*ENTRY)
    assert cache.keep_pixels(entry, 8, disk_full) is None
    assert cache.keep_pixels(entry, 2**60, two_images) is None
    assert list(folder.iterdir()) == []
    assert [each.levelname for each in caplog.records] == ["WARNING"] * 2
    assert "No space left" in caplog.messages[0]
    assert "free" in caplog.messages[1]


def test_what_a_killed_writer_left_is_removed_in_time(folder: Path) -> None:
    folder.mkdir()
    old, new = (folder / f".{digit * 32}.pixels.x_1" for digit in "0f")
    others = folder / ".profile"  # the folder may be anyone's
    for file in (old, new, others):
        file.touch()
    os.utime(old, (0, 0))
    os.utime(others, (0, 0))
    cache.keep_pixels(cache.entry_of(*ENTRY), 8, two_images)
    assert not old.exists()
    assert others.exists()
    assert new.exists()


def test_two_writers_at_once_leave_one_entry(folder: Path) -> None:
    entry = cache.entry_of(*ENTRY)

    def interrupted(stream: BinaryIO) -> dict[str, Any]:
        about = two_images(stream)
        assert cache.keep_pixels(entry, 8, two_images)  # the other process is faster
        return about

    assert cache.keep_pixels(entry, 8, interrupted)
    assert len(list(folder.iterdir())) == 2
    kept = cache.load_pixels(entry, (2, 2, 1))
    assert kept is not None
    assert kept[0].flatten().tolist() == list(range(8))
