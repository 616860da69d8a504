"""``fovea samples``: which test samples, in which order, with which pictures."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fovea.commands.samples import run as samples
from fovea.records import RunFolder
from fovea.training.assemble import assemble
from fovea.training.evaluate import pictures_of_test

Training = Callable[..., RunFolder]


@pytest.fixture(scope="module")
def run(trained: Training) -> RunFolder:
    return trained()


def told(folder: Path) -> list[dict[str, str]]:
    with (folder / "samples.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_the_worst_are_those_whose_class_was_least_probable(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEA_OUTPUTS", str(run.path.parents[1]))
    frame = pd.read_parquet(run.predictions)
    shares = np.stack(frame["probabilities"].to_list())
    own = shares[range(len(frame)), frame["label"]]
    others = np.where(np.arange(10) == frame["label"].to_numpy()[:, None], -1, shares)
    margin = own - others.max(axis=1)
    samples(run.id, worst=3, best=None, data_root=None, out=tmp_path / "worst")
    rows = told(tmp_path / "worst")
    assert [int(each["test row"]) for each in rows] == np.argsort(margin)[:3].tolist()
    assert [each["sample"] for each in rows] == frame["sample"][np.argsort(margin)[:3]].tolist()
    assert float(rows[0]["score"]) == pytest.approx(margin.min())
    assert (margin[np.argsort(margin)[:3]] < 0).all()
    with Image.open(tmp_path / "worst" / "samples.png") as sheet:
        assert sheet.size[0] > sheet.size[1]  # three side by side
    samples(run.id, worst=20, best=1, data_root=None, out=None)
    (best,) = told(run.path / "predictions")
    assert int(best["test row"]) == margin.argmax()


def test_pictures_are_of_the_rows_asked_for(run: RunFolder) -> None:
    every = assemble(run.config).data.pictures(range(8))
    for picture, expected in zip(pictures_of_test(run, [7, 2]), (every[7], every[2]), strict=True):
        np.testing.assert_array_equal(picture, expected)


def test_without_the_data_they_are_listed_all_the_same(
    run: RunFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FOVEA_OUTPUTS", str(run.path.parents[1]))
    monkeypatch.setattr("fovea.training.evaluate.data_difference", lambda *_: "images differ")
    samples(run.id, worst=2, best=None, data_root=None, out=tmp_path)
    assert len(told(tmp_path)) == 2
    assert not (tmp_path / "samples.png").exists()
    assert capsys.readouterr().err.startswith("no pictures: data.root=")
