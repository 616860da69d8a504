"""Results: of records, and of published rows."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fovea.config.errors import RecordError
from fovea.records import RunFolder, run_folder
from fovea.tables.expressions import Reading
from fovea.tables.results import Result, from_record, from_text, published, to_text

LATER = ("precision", "threads", "numerics", "hardware_class")
TO_HALF = "epochs_to(train/accuracy >= 0.5)"
RESULT = Result(
    id="0123456789ab",
    seed=1,
    values={
        "test/accuracy": Reading(0.1 + 0.2),
        "parameters": Reading(1000),
        "test/loss": Reading(math.nan),
        TO_HALF: Reading(20, censored=True),
    },
    notes=("validated on the test part", "one, two; three"),
    provenance={
        "hardware": "AMD EPYC, 2 cores",
        "versions": "fovea 0.1.0, torch 2.15.0",
        "code": "3f40c4c",
        "uncommitted": "no",
        "data": "d1d2",
        "precision": "bf16-mixed",
        "threads": "2",
        "numerics": "5",
        "hardware_class": "cpu avx512",
    },
    arm="mine",
    overrides="model=mlp optimizer.lr=0.1",
)


@pytest.fixture
def run(outputs: Path) -> RunFolder:
    folder = run_folder(outputs, "aaa")
    folder.write(
        "summary.json",
        {
            "id": "aaa",
            "status": "finished",
            "seed": 3,
            "metrics": {"test/accuracy": 0.75, "test/loss": math.nan},
            "parameters": 1000,
            "diverged": True,
            "skipped": 2,
            "protocol": ["validated on the test part"],
            "per_class_accuracy": {"0": 0.5},
            "seconds": 1.5,
        },
    )
    folder.write_history(
        [
            {"epoch": 1, "step": 5, "train/accuracy": 0.4},
            {"epoch": 2, "step": 10, "train/accuracy": 0.6},
        ]
    )
    hardware = {"processor": "AMD EPYC", "cores": 2, "gpus": ["H200"]}
    folder.write(
        "environment.json",
        {
            "fovea": "0.1.0",
            "python": "3.11.7",
            "packages": {"torch": "2.15.0"},
            "git": {"sha": "3f40c4c", "dirty": True},
            "hardware": hardware,
            "threads": 4,
            "numerics": 3,
            "resolved": {"precision": "32", "strategy": "auto", "hardware": "cuda H200"},
        },
    )
    folder.write("data.json", {"fingerprint": "d1d2"})
    return folder


def test_a_result_of_a_record(run: RunFolder) -> None:
    result = from_record(run, 3, [TO_HALF, "test/accuracy", "best(val/accuracy)"])
    loss = result.values["test/loss"].value
    assert math.isnan(loss)
    assert {name: each for name, each in result.values.items() if name != "test/loss"} == {
        "test/accuracy": Reading(0.75),
        "parameters": Reading(1000),
        "skipped": Reading(2),
        "seconds": Reading(1.5),
        TO_HALF: Reading(2),
    }
    assert (result.id, result.seed, result.recorded) == ("aaa", 3, True)
    assert result.notes == (
        "validated on the test part",
        "2 samples that could not be read were left out",
        "training diverged: its loss was not finite",
    )
    assert result.provenance == {
        "hardware": "AMD EPYC, 2 cores, H200",
        "versions": "fovea 0.1.0, python 3.11.7, torch 2.15.0",
        "code": "3f40c4c",
        "uncommitted": "yes",
        "data": "d1d2",
        "precision": "32",
        "threads": "4",
        "numerics": "3",
        "hardware_class": "cuda H200",
    }


def test_a_record_without_an_environment_has_no_provenance(outputs: Path) -> None:
    folder = run_folder(outputs, "bbb")
    folder.write("summary.json", {"status": "finished", "parameters": 7})
    result = from_record(folder, 0, ["parameters"])
    assert set(result.provenance.values()) == {""}


def test_a_result_is_read_as_it_was_written() -> None:
    text = to_text([RESULT], [TO_HALF])
    read = from_text(text)[RESULT.id]
    assert to_text([read], [TO_HALF]) == text
    assert math.isnan(read.values["test/loss"].value)
    assert read.values["test/accuracy"] == Reading(0.1 + 0.2)
    assert read.values[TO_HALF] == Reading(20, censored=True)
    assert isinstance(read.values["parameters"].value, int)
    assert (read.notes, read.provenance, read.seed) == (RESULT.notes, RESULT.provenance, 1)
    assert (read.arm, read.overrides) == (RESULT.arm, RESULT.overrides)
    assert not read.recorded


def test_rows_from_before_later_columns_stay_as_they_are() -> None:
    known = {key: text for key, text in RESULT.provenance.items() if key not in LATER}
    old = replace(RESULT, provenance=known)
    text = to_text([old], [])
    heading = text.partition("\n")[0].split(",")
    assert not {*LATER} & {*heading}
    assert to_text([*from_text(text).values()], []) == text
    both = to_text([old, replace(RESULT, id="bbb")], [])
    heading, first, _ = (line.split(",") for line in both.splitlines())
    place = heading.index("data") + 1
    assert heading[place : place + 5] == [*LATER, "notes"]
    assert first[-1] == text.splitlines()[1].rpartition(",")[2]
    assert from_text(both)[RESULT.id].provenance == known | dict.fromkeys(LATER, "")


def test_computed_columns_that_the_table_does_not_use_are_left_out() -> None:
    assert TO_HALF not in to_text([RESULT], ["test/accuracy"])
    assert "test/loss" in to_text([RESULT], [])


def test_another_row_or_column_does_not_change_a_digest() -> None:
    other = Result("bbb", 2, {"extra": Reading(1.5)}, arm="mine", overrides="model=vgg")
    alone, both = to_text([RESULT], []), to_text([RESULT, other], [])
    assert alone.splitlines()[1].rpartition(",")[2] == both.splitlines()[1].rpartition(",")[2]
    assert set(from_text(both)) == {RESULT.id, "bbb"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.30000000000000004", "0.40000000000000004"),
        ("> 20", "20"),
        ("model=mlp", "model=vgg"),
        ("AMD EPYC", "AMD EPIC"),
        (",1,", ",2,"),
        ("0123456789ab", "0123456789ac"),
    ],
)
def test_what_is_changed_by_hand_is_found(old: str, new: str) -> None:
    text = to_text([RESULT], [TO_HALF])
    assert old in text
    with pytest.raises(ValueError, match=r"^line 2 \(run 0123.*\): was changed after"):
        from_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: "", "no heading, or columns are missing"),
        (lambda text: text.replace("digest", "digset"), "no heading, or columns are missing"),
        (lambda text: text + "a,b\n", "line 3: 2 values for 19 columns"),
        (lambda text: text + text.splitlines()[1] + "\n", "line 3: run 0123456789ab occurs twice"),
        (lambda text: text[:-3] + "\n", r"line 2 \(run 0123456789ab\): was changed"),
    ],
)
def test_a_damaged_file_is_told(change: object, reason: str) -> None:
    assert callable(change)
    with pytest.raises(ValueError, match=reason):
        from_text(change(to_text([RESULT], [TO_HALF])))


def test_published_results_of_an_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "experiments" / "mine"
    folder.mkdir(parents=True)
    (folder / "sweep.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert published("mine") == {}
    assert published("no_such_experiment") == {}
    file = folder / "results.csv"
    file.write_text(to_text([RESULT], [TO_HALF]))
    assert list(published("mine")) == [RESULT.id]
    file.write_text(file.read_text().replace("> 20", "> 21"))
    with pytest.raises(RecordError) as refusal:
        published("mine")
    assert str(refusal.value) == (
        f"{file}: line 2 (run {RESULT.id}): was changed after it was published; "
        "restore it, or write it from records: fovea table mine --publish"
    )


def test_published_results_are_read_without_anything_heavy() -> None:
    script = (
        "from fovea.tables.results import published\npublished('quickstart')\nimport sys\n"
        "print(*sorted({'torch', 'pandas', 'numpy', 'scipy', 'statsmodels', 'matplotlib'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
