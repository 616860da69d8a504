"""Several options of a group: each a node at a key of its own."""

from __future__ import annotations

import re

import pytest

from fovea.config.compose import compose_run
from fovea.config.errors import ConfigError
from fovea.config.identity import of_options
from fovea.config.schema import validate
from fovea.config.several import rewritten
from fovea.sweep.plan import plan_command


@pytest.mark.parametrize(
    ("override", "given"),
    [
        ("metrics=auroc", ["metrics=[]", "+metrics@metrics.auroc=auroc"]),
        ("metrics=[]", ["metrics=[]"]),
        (
            "tracking=[wandb, 'csv']",
            ["tracking=[]", "+tracking@tracking.wandb=wandb", "+tracking@tracking.csv=csv"],
        ),
        ("tracking=wandb", ["tracking=wandb"]),
        ("metrics=auroc,calibration", ["metrics=auroc,calibration"]),  # a sweep
        ("metrics=[auroc],[calibration]", ["metrics=[auroc],[calibration]"]),
        ("metrics={a:{b:1}}", ["metrics={a:{b:1}}"]),
        ("model=[mlp,vgg]", ["model=[mlp,vgg]"]),
        ("metrics.auroc.better=lower", ["metrics.auroc.better=lower"]),
    ],
)
def test_a_list_is_rewritten(override: str, given: list[str]) -> None:
    assert rewritten([override]) == given


def test_each_option_has_its_keys() -> None:
    (run,) = plan_command(["tracking=[wandb,csv]", "tracking.wandb.mode=online", "metrics=auroc"])
    assert list(run.config["tracking"]) == ["wandb", "csv"]
    assert run.config["tracking"]["wandb"]["mode"] == "online"
    assert run.choices.items() >= {"tracking.csv": "csv", "metrics.auroc": "auroc"}.items()
    assert "tracking" not in run.choices
    assert run.overrides[0] == "tracking=[wandb,csv]"  # as it was typed
    alone = compose_run(["tracking=wandb", "tracking.mode=online"])["tracking"]
    assert alone == run.config["tracking"]["wandb"]


def test_lists_are_swept() -> None:
    grid = ["epochs=1,2", "tracking=csv", "probe=[shifts,train],train"]
    runs = plan_command(grid)
    assert [list(run.config["probe"]) for run in runs] == [["shifts", "train"]] * 2
    assert [each for run in runs for each in run.same] == [
        (f"epochs={epochs}", "tracking=csv", "probe=train") for epochs in (1, 2)
    ]


def test_each_of_several_is_what_it_is_alone() -> None:
    (both,) = plan_command(["probe=[shifts,train]", "probe.shifts.largest=2"])
    (alone,) = plan_command(["probe=shifts", "probe.largest=2"])
    found = of_options("probe", both.config, both.choices)
    assert found.keys() == {"probe.shifts", "probe.train"}
    assert [found["probe.shifts"]] == [*of_options("probe", alone.config, alone.choices).values()]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            "tracking=[wandb,csv] tracking.wandb.mode=x",
            "tracking.wandb.mode=x: should be",
        ),
        ("tracking=[wandb,csv] +tracking.mode=x", "tracking.mode: unknown key (known: wandb, csv)"),
        ("metrics=auroc +metrics.auroc.bettr=x", "metrics.auroc.bettr: unknown key; did you mean"),
        ("metrics=auroc metrics.auroc.takes=label", "metrics.auroc.takes=label: should be a valid"),
        ("metrics=auroc ~metrics.auroc._target_", "metrics.auroc._target_: no value"),
        ("+metrics@metrics.a-b=auroc", "metrics.a-b: should be named by letters, digits and _"),
    ],
)
def test_a_mistake_names_its_place(overrides: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        validate(compose_run(overrides.split()))


def test_a_metric_has_an_identity_where_training_watches_it() -> None:
    def id_of(*overrides: str) -> str:
        return plan_command(overrides)[0].id

    assert id_of("metrics=[auroc,calibration]") == id_of()
    watching = id_of("metrics=auroc", "trainer.monitor=val/auroc")
    assert watching == id_of("metrics=[calibration,auroc]", "trainer.monitor=val/auroc")
    assert watching != id_of("trainer.monitor=val/auroc")
    weighted = ["metrics=auroc", "metrics.auroc.metric.average=weighted"]
    assert watching != id_of(*weighted, "trainer.monitor=val/auroc")
    stop = "trainer.stop={metric:val/auroc,value:0.9}"
    assert id_of("metrics=auroc", stop) != id_of(*weighted, stop)
