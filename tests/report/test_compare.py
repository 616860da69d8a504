"""``fovea compare``: what it prints and draws, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from synthetic_runs import predict, record

from fovea import cli


def compare(*runs: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["compare", *runs])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def lines(text: str) -> list[list[str]]:
    """The cells of every line of what was printed."""
    rows = (line.replace("┃", "│").strip("│").split("│") for line in text.splitlines())
    return [[cell.strip() for cell in row] for row in rows]


def test_two_runs(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(outputs, "aaa", "optimizer.lr=0.00005", "data.workers=1", accuracy=0.5, classes=2)
    record(outputs, "bbb", "seed=1", accuracy=0.75, classes=2)
    assert compare("aa", "bb") == 0
    printed = lines(capsys.readouterr().out)
    assert ["optimizer.lr", "5e-05", "0.001"] in printed
    assert ["seed", "0", "1"] in printed
    assert ["test/accuracy", "0.5000", "0.7500", "+0.2500"] in printed
    assert ["train/loss", "0.1000", "0.1000", "+0.0000"] in printed
    assert not [row for row in printed if row[0].startswith(("data.workers", "epochs"))]
    assert ["aaa bbb", "40", "0", "10", "0.002", "0.002"] in printed
    assert ["McNemar's exact test, on the test samples that both runs share"] in printed
    picture = outputs / "comparisons" / "aaa-bbb.png"
    assert printed[-1] == [str(picture)]
    with Image.open(picture) as image:
        assert image.size[0] > 1000


def test_three_runs_are_tested_in_pairs(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index, run in enumerate("abc"):
        record(outputs, run, f"seed={index}", accuracy=(0.5, 0.75, 0.75)[index], classes=2)
    assert compare("a", "b", "c", "a") == 0
    printed = lines(capsys.readouterr().out)
    pairs = [row for row in printed if len(row) == 6]
    assert pairs[1:] == [
        ["a b", "40", "0", "10", "0.002", "0.0059"],
        ["a c", "40", "0", "10", "0.002", "0.0059"],
        ["b c", "40", "0", "0", "1", "1"],
    ]
    assert ["test/accuracy", "0.5000", "0.7500", "0.7500"] in printed


def test_what_is_no_number_and_what_is_not_there(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(outputs, "a", accuracy=None)
    record(outputs, "b", "seed=1", status="failed")
    assert compare("a", "b") == 0
    printed = lines(capsys.readouterr().out)
    assert ["status", "finished", "failed", ""] in printed
    assert ["test/accuracy", "NaN", "–", ""] in printed
    assert ["no paired test: run b has no test predictions (failed)"] in printed


def test_runs_on_other_samples_are_not_tested(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(outputs, "a", classes=2)
    predict(record(outputs, "b", "seed=1", classes=2), [0, 1], [0, 1])
    assert compare("a", "b") == 0
    assert (
        "no paired test: a and b were tested on different data: 40 samples and 2\n"
        in capsys.readouterr().out
    )


def test_many_runs_have_a_short_file_name(outputs: Path) -> None:
    runs = [f"{index:012x}" for index in range(8)]
    for index, run in enumerate(runs):
        record(outputs, run, f"seed={index}")
    assert compare(*runs) == 0
    (picture,) = (outputs / "comparisons").iterdir()
    assert len(picture.stem) == 12


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        (["a"], "compare needs two runs or more, and a is one"),
        (["a", "a"], "compare needs two runs or more, and a, a is one"),
        (["a", "zzz"], "no run 'zzz' in"),
        (["a", "cut"], "summary.json:1: not JSON"),
    ],
)
def test_bad_runs_are_refused_in_one_line(
    outputs: Path, capsys: pytest.CaptureFixture[str], runs: list[str], told: str
) -> None:
    record(outputs, "a")
    (record(outputs, "cut").path / "summary.json").write_text("{")
    assert compare(*runs) == 2
    printed = capsys.readouterr()
    assert told in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
