"""The CSV of Sign Language MNIST: compression, and every way a row can be wrong."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fovea.config.errors import DataError
from fovea.data.image.fingerprint import fingerprint
from fovea.data.image.source import Images, Splits
from fovea.data.sources.sign_mnist import SignMnist

HEADER = ",".join(["label", *(f"pixel{number}" for number in range(1, 785))])


def row(label: object, *first: object, width: int = 784) -> str:
    """Return a CSV row with the given first pixels; the others count up from 0."""
    pixels = [*first, *(number % 256 for number in range(width - len(first)))]
    return ",".join(map(str, [label, *pixels]))


GOOD = [row(0), row(24, 255), row(3, 7)]


def write(
    root: Path,
    train: str,
    suffix: str = "",
    compress: Callable[[bytes], bytes] = bytes,
) -> Path:
    folder = root / "sign_mnist"
    folder.mkdir(parents=True, exist_ok=True)
    test = "\n".join([HEADER, row(1)]) + "\n"
    (folder / f"sign_mnist_test.csv{suffix}").write_bytes(compress(test.encode()))
    path = folder / f"sign_mnist_train.csv{suffix}"
    path.write_bytes(compress(train.encode()))
    return path


def table(rows: Sequence[str] = GOOD, end: str = "\n") -> str:
    return end.join([HEADER, *rows, ""])


def read(root: Path, *, skip_bad: bool = False) -> Splits:
    return SignMnist().read(root, skip_bad=skip_bad)


@pytest.mark.parametrize(
    ("suffix", "compress"), [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress)]
)
def test_a_good_file(tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]) -> None:
    write(tmp_path, table(), suffix, compress)
    write(tmp_path / "plain", table())
    spec = SignMnist().spec(tmp_path)
    assert (spec.classes[0], spec.classes[25], len(spec.classes)) == ("A", "Z", 26)
    assert (spec.channels, spec.image_size) == (1, 28)
    splits = read(tmp_path)
    assert isinstance(splits.train, Images)
    assert splits.train.pixels.shape == (3, 28, 28, 1)
    assert splits.train.labels.tolist() == [0, 24, 3]
    assert splits.train.pixels[1].flatten()[:4].tolist() == [255, 0, 1, 2]
    assert splits.train.pixels[0, 1, 0].item() == 28
    assert splits.skipped == []
    assert fingerprint(splits) == fingerprint(read(tmp_path / "plain"))


@pytest.mark.parametrize(
    "text",
    [
        table(end="\r\n"),
        "\ufeff" + table(),
        table() + "\n\n",
        HEADER.replace("label", '"label"') + "\n" + "\n".join(GOOD),
        table([" 0" + GOOD[0][1:], *GOOD[1:]]),
        table([GOOD[0].replace("0,", "0.0,", 1), *GOOD[1:]]),
    ],
    ids=["crlf", "bom", "blank lines", "quotes", "spaces", "integral float"],
)
def test_harmless_variations_read_the_same(tmp_path: Path, text: str) -> None:
    write(tmp_path / "this", text)
    write(tmp_path / "good", table())
    assert fingerprint(read(tmp_path / "this")) == fingerprint(read(tmp_path / "good"))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row(0, width=783), "784 values, expected 785"),
        (row(0, width=785), "786 values, expected 785"),
        (row(0, "ab"), "pixel1 'ab' is not a number"),
        (row(0, 1, ""), "pixel2 '' is not a number"),
        (row(0, 1.5), "pixel1 1.5 is not an integer"),
        (row(0, "nan"), "pixel1 nan is not an integer"),
        (row(0, 1, 2, 256), "pixel3 256 is outside 0–255"),
        (row(0, -1), "pixel1 -1 is outside 0–255"),
        (row(26), "label 26 is outside 0–25"),
        (row(-1), "label -1 is outside 0–25"),
        (row("A"), "label 'A' is not a number"),
        (row(9), "label 9 is J, which the set does not have"),
        (row("25.0"), "label 25.0 is Z, which the set does not have"),
        ("0," * 10_000, "20,001 bytes, more than 16,384"),
        (row("9" * 300), f"label {'9' * 20} is outside 0–25"),
        ("\x1b[2J" + row(0), "label '\\x1b[2J0' is not a number"),
    ],
)
def test_a_bad_row_is_named_or_skipped(tmp_path: Path, bad: str, reason: str) -> None:
    path = write(tmp_path, table([GOOD[0], "", bad, *GOOD[1:]]))
    with pytest.raises(DataError) as error:
        read(tmp_path)
    expected = f"{path}, line 4: {reason}"
    assert str(error.value) == f"{expected}; fix the row or set data.skip_bad=true"
    splits = read(tmp_path, skip_bad=True)
    assert splits.skipped == [expected]
    assert splits.train.labels.tolist() == [0, 24, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"train\.csv, line 1: expected the header label,pixel1,…,pixel784"),
        (table()[1:], r"train\.csv, line 1: expected the header"),
        ("\n".join(GOOD), r"train\.csv, line 1: expected the header"),
        ("a," * 10**6, r"train\.csv, line 1: expected the header"),
        ("\0" * 10**6, r"train\.csv, line 1: expected the header"),
        (HEADER + "\n", r"train\.csv: no usable row"),
        (table([row(26), row(27)]), r"train\.csv: no usable row"),
    ],
)
def test_a_file_without_header_or_rows(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, text)
    with pytest.raises(DataError, match=message):
        read(tmp_path, skip_bad=True)


def test_truncated_compression_is_named(tmp_path: Path) -> None:
    write(tmp_path, table(), ".gz", lambda data: gzip.compress(data)[:-20])
    with pytest.raises(DataError, match=r"train\.csv\.gz: cannot be read"):
        read(tmp_path)


def test_a_missing_part_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such folder \(looked for sign_mnist_train\.csv\["):
        SignMnist().spec(tmp_path)
    write(tmp_path, table())
    (tmp_path / "sign_mnist" / "sign_mnist_test.csv").unlink()
    with pytest.raises(
        DataError, match=r"no sign_mnist_test\.csv\[\.gz\|\.xz\]; put the files there"
    ):
        read(tmp_path)
