"""The run id: what changes it and what does not."""

from __future__ import annotations

import hashlib

import pytest

from fovea.config.compose import compose_run
from fovea.config.identity import run_id, scientific

OTHER_NUMBERS = [
    "seed=1",
    "epochs=11",
    "batch_size=32",
    "select=last",
    "model=lenet5",
    "model.dropout=0.1",
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
    "trainer.target_accuracy=0.9",
    "probe=shifts",
]
SAME_NUMBERS = [
    "experiment=quickstart epochs=10 schedule=constant",
    "outputs=/elsewhere",
    "rerun=true",
    "tracking=csv",
    "tracking.mode=online",
    "data.root=/elsewhere",
    "data.download=true",
    "data.memory_limit=1",
    "data.workers=0",
    "trainer.progress_bar=off",
    "trainer.threads=1",
    "launcher=inline",
    "launcher.workers=2",
    "optimizer.lr=0.001",  # as it is
]


def test_a_key_that_is_null_is_as_if_it_were_not_there() -> None:
    config = compose_run([])
    assert config["trainer"]["patience"] is None
    without = config | {"trainer": {**config["trainer"]}, "added": None}
    del without["trainer"]["patience"]
    assert run_id(without) == run_id(config)
    assert run_id(without | {"added": 0}) != run_id(config)


@pytest.mark.parametrize("override", OTHER_NUMBERS)
def test_what_can_change_the_numbers_changes_the_id(override: str) -> None:
    assert run_id(compose_run([override])) != run_id(compose_run([]))


@pytest.mark.parametrize("overrides", SAME_NUMBERS)
def test_what_cannot_change_the_numbers_does_not(overrides: str) -> None:
    assert run_id(compose_run(overrides.split())) == run_id(compose_run([]))


def test_the_id_is_the_hash_of_canonical_json() -> None:
    text = '{"data":{"n":1},"lr":0.5,"sizes":[3,4]}'
    config = {"lr": 0.5, "sizes": (3.0, 4), "data": {"root": "/a", "n": 1.0}, "hydra": {"a": 1}}
    assert run_id(config) == hashlib.sha256(text.encode()).hexdigest()[:12]


def test_true_is_not_one() -> None:
    assert run_id({"residual": True}) != run_id({"residual": 1})


def test_scientific_leaves_its_argument_alone() -> None:
    config = {"data": {"root": "/a", "fit": "pad"}, "rerun": True, "seed": 0}
    assert scientific(config) == {"data": {"fit": "pad"}, "seed": 0}
    assert config == {"data": {"root": "/a", "fit": "pad"}, "rerun": True, "seed": 0}
