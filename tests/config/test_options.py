"""Groups, options, experiments, and what TAB offers."""

from __future__ import annotations

from pathlib import Path

import pytest

from fovea.config import paths
from fovea.config.options import complete_override, description, groups, options


@pytest.fixture
def own_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with an experiment of its own, and another that shadows fovea's."""
    for name in ("mine", "quickstart"):
        folder = tmp_path / "experiments" / name
        folder.mkdir(parents=True)
        (folder / "sweep.yaml").write_text(f"# The {name} of this folder.\nepochs: 1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "experiments"


def test_groups() -> None:
    assert groups() == [
        "experiment",
        "augment",
        "data",
        "launcher",
        "loss",
        "metrics",
        "model",
        "optimizer",
        "probe",
        "schedule",
        "task",
        "tracking",
        "trainer",
    ]


def test_options_are_the_files_of_a_group() -> None:
    assert list(options("augment")) == ["flip_crop", "geometric", "none", "warp"]
    assert "_images" not in options("data")
    assert options("experiment")["quickstart"].name == "sweep.yaml"
    assert description(options("augment")["none"]) == "Images as they are."


def test_experiments_of_the_working_folder_come_first(own_experiment: Path) -> None:
    names = paths.experiment_names()
    assert names == sorted(set(names))
    assert {"mine", "quickstart", "speed"} <= set(names)
    assert paths.experiment("quickstart") == own_experiment / "quickstart"
    assert paths.experiment("nothing") is None
    assert description(options("experiment")["mine"]) == "The mine of this folder."


def test_roots_follow_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FOVEA_DATA", "~/images")
    monkeypatch.setenv("FOVEA_OUTPUTS", "~/outputs")
    assert paths.data_root() == tmp_path / "home" / "images"
    assert paths.outputs() == tmp_path / "home" / "outputs"
    monkeypatch.delenv("FOVEA_DATA")
    assert paths.data_root() == tmp_path / "home" / ".cache" / "fovea"
    (tmp_path / "data").mkdir()
    assert paths.data_root() == tmp_path / "data"
    monkeypatch.delenv("FOVEA_OUTPUTS")
    assert paths.outputs() == paths.conf().parent / "outputs"


@pytest.mark.parametrize(
    ("prefix", "offered"),
    [
        ("augment=", ["augment=flip_crop", "augment=geometric", "augment=none", "augment=warp"]),
        (
            "augment=none,f",
            [f"augment=none,{each}" for each in ("flip_crop", "geometric", "none", "warp")],
        ),
        ("task.", ["task.aux_weight="]),
        (
            "tracking.",
            [
                "tracking.csv.name=",
                "tracking.csv.version=",
                "tracking.default_hp_metric=",
                "tracking.entity=",
                "tracking.mode=",
                "tracking.name=",
                "tracking.project=",
                "tracking.tags=",
                "tracking.tensorboard.default_hp_metric=",
                "tracking.tensorboard.name=",
                "tracking.tensorboard.version=",
                "tracking.version=",
                "tracking.wandb.entity=",
                "tracking.wandb.mode=",
                "tracking.wandb.project=",
                "tracking.wandb.tags=",
            ],
        ),
        ("tracking=[wandb,c", [f"tracking=[wandb,{each}" for each in options("tracking")]),
        ("metrics=", ["metrics=auroc", "metrics=calibration"]),
        ("seed=", []),
        ("nothing=", []),
        ("nothing.", []),
    ],
)
def test_completion(prefix: str, offered: list[str]) -> None:
    assert complete_override(prefix) == offered


def test_completion_of_a_key() -> None:
    offered = complete_override("")
    assert {"model=", "model.", "experiment=", "seed=", "epochs=", "rerun="} <= set(offered)
    assert not {"defaults=", "hydra=", "experiment."} & set(offered)
    assert len(offered) == len(set(offered))


def test_completion_of_experiments(own_experiment: Path) -> None:
    offered = complete_override("experiment=m")
    assert offered == [f"experiment={name}" for name in paths.experiment_names()]
    assert "experiment=mine" in offered


def test_completion_offers_the_keys_of_every_option() -> None:
    offered = complete_override("optimizer.")
    assert offered == sorted(offered)
    assert {"optimizer.lr=", "optimizer.momentum=", "optimizer.betas="} <= set(offered)
    assert not any(key.removeprefix("optimizer.")[0] == "_" for key in offered)
