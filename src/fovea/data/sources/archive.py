"""Tar files read in place."""

from __future__ import annotations

import tarfile
from pathlib import Path

import torch

from fovea.config.errors import DataError
from fovea.config.regular import open_regular
from fovea.data.image.memory import allowance
from fovea.data.sources.image_files import SUFFIXES, FoundFiles, shown


def read_tar(path: Path) -> tuple[dict[str, bytes], FoundFiles]:
    """Read the image files of a tar file that is not compressed; nothing is unpacked.

    Args:
        path: of the tar file. What it holds is as large as it at most.

    Returns:
        The images' bytes by their names in the file, in its order, and what was left out.

    Raises:
        DataError: no regular file, larger than half of the memory that is free, truncated, corrupt,
            or of two images of one name.
    """
    files: dict[str, bytes] = {}
    found = FoundFiles()
    try:
        with open_regular(path) as stream:
            size = stream.seek(0, 2)
            if size > allowance("auto", torch.device("cpu")):
                raise DataError(
                    f"{path}: {size:,} bytes, more than half of the memory that is free"
                )
            stream.seek(0)
            with tarfile.open(fileobj=stream, mode="r:") as tar:
                for member in tar:
                    suffix = Path(member.name).suffix.lower()
                    if member.isdir():
                        continue
                    if not member.isreg() or member.issparse() or suffix not in SUFFIXES:
                        found.ignored[shown(suffix) or "without suffix"] += 1
                        continue
                    if member.name in files:
                        raise DataError(f"{path}: two files named {shown(member.name)}")
                    content = tar.extractfile(member)
                    assert content is not None
                    files[member.name] = content.read()
                    found.images.append(Path(member.name))
    except (OSError, tarfile.TarError, EOFError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read as a tar file, replace it ({reason})") from error
    return files, found
