"""The run id: what changes it and what does not."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from fovea.config import paths
from fovea.config.identity import config_difference, reduced, relocated, run_id, scientific
from fovea.config.keys import targets
from fovea.config.options import options, stated
from fovea.config.schema import GROUPS
from fovea.config.signatures import MISSING, signature
from fovea.sweep.plan import PlannedRun, plan_command

DEFAULTS = Path(__file__).with_name("signature_defaults.json")
OTHER_NUMBERS = [
    "seed=1",
    "epochs=11",
    "batch_size=32",
    "select=last",
    "model=lenet5",
    "model.dropout=0.1",
    "model._target_=fovea.models.resnet.ResNet ~model.hidden_sizes ~model.activation "
    "~model.dropout",
    "augment=flip_crop",
    "loss.label_smoothing=0.1",
    "optimizer.lr=2e-3",
    "schedule=cosine",
    "data.val_fraction=0.2",
    "data.split_seed=1",
    "data.validate_on=test",
    "data.fit=pad",
    "data.skip_bad=true",
    "trainer.precision=bf16-mixed",
    "trainer.limit_batches=3",
    "trainer.ema_decay=0.9",
    "trainer.stop={metric:train/accuracy,value:0.9}",
    "trainer.monitor=val/loss",
    "trainer.devices=2",
    "callbacks=[{_target_:pytorch_lightning.callbacks.LearningRateMonitor}]",
]
SAME_NUMBERS = [
    "experiment=quickstart epochs=10 schedule=constant model=mlp seed=0",
    "outputs=/elsewhere",
    "rerun=true",
    "tracking=csv",
    "tracking.mode=online",
    "probe=shifts",
    "data.root=/elsewhere",
    "data.download=true",
    "data.memory_limit=1",
    "data.workers=0",
    "trainer.progress_bar=off",
    "trainer.threads=1",
    "trainer.accelerator=cpu",
    "trainer.strategy=ddp_spawn",
    "launcher=inline",
    "optimizer.lr=0.001",  # as it is
    "~optimizer.betas",  # the default of its signature
]


def planned(overrides: str) -> PlannedRun:
    (run,) = plan_command(overrides.split())
    return run


@pytest.fixture(scope="module")
def default() -> PlannedRun:
    return planned("seed=0")


@pytest.mark.parametrize("overrides", OTHER_NUMBERS)
def test_what_can_change_the_numbers_changes_the_id(default: PlannedRun, overrides: str) -> None:
    assert planned(overrides).id != default.id


@pytest.mark.parametrize("overrides", SAME_NUMBERS)
def test_what_cannot_change_the_numbers_does_not(default: PlannedRun, overrides: str) -> None:
    assert planned(overrides).scientific == default.scientific
    assert planned(overrides).id == default.id


def test_a_scientific_config_is_the_shortest_list_of_overrides() -> None:
    assert planned("model=resnet model.depth=32 optimizer.lr=3e-3").scientific == {
        "seed": 0,
        "epochs": 10,
        "batch_size": 64,
        "select": "auto",
        "data": "digits",
        "data.constants": {},
        "model": "resnet",
        "model.depth": 32,
        "model.num_classes": "auto",
        "model.in_channels": "auto",
        "model.image_size": "auto",
        "augment": "none",
        "loss": "cross_entropy",
        "optimizer": "adam",
        "optimizer.lr": 0.003,
        "schedule": "constant",
        "task": "classification",
        "trainer": "default",
    }


def test_the_id_is_a_hash_of_the_rule_and_the_config() -> None:
    text = '[2,{"lr":0.5,"sizes":[3,4]}]'
    assert run_id({"sizes": [3, 4], "lr": 0.5}) == hashlib.sha256(text.encode()).hexdigest()[:12]


def test_true_is_not_one_and_one_is_one() -> None:
    one = reduced({"model": "resnet", "model.residual": 1})
    assert "model.residual" in one  # the default is true
    assert "model.residual" not in reduced({"model": "resnet", "model.residual": True})
    assert reduced({"epochs": 10.0}) == {"epochs": 10}


def test_a_class_that_moved_is_the_same(default: PlannedRun) -> None:
    config = default.config | {"model": default.config["model"] | {"_target_": "fovea.old.MLP"}}
    assert scientific(config, default.choices) == default.scientific
    config["model"]["_target_"] = "elsewhere.MLP"
    assert scientific(config, default.choices)["model._target_"] == "elsewhere.MLP"


def test_a_recorded_class_is_named_where_it_is_now(default: PlannedRun) -> None:
    old = json.loads(json.dumps(default.config))
    old["model"]["_target_"] = "fovea.old.MLP"
    old["data"]["source"]["_target_"] = "fovea.data.digits.Digits"
    assert relocated(old, default.choices) == default.config
    old["model"]["_target_"] = "elsewhere.MLP"
    assert relocated(old, default.choices)["model"]["_target_"] == "elsewhere.MLP"
    assert relocated(old, {}) == old


def test_an_argument_that_was_added_leaves_the_id(default: PlannedRun) -> None:
    data = {key: value for key, value in default.config["data"].items() if key != "split_seed"}
    assert scientific(default.config | {"data": data}, default.choices) == default.scientific


def test_a_stored_config_loses_what_bears_no_identity_any_more() -> None:
    stored = {"data": "mnist", "data.source.folder": "a", "seed": 1}
    assert reduced(stored | {"data.source.download_as": "MNIST", "data.root": "/"}) == stored


def test_a_config_is_left_alone(default: PlannedRun) -> None:
    before = json.dumps(default.config)
    scientific(default.config, default.choices)
    assert json.dumps(default.config) == before


def test_a_difference_has_both_values() -> None:
    one = planned("optimizer=sgd optimizer.lr=0.01").scientific
    other = planned("optimizer=sgd").scientific
    assert config_difference(one, other) == {"optimizer.lr": (0.01, 0.1)}
    assert config_difference(one, one) == {}


def test_the_defaults_of_signatures_stay() -> None:
    """A default that changes gives another run an id that published runs have: change the YAML.

    A new argument is added to the file, with the behaviour before it as its default.
    """
    found: dict[str, dict[str, Any]] = {}
    for group in GROUPS:
        for option in options(group):
            for _, target in targets(stated(group, option)):
                arguments = signature(target) or {}
                found[f"{group}/{option}: {target.rpartition('.')[2]}"] = {
                    name: json.loads(json.dumps(each.default))
                    for name, each in arguments.items()
                    if each.scientific and each.default is not MISSING
                }
    pinned = json.loads(DEFAULTS.read_text())
    assert found == pinned


def test_every_option_is_found_by_its_files() -> None:
    for group in GROUPS:
        for option in options(group):
            assert "_target_" in stated(group, option), f"{paths.conf()}/{group}/{option}.yaml"
    assert stated("model", "no_such_network") == {}
