"""Which results of before may not be compared with those of today."""

from __future__ import annotations

from pathlib import Path

import pytest

from fovea.config import code
from fovea.config.code import code_of
from fovea.config.compose import compose_run
from fovea.config.numerics import CHANGES, NUMERICS, changes_of_record, changes_since


def affected(*overrides: str) -> list[int]:
    """Return the numbers of the changes that a run of before is told of."""
    notes = changes_since(0, compose_run(list(overrides)))
    return [int(note.rpartition("numerics ")[2].removesuffix(")")) for note in notes]


@pytest.mark.parametrize(
    ("overrides", "numbers"),
    [
        ("", []),
        ("model=lenet5", [1]),
        ("model=lenet5 model.variant=modern", []),
        ("schedule=one_cycle", [2]),
        ("schedule=step schedule.every=2.0", []),
        ("schedule=step schedule.every=2.5", [3]),
        ("schedule=multistep schedule.milestones=[1,1.5]", [3]),
        ("schedule=one_cycle schedule.warmup_epochs=0.5", [2, 3]),
        ("trainer.accumulate=2", [4]),
        ("augment=flip_crop", [5]),
        ("augment=geometric model=lenet5", [1, 5]),
    ],
)
def test_a_change_concerns_the_runs_whose_numbers_it_moves(
    overrides: str, numbers: list[int]
) -> None:
    assert affected(*overrides.split()) == numbers


def test_a_change_of_one_metric_is_told_where_that_is_shown() -> None:
    config = compose_run(["model=lenet5"])
    assert len([*changes_since(0, config, ["macs", "test/accuracy"])]) == 1
    assert [*changes_since(0, config, ["test/accuracy"])] == []


def test_only_later_changes_are_told() -> None:
    config = compose_run(["augment=flip_crop", "schedule=one_cycle"])
    assert len([*changes_since(0, config)]) == 2
    assert [*changes_since(2, config)] == [f"trained before {CHANGES[4].what} (numerics 5)"]
    assert [*changes_since(NUMERICS, config)] == []


def test_code_of_ones_own_is_told_by_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOVEA_TRUST", "lab")
    file = tmp_path / "lab" / "net.py"
    file.parent.mkdir()
    (file.parent / "__init__.py").touch()
    file.write_text("class Net: pass\n")
    config = compose_run([]) | {"model": {"_target_": "lab.net.Net"}}
    before = {"code": code_of(config), "numerics": NUMERICS}
    assert "lab.net" in before["code"]
    file.write_text("# a comment changes nothing\nclass Net: pass\n")
    code._read.cache_clear()
    assert [*changes_of_record(before, config)] == []
    file.write_text("class Net: width = 2\n")
    code._read.cache_clear()
    assert [*changes_of_record(before, config)] == ["trained before lab.net changed"]
