"""Runs on texts: recorded, tested again, and asked about new texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fovea import cli
from fovea.config.errors import ConfigError, DataError
from fovea.records import RunFolder
from fovea.training.evaluate import evaluate
from fovea.training.predict import predict

GOOD = [f"a fine and funny film about {number} people ." for number in range(30)]
BAD = [f"it's dull , ( and slow ) {'so ' * number}boring !" for number in range(30)]


@pytest.fixture(scope="module")
def run(trained: Callable[..., RunFolder], tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A small CNN, trained for three epochs on sixty sentences."""
    folder = tmp_path_factory.mktemp("texts")
    rows = [f'"{text}",good' for text in GOOD] + [f'"{text}",bad' for text in BAD]
    (folder / "said.csv").write_text("\n".join(["text,label", *rows]))
    return trained(
        "data=text_csv",
        f"data.root={folder}",
        "data.source.file=said.csv",
        "model=text_cnn",
        "model.width=8",
        "model.maps=4",
        "optimizer.lr=0.05",
        "epochs=3",
        "trainer.limit_batches=null",
    )


def test_a_run_on_texts_is_recorded(run: RunFolder) -> None:
    assert run.summary["metrics"]["test/accuracy"] > 0.8
    described = run.read("data.json")
    assert described["sizes"] == {"train": 43, "val": 5, "test": 12}
    assert described["words"][0] == "so"
    samples = pd.read_parquet(run.predictions)["sample"]
    assert samples.str.fullmatch(r"said\.csv:\d+ [0-9a-f]{12}").all()
    assert run.summary["macs"] > 0


def test_its_test_can_be_repeated(run: RunFolder) -> None:
    metrics = evaluate(run)
    assert metrics["test/accuracy"] == run.summary["metrics"]["test/accuracy"]
    assert metrics["test/loss"] == pytest.approx(run.summary["metrics"]["test/loss"], rel=1e-5)


def test_new_texts_get_the_answers_of_the_test(run: RunFolder, tmp_path: Path) -> None:
    recorded = pd.read_parquet(run.predictions)
    lines = recorded["sample"].str.extract(r":(\d+) ")[0].astype(int)
    texts = [[*GOOD, *BAD][line - 2] for line in lines]
    (tmp_path / "new.txt").write_text("\n\n".join(texts[:6]) + "\n")
    predicted = predict(run, [str(tmp_path / "new.txt")], texts[6:])
    assert predicted.names == texts
    rows = predicted.predictions.rows
    assert rows["prediction"].tolist() == recorded["prediction"].tolist()
    expected = np.stack(recorded["probabilities"].to_list())
    np.testing.assert_allclose(rows["probabilities"], expected, atol=1e-5)


def test_a_typed_text_is_printed_with_its_class(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["predict", str(run.path), "--text", "a funny film", "--out", str(tmp_path / "said")]
    with pytest.raises(SystemExit) as ended:
        cli.main(asked)
    assert ended.value.code == 0
    heading, row, *_ = capsys.readouterr().out.splitlines()
    assert heading.split() == ["text", "class", "probability", "then"]
    assert row.split()[:4] == ["a", "funny", "film", "good"]
    assert not (tmp_path / "said" / "predictions.png").exists()


def test_texts_are_not_augmented(trained: Callable[..., RunFolder]) -> None:
    with pytest.raises(ConfigError, match="this data is not augmented; set augment=none"):
        trained("data=text_csv", "data.source.file=x", "model=text_cnn", "augment=flip_crop")


def test_what_cannot_be_asked_is_one_line(
    run: RunFolder, trained: Callable[..., RunFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError, match="--text: ImageData reads no texts; name files"):
        predict(trained(), [], ["a film"])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main(["predict", str(run.path)])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "fovea: predict: no samples; name files, or give a --text\n"
