"""Reading a data set's files: regular ones only, and no more than they may hold."""

from __future__ import annotations

import gzip
import lzma
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from fovea.config.errors import DataError
from fovea.config.regular import read_regular
from fovea.data.sources.storage import find, read_bytes

COMPRESS = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}


@pytest.mark.parametrize(("suffix", "compress"), COMPRESS.items())
@pytest.mark.parametrize("size", [None, 0, 5, 2**21, 2**40])
def test_content_is_read_whole_or_from_its_start(
    tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes], size: int | None
) -> None:
    content = os.urandom(2**20 + 7)
    path = tmp_path / f"data{suffix}"
    path.write_bytes(compress(content))
    assert read_bytes(path, size) == content[:size]


def test_links_are_followed_to_regular_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_bytes(tmp_path / "link") == b"content"


def special(kind: str, path: Path) -> None:
    match kind:
        case "a folder":
            path.mkdir()
        case "a pipe":
            os.mkfifo(path)
        case "a device":
            path.symlink_to("/dev/zero")
        case "a socket":
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(str(path))


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a device"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    special(kind, tmp_path / "images")
    assert find("images", [tmp_path]) == tmp_path / "images"
    with pytest.raises(DataError) as refusal:
        read_bytes(tmp_path / "images")
    assert str(refusal.value) == (
        f"{tmp_path}/images: cannot be read, replace the file (not a regular file but {kind})"
    )


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    special("a socket", Path("images"))
    with pytest.raises(DataError, match="cannot be read, replace the file"):
        read_bytes(tmp_path / "images")


@pytest.mark.parametrize(("suffix", "compress"), [*COMPRESS.items()][1:])
def test_a_small_file_that_expands_without_end_is_refused(
    tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"bomb{suffix}"
    path.write_bytes(compress(bytes(2**26 + 1)))
    assert read_bytes(path, 2**26) == bytes(2**26)
    with pytest.raises(DataError, match=r"bomb\.\w\w: cannot be read.*more than 67,108,864 bytes"):
        read_bytes(path)


def test_a_file_larger_than_memory_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**42)
    with pytest.raises(DataError, match=r"sparse: .*4,398,046,511,104 bytes, more than half of"):
        read_bytes(tmp_path / "sparse")
    with pytest.raises(OSError, match=r"4,398,046,511,104 bytes, more than the 1,024 allowed"):
        read_regular(tmp_path / "sparse", 1024)
