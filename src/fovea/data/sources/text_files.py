"""Text files of a data set, in the encoding they were written in."""

from __future__ import annotations

from pathlib import Path

from fovea.config.errors import ConfigError, DataError
from fovea.data.sources.storage import read_bytes

ENCODING_REMEDY = "set data.source.encoding"


def check_encoding(encoding: str) -> None:
    """Refuse what is no encoding of text.

    Raises:
        ConfigError: it is none.
    """
    try:
        " ".encode(encoding)
    except (LookupError, ValueError, UnicodeError):
        raise ConfigError(
            f"data.source.encoding={encoding}: unknown; for instance utf-8, cp1252, latin-1"
        ) from None


def read_decoded(path: Path, encoding: str, remedy: str = ENCODING_REMEDY) -> str:
    """Return the text of a file, decompressed by its suffix; a byte order mark is dropped.

    Raises:
        DataError: it cannot be read, or is not in that encoding.
    """
    content = read_bytes(path)
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise DataError(
            f"{path}:{line}: byte 0x{content[problem.start]:02x} is not {encoding}; {remedy}"
        ) from None
